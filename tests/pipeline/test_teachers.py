"""Teachers of other kinds through all stages: files of scores and rerankers beside fine-tuned ones."""

from __future__ import annotations

import itertools
import json
import logging
import re
import shlex
import shutil
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.pipeline.running import compose_at
from tests.unit.served.server import serving
from tests.unit.test_ready import bert, qwen3
from tmkd.config import Config
from tmkd.data.schema import pair_id
from tmkd.errors import ConfigError, DataError, TmkdError
from tmkd.experiment.arms import resolve_arms
from tmkd.experiment.check import check_arms
from tmkd.experiment.experiment import Experiment
from tmkd.pipelines import label, pairs, plan, stage2, stage3
from tmkd.results.soft_labels import SoftLabels
from tmkd.results.teacher import fold_of
from tmkd.store.predictions import predictions
from tmkd.store.soft_labels import read_soft_labels

SMALL = ("experiment=smoke", "student.seeds=[1]", "runtime.threads=1", "runtime.precision=fp32", "corpus.pairs=null")
TRAINED = "{learning_rate: 1e-3, batch_size: 16, epochs: 1}"
SPLITS = ("train", "validation", "test", "corpus")
Scored = dict[str, list[dict[str, object]]]


def score(pair: dict[str, object]) -> float:
    """How many words of the question the passage repeats, on a scale of 0 to 100, and a part that sets all apart."""
    asked = set(str(pair["question"]).lower().split())
    apart = zlib.crc32(f"{pair['question']} {pair['passage']}".encode()) / 2**32
    return 99 * len(asked & set(str(pair["passage"]).lower().split())) / len(asked) + apart


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the task and the corpus read, and every pair of the run with a score, a file a split."""
    home = tmp_path_factory.mktemp("scores")
    folder = pairs.run(compose_at(home, *SMALL, "method=tmkd"))
    for split in SPLITS:
        rows = [json.loads(line) for line in (folder / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]
        with (home / f"{split}.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row | {"score": score(row)}) + "\n" for row in rows)
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    """The same, for a test of its own to change."""
    shutil.copytree(made, tmp_path / "home")
    return tmp_path / "home"


def composed(home: Path, *overrides: str, roster: str = "") -> Config:
    roster = roster or f"{TRAINED}, {{kind: scores, path: '{home}/*.jsonl'}}"
    return compose_at(home, *SMALL, f"teachers.roster=[{roster}]", *overrides)


def without(home: Path, split: str, keep: Callable[[int], bool]) -> None:
    lines = (home / f"{split}.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for at, line in enumerate(lines) if keep(at)]
    (home / f"{split}.jsonl").write_text("".join(kept), encoding="utf-8")


def write_lines(path: Path, rows: Sequence[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def rows_of(home: Path, split: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in (home / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]


def test_scores_of_a_file_teach_beside_a_fine_tuned_teacher(home: Path) -> None:
    config = composed(home, "method=[kd,kd_average,tmkd]", "teachers.calibration=none")
    folder = stage3.run(config)
    rows = {row["arm"]: row for row in json.loads((folder / "comparison.json").read_text())["rows"]}
    assert {"teacher 1", "teacher 2", "teacher ensemble", "KD (1avg-o-1)", "TMKD"} <= set(rows)
    assert rows["teacher 2"]["parameters"] is None and rows["teacher 2"]["pairs_per_second"] is None
    experiment = Experiment(config)
    for rows_, split in ((experiment.task.rows("train"), "train"), (experiment.corpus.rows(), "corpus")):
        labels = SoftLabels.of(experiment.roster[1], rows_).build(experiment.context)
        known = rows_of(home, split)
        ids = [pair_id(str(row["question"]), str(row["passage"])) for row in known]
        logits = read_soft_labels(labels.folder(), ids)
        np.testing.assert_allclose(logits[:, 1] - logits[:, 0], [row["score"] for row in known], rtol=1e-6)


def test_unlike_teachers_are_brought_to_one_scale_unless_told_otherwise(home: Path) -> None:
    (home / "marks").mkdir()
    for split in SPLITS:
        rows = [row | {"score": 1 + float(str(row["score"])) / 50} for row in rows_of(home, split)]
        (home / "marks" / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    roster = f"{{kind: scores, path: '{home}/marks/*.jsonl'}}, {{kind: scores, path: '{home}/*.jsonl'}}"
    config = composed(home, "method=kd_average", roster=roster)
    experiment = Experiment(config)
    [first, second] = [teacher.build(experiment.context) for teacher in experiment.roster]
    for teacher in (first, second):
        assert teacher.details["reliability"]["method"] == "platt"
    np.testing.assert_allclose(predictions(first, "test"), predictions(second, "test"), atol=1e-3)
    before = Experiment(composed(home, "teachers.calibration=none", roster=roster))
    raw = before.roster[1].build(before.context)
    old, new = (predictions(each, "test")[0] for each in (raw, second))
    old, new = old[:, 1] - old[:, 0], new[:, 1] - new[:, 0]
    assert (np.argsort(old, kind="stable") == np.argsort(new, kind="stable")).all(), "the order stays"
    assert np.abs(new).max() < 20 < old.max(), "0 to 100 are no log-odds"
    labels = SoftLabels.of(experiment.roster[1], experiment.corpus.rows()).build(experiment.context)
    ids = [pair_id(str(row["question"]), str(row["passage"])) for row in rows_of(home, "corpus")]
    assert np.abs(read_soft_labels(labels.folder(), ids)).max() < 10


def test_fine_tuned_teachers_alone_keep_their_keys(home: Path) -> None:
    usual = Experiment(composed(home, roster=TRAINED)).roster
    assert [each.key for each in Experiment(composed(home, "teachers.calibration=none", roster=TRAINED)).roster] == [
        each.key for each in usual
    ]
    assert Experiment(composed(home, "teachers.missing=skip", roster=TRAINED)).roster[0].key == usual[0].key


def test_pair_without_a_score_ends_the_run_and_is_named(home: Path) -> None:
    first = rows_of(home, "train")[0]
    without(home, "train", lambda at: at >= 3)
    named = re.escape(
        f"the first is row 1 of train: '{str(first['question'])[:60]}' with '{str(first['passage'])[:60]}'"
    )
    told = f"train: .*teacher 2 .* lacks 3 of 60 .{named}.*teachers.missing=skip or average"
    with pytest.raises(DataError, match=told):
        stage2.run(composed(home, "method=kd_average", "teachers.calibration=none"))


@pytest.mark.thorough
@pytest.mark.parametrize(("missing", "learnt"), [("skip", 57), ("average", 60)])
def test_pairs_without_a_score_are_left_out_or_averaged(
    home: Path, missing: str, learnt: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tmkd.training.fit

    seen: list[int] = []
    usual = tmkd.training.fit.fit

    def noted(model: object, pairs: list[object], *args: object, **kwargs: object) -> object:
        seen.append(len(pairs))
        return usual(model, pairs, *args, **kwargs)

    without(home, "train", lambda at: at >= 3)
    config = composed(home, "method=mkd", "teachers.calibration=none", f"teachers.missing={missing}")
    Experiment(config).roster[0].build(Experiment(config).context)
    monkeypatch.setattr(tmkd.training.fit, "fit", noted)
    stage2.run(config)
    assert seen == [learnt]
    assert any("lacks 3 of 60" in record.getMessage() for record in caplog.records)


def test_average_of_no_score_is_refused(home: Path) -> None:
    without(home, "train", lambda at: at >= 3)
    roster = f"{{kind: scores, path: '{home}/*.jsonl'}}"
    with pytest.raises(DataError, match="no teacher has a score for 3 of 60"):
        stage2.run(composed(home, "method=kd", "teachers.calibration=none", "teachers.missing=average", roster=roster))


@pytest.mark.thorough
def test_teacher_without_scores_of_the_test_split_has_no_row(home: Path) -> None:
    (home / "validation.jsonl").unlink()
    (home / "test.jsonl").unlink()
    folder = stage3.run(composed(home, "method=[kd,mkd]", "teachers.calibration=none"))
    rows = {row["arm"]: row for row in json.loads((folder / "comparison.json").read_text())["rows"]}
    assert "teacher 1" in rows and "teacher 2" not in rows
    assert rows["teacher ensemble"]["settings"] == {"count": 2, "members": 1}
    roster = f"{{kind: scores, path: '{home}/*.jsonl'}}"
    with pytest.raises(DataError, match="scores of the validation split, on which its scale is fitted"):
        stage3.run(composed(home, "method=kd", roster=roster))


@pytest.mark.thorough
def test_run_whose_teachers_have_no_row_has_a_table_without_an_ensemble(home: Path) -> None:
    (home / "validation.jsonl").unlink()
    (home / "test.jsonl").unlink()
    roster = f"{{kind: scores, path: '{home}/*.jsonl'}}"
    folder = stage3.run(composed(home, "method=[gold,kd]", "teachers.calibration=none", roster=roster))
    rows = {row["arm"]: row for row in json.loads((folder / "comparison.json").read_text())["rows"]}
    assert set(rows) == {"chance", "student without distillation", "KD (1-o-1)"}
    assert rows["KD (1-o-1)"]["lift"] is None


def test_partly_scored_test_split_is_refused(home: Path) -> None:
    without(home, "test", lambda at: at != 4)
    with pytest.raises(DataError, match=r"every pair of test, or of none, but 1 of 32 .* is row 5 of test: '"):
        stage3.run(composed(home, "method=kd", "teachers.calibration=none"))


@pytest.mark.parametrize("split", ["validation", "test"])
def test_teacher_that_has_scored_a_part_of_a_split_teaches_without_a_row_where_scores_may_be_missing(
    home: Path, split: str, caplog: pytest.LogCaptureFixture
) -> None:
    without(home, split, lambda at: at != 4)
    roster = f"{{kind: scores, path: '{home}/*.jsonl'}}"
    experiment = Experiment(composed(home, "teachers.missing=average", roster=roster))
    [teacher] = experiment.roster
    made = teacher.build(experiment.context)
    assert made.details["predicted"] == [other for other in ("validation", "test") if other != split]
    assert f"has no score of 1 of {24 if split == 'validation' else 32} pairs of {split}" in caplog.text
    labels = SoftLabels.of(teacher, experiment.task.rows("train")).build(experiment.context)
    assert labels.details["missing"] == 0
    assert teacher.calibration == "platt", "fitted on the pairs that have a score"  # type: ignore[attr-defined]
    strict = Experiment(composed(home, "teachers.calibration=none", roster=roster))
    with pytest.raises(DataError, match=f"every pair of {split}, or of none, but 1 of .*teachers.missing=skip or aver"):
        strict.roster[0].build(strict.context)  # of what is there already, too


def change(home: Path, split: str, **scores: object) -> None:
    """Give rows of a file, by their number (from 0), other scores, or a second one where it is a tuple."""
    found = rows_of(home, split)
    for at, value in scores.items():
        row = found[int(at.removeprefix("row"))]
        row["score"], *more = value if isinstance(value, tuple) else (value,)
        found += [row | {"score": each} for each in more]
    write_lines(home / f"{split}.jsonl", found)


def test_strange_scores_end_the_run_with_their_number_unless_they_may_be_missing(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Skipped, their pairs are not learnt from; scores of pairs that nobody asks for are told, too."""
    change(home, "train", row25=None, row26=float("nan"), row27=(1.5, 2.5))
    with (home / "train.jsonl").open("a") as file:
        file.write(json.dumps({"question": "nobody", "passage": "asks", "score": 1}) + "\n")
    roster = f"{{kind: scores, path: '{home}/*.jsonl'}}"
    named = (
        r"train.jsonl, line 26: there is no score; .*\(in all: 2 rows without a score, 1 pair with two different scores"
    )
    told = f"{named}; teachers.missing=skip or average leaves them out"

    def labels(*overrides: str) -> SoftLabels:
        experiment = Experiment(composed(home, "method=kd", *overrides, roster=roster))
        made = SoftLabels.of(experiment.roster[0], experiment.task.rows("train"))
        assert made.build(experiment.context).details["missing"] == 3
        return made

    with pytest.raises(DataError, match=told):
        labels()
    caplog.set_level(logging.INFO)
    skipping = labels("teachers.missing=skip")
    assert "left out are 2 rows without a score (the first is " in caplog.text
    assert "; 1 pair with two different scores (the first is " in caplog.text
    # the files of this test have pairs of the corpus, which method=kd does not ask for
    extra = len(rows_of(home, "corpus")) + 1
    asked = (
        rf": {extra} of \d+ scored pairs \(the first: .*corpus.jsonl, line 1\) are not among the pairs that this run"
    )
    assert re.search(asked + r" asks for \(train, validation, test\)", caplog.text)
    with pytest.raises(DataError, match=told):  # of what is there already, too: it is the same result
        labels("teachers.missing=raise")
    strict = Experiment(composed(home, "method=kd", roster=roster))
    assert skipping.key == SoftLabels.of(strict.roster[0], strict.task.rows("train")).key


