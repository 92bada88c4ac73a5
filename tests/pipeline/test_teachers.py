"""Teachers of other kinds through all stages: files of scores and rerankers beside fine-tuned ones."""

from __future__ import annotations

import itertools
import json
import logging
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.pipeline.scored import SPLITS, TRAINED, composed, rows_of, without, write_lines
from tests.unit.served.server import serving
from tests.unit.test_ready import bert, qwen3
from tmkd.data.schema import pair_id
from tmkd.errors import ConfigError, TmkdError
from tmkd.evaluation.calibration import Calibration
from tmkd.evaluation.ensemble import teaching_logits
from tmkd.experiment.arms import resolve_arms
from tmkd.experiment.check import check_arms
from tmkd.experiment.experiment import Experiment
from tmkd.pipelines import plan, stage2, stage3
from tmkd.results.calibrated import MAP, MAP_OF_ONE, CalibratedTeacher
from tmkd.results.soft_labels import SoftLabels
from tmkd.results.teacher import fold_of
from tmkd.store.predictions import predictions
from tmkd.store.soft_labels import read_soft_labels


def test_scores_of_a_file_teach_beside_a_fine_tuned_teacher(scored: Path) -> None:
    config = composed(scored, "method=[kd,kd_average,tmkd]", "teachers.calibration=none")
    folder = stage3.run(config)
    rows = {row["arm"]: row for row in json.loads((folder / "comparison.json").read_text())["rows"]}
    assert {"teacher 1", "teacher 2", "teacher ensemble", "KD (1avg-o-1)", "TMKD"} <= set(rows)
    assert rows["teacher 2"]["parameters"] is None and rows["teacher 2"]["pairs_per_second"] is None
    experiment = Experiment(config)
    for rows_, split in ((experiment.task.rows("train"), "train"), (experiment.corpus.rows(), "corpus")):
        labels = SoftLabels.of(experiment.roster[1], rows_).build(experiment.context)
        known = rows_of(scored, split)
        ids = [pair_id(str(row["question"]), str(row["passage"])) for row in known]
        logits = read_soft_labels(labels.folder(), ids)
        np.testing.assert_allclose(logits[:, 1] - logits[:, 0], [row["score"] for row in known], rtol=1e-6)


def test_unlike_teachers_are_brought_to_one_scale_unless_told_otherwise(scored: Path) -> None:
    (scored / "marks").mkdir()
    for split in SPLITS:
        rows = [row | {"score": 1 + float(str(row["score"])) / 50} for row in rows_of(scored, split)]
        write_lines(scored / "marks" / f"{split}.jsonl", rows)
    roster = f"{{kind: scores, path: '{scored}/marks/*.jsonl'}}, {{kind: scores, path: '{scored}/*.jsonl'}}"
    config = composed(scored, "method=kd_average", roster=roster)
    experiment = Experiment(config)
    [first, second] = [teacher.build(experiment.context) for teacher in experiment.roster]
    for teacher in (first, second):
        assert teacher.details["reliability"]["method"] == "platt"
    np.testing.assert_allclose(predictions(first, "test"), predictions(second, "test"), atol=1e-3)
    before = Experiment(composed(scored, "teachers.calibration=none", roster=roster))
    raw = before.roster[1].build(before.context)
    old, new = (predictions(each, "test")[0] for each in (raw, second))
    old, new = old[:, 1] - old[:, 0], new[:, 1] - new[:, 0]
    assert (np.argsort(old, kind="stable") == np.argsort(new, kind="stable")).all(), "the order stays"
    assert np.abs(new).max() < 20 < old.max(), "0 to 100 are no log-odds"
    labels = SoftLabels.of(experiment.roster[1], experiment.corpus.rows()).build(experiment.context)
    ids = [pair_id(str(row["question"]), str(row["passage"])) for row in rows_of(scored, "corpus")]
    assert np.abs(read_soft_labels(labels.folder(), ids)).max() < 10


def test_fine_tuned_teachers_alone_keep_their_keys(scored: Path) -> None:
    usual = Experiment(composed(scored, roster=TRAINED)).roster
    assert [each.key for each in Experiment(composed(scored, "teachers.calibration=none", roster=TRAINED)).roster] == [
        each.key for each in usual
    ]
    assert Experiment(composed(scored, "teachers.missing=skip", roster=TRAINED)).roster[0].key == usual[0].key


def test_scores_of_other_pairs_are_refused(scored: Path) -> None:
    without(scored, "corpus", lambda at: False)
    with pytest.raises(TmkdError, match="corpus"):
        stage3.run(composed(scored, "method=tmkd", "teachers.calibration=none"))


@pytest.mark.thorough
def test_each_copy_labels_the_training_pairs_that_it_has_not_seen(scored: Path) -> None:
    config = composed(scored, "method=kd", "teachers.cross_fit=2", roster=TRAINED)
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
        own = teaching_logits(own[:, None], normalised=True)
        assert (found[folds == fold] == own[folds == fold]).all()
        assert not (found[folds != fold] == own[folds != fold]).all(), "or it would label what it has learnt"
        assert copy.build(experiment.context).details["training"]["steps"] < 4
    corpus = experiment.corpus.rows()
    everywhere = SoftLabels.of(teacher, corpus).build(experiment.context)
    for logits in (found, read_soft_labels(everywhere.folder(), corpus.read(experiment.context)["id"])):
        assert np.exp(logits).sum(axis=1) == pytest.approx(1, abs=1e-5), "one form, whatever was labelled"
    stage2.run(config)


@pytest.mark.thorough
def test_single_copies_and_their_mean_each_have_a_map_of_their_own(scored: Path) -> None:
    better = "{learning_rate: 3e-3, batch_size: 8, epochs: 5}"  # than chance, or there is no map
    experiment = Experiment(
        composed(scored, "method=kd", "teachers.cross_fit=2", "teachers.calibration=rank", roster=better)
    )
    [teacher] = experiment.roster
    assert isinstance(teacher, CalibratedTeacher)
    context, validation = experiment.context, experiment.task.rows("validation").read(experiment.context)
    labels, copies = np.asarray(validation["label"]), predictions(teacher.teacher.build(context), "validation")
    known = {
        MAP: (teaching_logits(copies.transpose(1, 0, 2)), labels),
        MAP_OF_ONE: (
            np.concatenate([teaching_logits(each[:, None], normalised=True) for each in copies]),
            [*labels] * 2,
        ),
    }
    for rows, name in ((experiment.task.rows("train"), MAP_OF_ONE), (experiment.corpus.rows(), MAP)):
        ids = rows.read(context)["id"]
        found, before = (
            read_soft_labels(SoftLabels.of(each, rows).build(context).folder(), ids)
            for each in (teacher, teacher.teacher)
        )
        fitted = Calibration.fit("rank", known[name][0], np.asarray(known[name][1]))
        assert found == pytest.approx(fitted.apply(before), abs=1e-5)


@pytest.mark.thorough
def test_reranker_scores_no_pair_twice_where_the_task_has_changed(scored: Path) -> None:
    named = {0: "wrong", 1: "right"}
    roster = f"{{kind: ready, name: '{bert(scored / 'ready', id2label=named)}', max_length: 32}}"

    def labelled(*changes: str) -> tuple[Experiment, dict[str, Any], np.ndarray]:
        own = Experiment(composed(scored, "method=tmkd", "teachers.calibration=none", *changes, roster=roster))
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
    scored: Path, roster: str, overrides: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        composed(scored, *overrides, roster=roster)


def test_terms_need_teachers_that_are_trained_here(scored: Path) -> None:
    config = composed(scored, "method=mkd", "+terms=rkd")
    with pytest.raises(ConfigError, match=r"expected teachers of kind fine_tuned for its terms.* teacher 2 is of kind"):
        check_arms(Experiment(config))