def test_strange_row_at_the_top_of_a_file_is_refused_by_the_check_alone_where_none_may_be_missing(home: Path) -> None:
    change(home, "train", row3="high")
    with pytest.raises(
        DataError, match=r"train.jsonl, line 4: the score must be .*high.*\(teachers.missing=skip or av"
    ):
        check_arms(Experiment(composed(home, "method=kd")))
    check_arms(Experiment(composed(home, "method=kd", "teachers.missing=average")))


def test_scale_is_fitted_without_validation_pairs_whose_scores_are_strange(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    change(home, "validation", row2=None, row3=(1.5, 2.5))
    roster = f"{{kind: scores, path: '{home}/*.jsonl'}}"
    experiment = Experiment(composed(home, "method=kd", "teachers.missing=skip", roster=roster))
    made = experiment.roster[0].build(experiment.context)
    assert made.details["predicted"] == ["test"]
    assert "has no score of 2 of 24 pairs of validation" in caplog.text and "left out are 1 row" in caplog.text


def test_scores_of_other_pairs_are_refused(home: Path) -> None:
    without(home, "corpus", lambda at: False)
    with pytest.raises(TmkdError, match="corpus"):
        stage3.run(composed(home, "method=tmkd", "teachers.calibration=none"))


@pytest.mark.thorough
def test_each_copy_labels_the_training_pairs_that_it_has_not_seen(home: Path) -> None:
    config = composed(home, "method=kd", "teachers.cross_fit=2", roster=TRAINED)
    experiment = Experiment(config)
    [teacher] = experiment.roster
    assert [result.kind for result in teacher.needs()] == ["teacher", "teacher"]
    train = experiment.task.rows("train")
    labels = SoftLabels.of(teacher, train).build(experiment.context)
    rows = train.read(experiment.context)
    folds = fold_of(rows["question_id"], 2)
    assert 0 < folds.mean() < 1 and len({(q, f) for q, f in zip(rows["question_id"], folds)}) == len(
        set(rows["question_id"])
    )
    found = read_soft_labels(labels.folder(), rows["id"])
    for fold, copy in enumerate(teacher.copies):  # type: ignore[attr-defined]
        own = read_soft_labels(SoftLabels.of(copy, train).build(experiment.context).folder(), rows["id"])
        assert (found[folds == fold] == own[folds == fold]).all()
        assert not (found[folds != fold] == own[folds != fold]).all(), "or it would label what it has learnt"
        assert copy.build(experiment.context).details["training"]["steps"] < 4
    stage2.run(config)


@pytest.mark.thorough
def test_reranker_scores_no_pair_twice_where_the_task_has_changed(home: Path) -> None:
    named = {0: "wrong", 1: "right"}
    roster = f"{{kind: ready, name: '{bert(home / 'ready', id2label=named)}', max_length: 32}}"

    def labelled(*changes: str) -> tuple[Experiment, dict[str, Any], np.ndarray]:
        own = Experiment(composed(home, "method=tmkd", "teachers.calibration=none", *changes, roster=roster))
        made = SoftLabels.of(own.roster[0], own.corpus.rows()).build(own.context)
        ids = own.corpus.rows().read(own.context)["id"]
        return own, made.details, read_soft_labels(made.folder(), ids)

    first, details, logits = labelled()
    assert details["scored_in_the_last_run"] == details["pairs"] and details["pairs_per_second"]
    other, details, again = labelled("data.validation=null")
    assert other.roster[0].key != first.roster[0].key, "another task"
    assert details["scored_in_the_last_run"] == 0
    assert details["pairs_per_second"] is None, "or looking up would pass for scoring"
    np.testing.assert_array_equal(again, logits)
    _, details, swapped = labelled("data.classes=[right,wrong]", "data.ranking=false")
    assert details["scored_in_the_last_run"] == details["pairs"], "or one class would get the other's logits"
    np.testing.assert_allclose(swapped, logits[:, ::-1], atol=1e-5)


@pytest.mark.parametrize(
    ("roster", "overrides", "message"),
    [
        (
            "{kind: scores, path: a.jsonl, learning_rate: 1e-3}",
            (),
            r"roster\[0\].learning_rate: expected kind fine_tuned",
        ),
        ("{path: a.jsonl}", (), r"roster\[0\].path: expected kind scores"),
        ("{kind: scores}", (), r"roster\[0\].path: expected a file of scores where kind is scores, got None"),
        ("{kind: ready}", (), r"roster\[0\].name: expected a hub name or a folder"),
        ("{kind: served}", (), r"roster\[0\].url: expected where it answers"),
        ("{kind: causal, name: x, answers: [true, false]}", (), r"roster\[0\].answers: expected words, in quotes"),
        ("{train: ''}", (), r"roster\[0\].train: expected a file or pattern, or null for the task's, got ''"),
        ("{train_with_task: true}", (), r"roster\[0\].train_with_task: expected false where train is null"),
        ("{kind: ready, name: x, train: a.tsv}", (), r"roster\[0\].train: expected kind fine_tuned"),
        ("{kind: oracle}", (), r"roster\[0\].kind: expected one of fine_tuned, ready"),
        ("{kind: ready, name: x}", ("student.init=teacher",), "student.init: expected encoder, where a teacher's kind"),
        (TRAINED, ("teachers.calibration=magic",), "teachers.calibration: expected one of none, temperature"),
        (TRAINED, ("teachers.missing=guess",), "teachers.missing: expected one of raise, skip, average"),
        (TRAINED, ("teachers.cross_fit=1",), "teachers.cross_fit: expected 0, or 2 and more"),
    ],
)
def test_roster_that_makes_no_sense_is_one_sentence(
    home: Path, roster: str, overrides: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        composed(home, *overrides, roster=roster)


def test_terms_need_teachers_that_are_trained_here(home: Path) -> None:
    config = composed(home, "method=mkd", "+terms=rkd")
    with pytest.raises(ConfigError, match=r"expected teachers of kind fine_tuned for its terms.* teacher 2 is of kind"):
        check_arms(Experiment(config))


def test_missing_file_is_named_before_anything_is_trained(home: Path) -> None:
    with pytest.raises(TmkdError, match=r"nowhere\.jsonl"):
        check_arms(Experiment(composed(home, roster=f"{TRAINED}, {{kind: scores, path: nowhere.jsonl}}")))


@pytest.mark.thorough
def test_plan_lists_teachers_of_every_kind(home: Path) -> None:
    assert "results to make" in plan.run(composed(home, "method=[kd,tmkd]"))


@pytest.mark.thorough
def test_five_kinds_of_teacher_teach_together_and_no_endpoint_is_asked_twice(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ready, causal = bert(home / "ready", num_labels=1), qwen3(home / "causal")
    with serving() as server:
        roster = (
            f"{TRAINED}, {{kind: ready, name: '{ready}', max_length: 32}}, {{kind: causal, name: '{causal}'}}, "
            f"{{kind: scores, path: '{home}/*.jsonl'}}, {{kind: served, url: '{server.url}', price_per_request: 0.5}}"
        )
        config = composed(home, "method=[kd_average,tmkd]", "teachers.calibration=none", roster=roster)
        plan.run(config)
        assert " requests at a price of about " in capsys.readouterr().out.replace("\n", " ")
        assert not server.scored, "a plan asks for nothing"
        folder = stage3.run(config)
        assert set(server.scored.values()) == {1}
        assert len(server.scored) == len(
            {(row["question"], row["passage"]) for s in SPLITS for row in rows_of(home, s)}
        )
        asked = len(server.requests)
        stage2.run(composed(home, "method=mkd", "teachers.calibration=none", roster=roster))
        assert len(server.requests) == asked
    rows = {row["arm"]: row for row in json.loads((folder / "comparison.json").read_text())["rows"]}
    assert {f"teacher {number}" for number in range(1, 6)} <= set(rows)
    assert rows["teacher ensemble"]["settings"]["count"] == 5
    speeds = [rows[f"teacher {number}"]["pairs_per_second"] for number in range(1, 6)]
    assert all(speeds[:3]) and speeds[3:] == [None, None]


@pytest.mark.thorough
def test_learnt_weights_follow_the_teacher_that_is_right(home: Path) -> None:
    from tmkd.results.soft_targets import TeacherWeights, soft_targets

    for split in SPLITS:
        rows = [row | {"score": float(zlib.crc32(str(row).encode()) % 7)} for row in rows_of(home, split)]
        (home / "guesses").mkdir(exist_ok=True)
        (home / "guesses" / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    labels = Experiment(composed(home)).task.rows("validation").read(Experiment(composed(home)).context)
    right = [
        {"question": row["question"], "passage": row["passage"], "score": 6.0 * row["label"] - 3} for row in labels
    ]
    others = [row | {"score": 0.0} for split in SPLITS if split != "validation" for row in rows_of(home, split)]
    (home / "right.json").write_text("".join(json.dumps(row) + "\n" for row in right + others))
    roster = f"{{kind: scores, path: '{home}/right.json'}}, {{kind: scores, path: '{home}/guesses/*.jsonl'}}"
    experiment = Experiment(
        composed(home, "teachers.calibration=none", "method.teacher_weights=learnt", "method=kd_average", roster=roster)
    )
    train = experiment.task.rows("train")
    weights = TeacherWeights.of("learnt", (), 2, "first_word")
    found = soft_targets(
        experiment.context, experiment.roster, train, False, train.read(experiment.context), weights
    ).weights
    assert found is not None and found.shape == (60, 2)
    assert (found[:, 0] > 0.6).all() and np.allclose(found.sum(axis=1), 1)
    text = (stage3.run(experiment.config) / "comparison.md").read_text(encoding="utf-8")
    [student] = (home / "artifacts").glob("stage2-*/manifest.json")
    followed = json.loads(student.read_text())["details"]["trust"]
    assert followed["by"] == "first_word" and followed["rows"] == 60
    assert followed["teachers"][0] == "teacher 1 (scores of right.json)" and followed["overall"][0] > 0.6
    assert "## Whom students followed" in text and "teacher 1 (scores of right.json)" in text


def test_each_source_of_pairs_follows_the_teacher_that_knows_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from tmkd.results.soft_targets import soft_targets

    scores: list[list[dict[str, object]]] = [[], []]
    for split, count in (("train", 3), ("validation", 25), ("test", 2)):
        rows = []
        sources = ("code", "law", "new") if split == "train" else ("code", "law")
        for source, at, right in itertools.product(sources, range(count), (True, False)):
            pair = {"question": f"What is {source} {split} {at}?", "passage": f"{source} {split} {at} {right}"}
            rows.append(pair | {"label": int(right), "source": source})
            for knows, found in zip(("code", "law"), scores, strict=True):
                guess = zlib.crc32(f"{knows} {pair}".encode()) % 2 == 0
                found.append(pair | {"score": 3.0 if (right if source == knows else guess) else -3.0})
        write_lines(tmp_path / f"{split}.jsonl", rows)
    for name, found in zip(("first", "second"), scores, strict=True):
        write_lines(tmp_path / f"{name}.jsonl", found)
    settings = [f"data.{split}={tmp_path}/{split}.jsonl" for split in ("train", "validation", "test")]
    roster = ", ".join(f"{{kind: scores, path: '{tmp_path}/{name}.jsonl'}}" for name in ("first", "second"))
    config = composed(
        tmp_path, "data=files", *settings, "data.extra_columns=[source]", "teachers.calibration=none",
        "method=kd_average", "method.teacher_weights=learnt", "method.trust_by=source", roster=roster,
    )  # fmt: skip
    experiment = Experiment(config)
    [arm] = resolve_arms(experiment, Experiment.best)
    train, own = experiment.task.rows("train"), arm.objectives[0].stage2
    pairs_ = train.read(experiment.context)
    with caplog.at_level(logging.INFO, "tmkd.results.trust"):
        found = soft_targets(experiment.context, own.teachers, train, False, pairs_, own.weights)
    assert found.weights is not None and found.trust is not None
    by_source = {source: found.weights[at] for at, source in enumerate(pairs_["source"])}
    assert by_source["code"][0] > 0.8 and by_source["law"][1] > 0.8
    assert by_source["new"] == pytest.approx(found.trust["overall"])
    assert by_source["new"] == pytest.approx([0.5, 0.5], abs=0.2)
    assert found.trust["by"] == "source" and found.trust["sizes"] == (50, 50)
    assert (found.trust["rows"], found.trust["overall_rows"]) == (18, 6)
    assert (
        "train: 6 of 18 pairs are of groups with too few validation questions" in caplog.text and "(new)" in caplog.text
    )


@pytest.mark.thorough
def test_run_without_any_label_trains_a_student(home: Path) -> None:
    label_roster = f"{{kind: scores, path: '{home}/*.jsonl'}}"
    config = composed(home, "data=unlabelled", "label.right=top", "label.test=0.3", "name=mine", roster=label_roster)
    folder = label.run(config)
    written = {split: [json.loads(line) for line in (folder / f"{split}.jsonl").open()] for split in SPLITS[:3]}
    assert sum(len(rows) for rows in written.values()) == 80
    asked = [{row["question_id"] for row in rows} for rows in written.values()]
    assert not asked[0] & asked[1] and not asked[1] & asked[2] and not asked[0] & asked[2]
    best: dict[str, tuple[float, str]] = {}
    for row in (row for rows in written.values() for row in rows):
        assert row["score"] == pytest.approx(score(row), rel=1e-6)
        if row["question_id"] not in best or row["score"] > best[row["question_id"]][0]:
            best[row["question_id"]] = (row["score"], row["passage"])
    assert all((row["label"] == "right") == (best[row["question_id"]][1] == row["passage"]) for row in written["train"])
    files = [f"data.{split}={folder}/{split}.jsonl" for split in written]
    roster = f"{{kind: scores, path: '{folder}/*.jsonl'}}"
    trained = composed(
        home,
        "data=files",
        *files,
        "corpus=files",
        f"corpus.path={folder}/train.jsonl",
        "method=tmkd",
        "teachers.calibration=none",
        roster=roster,
    )
    assert stage2.run(trained)


@pytest.mark.parametrize(
    ("overrides", "roster", "message"),
    [
        ((), TRAINED, r"roster\[0\].kind: expected a teacher that needs no labels"),
        (
            ("data.classes=[a,b,c]", "data.ranking=false", "label.right=top"),
            "{kind: scores, path: x}",
            r"label.right: expected positive for more than two classes \(\['a', 'b', 'c'\]\), got top",
        ),
        (("teachers.calibration=platt",), "{kind: scores, path: x}", "expected none for `tmkd label`, as it is fitted"),
        (("label.right=all",), "{kind: scores, path: x}", "label.right: expected one of positive, top"),
        (("label.test=0.95",), "{kind: scores, path: x}", "label.validation: expected less than 1 together"),
    ],
)
def test_labelling_that_makes_no_sense_is_one_sentence(
    home: Path, overrides: tuple[str, ...], roster: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        label.run(composed(home, "data=unlabelled", *overrides, roster=roster))


@pytest.mark.thorough
def test_run_without_any_label_of_several_classes_trains_a_student(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    classes = ["yes", "no", "it depends"]
    for split in SPLITS:
        rows = [
            row | {"score": [float(zlib.crc32(f"{row} {name}".encode()) % 7) for name in classes]}
            for row in rows_of(home, split)
        ]
        write_lines(home / f"{split}.jsonl", rows)
    named = f"data.classes={json.dumps(classes)}"
    roster = f"{{kind: scores, path: '{home}/*.jsonl'}}"
    with caplog.at_level(logging.INFO):
        folder = label.run(
            composed(home, "data=unlabelled", named, "data.ranking=false", "label.test=0.3", roster=roster)
        )
    for row in (json.loads(line) for line in (folder / "train.jsonl").open()):
        assert row["label"] == classes[int(np.argmax(row["score"]))]
    [command] = [each.getMessage() for each in caplog.records if "tmkd stage3" in each.getMessage()]
    settings = shlex.split(command)[shlex.split(command).index("stage3") + 1 :]
    assert stage2.run(compose_at(home, *SMALL, "method=kd", *settings))


def test_question_whose_best_passages_are_level_is_left_out(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    level = rows_of(home, "corpus")[0]["question_id"]
    rows = [row | ({"score": 1.0} if row["question_id"] == level else {}) for row in rows_of(home, "corpus")]
    (home / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    roster = f"{{kind: scores, path: '{home}/*.jsonl'}}"
    folder = label.run(composed(home, "data=unlabelled", "label.right=top", "label.test=0.3", roster=roster))
    written = [json.loads(line) for split in SPLITS[:3] for line in (folder / f"{split}.jsonl").open()]
    assert level not in {row["question_id"] for row in written} and written
    assert any("left out: their best passages have one score" in each.getMessage() for each in caplog.records)


def test_labels_of_one_class_are_refused(home: Path) -> None:
    roster = f"{{kind: scores, path: '{home}/*.jsonl'}}"
    for split in SPLITS:
        rows = [row | {"score": -1.0} for row in rows_of(home, split)]
        (home / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(DataError, match=r"expected pairs of both classes, got .* 0 right; take a larger corpus"):
        label.run(composed(home, "data=unlabelled", roster=roster))


def test_other_stages_say_that_there_are_no_labels(home: Path) -> None:
    with pytest.raises(ConfigError, match="expected a task with labels, got none"):
        stage2.run(composed(home, "data=unlabelled", roster=f"{{kind: scores, path: '{home}/*.jsonl'}}"))