def test_missing_file_is_named_before_anything_is_trained(scored: Path) -> None:
    with pytest.raises(TmkdError, match=r"nowhere\.jsonl"):
        check_arms(Experiment(composed(scored, roster=f"{TRAINED}, {{kind: scores, path: nowhere.jsonl}}")))


@pytest.mark.thorough
def test_plan_lists_teachers_of_every_kind(scored: Path) -> None:
    assert "results to make" in plan.run(composed(scored, "method=[kd,tmkd]"))


@pytest.mark.thorough
def test_five_kinds_of_teacher_teach_together_and_no_endpoint_is_asked_twice(
    scored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ready, causal = bert(scored / "ready", num_labels=1), qwen3(scored / "causal")
    with serving() as server:
        roster = (
            f"{TRAINED}, {{kind: ready, name: '{ready}', max_length: 32}}, {{kind: causal, name: '{causal}'}}, "
            f"{{kind: scores, path: '{scored}/*.jsonl'}}, {{kind: served, url: '{server.url}', price_per_request: 0.5}}"
        )
        config = composed(scored, "method=[kd_average,tmkd]", "teachers.calibration=none", roster=roster)
        plan.run(config)
        assert " requests at a price of about " in capsys.readouterr().out.replace("\n", " ")
        assert not server.scored, "a plan asks for nothing"
        folder = stage3.run(config)
        assert set(server.scored.values()) == {1}
        assert len(server.scored) == len(
            {(row["question"], row["passage"]) for s in SPLITS for row in rows_of(scored, s)}
        )
        asked = len(server.requests)
        stage2.run(composed(scored, "method=mkd", "teachers.calibration=none", roster=roster))
        assert len(server.requests) == asked
    rows = {row["arm"]: row for row in json.loads((folder / "comparison.json").read_text())["rows"]}
    assert {f"teacher {number}" for number in range(1, 6)} <= set(rows)
    assert rows["teacher ensemble"]["settings"]["count"] == 5
    speeds = [rows[f"teacher {number}"]["pairs_per_second"] for number in range(1, 6)]
    assert all(speeds[:3]) and speeds[3:] == [None, None]


@pytest.mark.thorough
def test_learnt_weights_follow_the_teacher_that_is_right(scored: Path) -> None:
    from tmkd.results.soft_targets import TeacherWeights, soft_targets

    for split in SPLITS:
        rows = [row | {"score": float(zlib.crc32(str(row).encode()) % 7)} for row in rows_of(scored, split)]
        (scored / "guesses").mkdir(exist_ok=True)
        write_lines(scored / "guesses" / f"{split}.jsonl", rows)
    labels = Experiment(composed(scored)).task.rows("validation").read(Experiment(composed(scored)).context)
    right = [
        {"question": row["question"], "passage": row["passage"], "score": 6.0 * row["label"] - 3} for row in labels
    ]
    others = [row | {"score": 0.0} for split in SPLITS if split != "validation" for row in rows_of(scored, split)]
    write_lines(scored / "right.json", right + others)
    roster = f"{{kind: scores, path: '{scored}/right.json'}}, {{kind: scores, path: '{scored}/guesses/*.jsonl'}}"
    experiment = Experiment(
        composed(
            scored, "teachers.calibration=none", "method.teacher_weights=learnt", "method=kd_average", roster=roster
        )
    )
    train = experiment.task.rows("train")
    weights = TeacherWeights.of("learnt", (), 2, "first_word")
    found = soft_targets(
        experiment.context, experiment.roster, train, False, train.read(experiment.context), weights
    ).weights
    assert found is not None and found.shape == (60, 2)
    assert (found[:, 0] > 0.6).all() and np.allclose(found.sum(axis=1), 1)
    text = (stage3.run(experiment.config) / "comparison.md").read_text(encoding="utf-8")
    [student] = (scored / "artifacts").glob("stage2-*/manifest.json")
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
