"""`tmkd label`: a task made of what teachers say of unlabelled pairs."""

from __future__ import annotations

import json
import logging
import shlex
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.pipeline.running import compose_at
from tests.pipeline.scored import SMALL, SPLITS, TRAINED, by_scores, composed, rows_of, score, write_lines
from tmkd.errors import ConfigError, DataError
from tmkd.pipelines import label, stage2
from tmkd.pipelines.labelling import check_counts


@pytest.mark.thorough
def test_run_without_any_label_trains_a_student(scored: Path) -> None:
    label_roster = by_scores(scored)
    config = composed(scored, "data=unlabelled", "label.right=top", "label.test=0.3", "name=mine", roster=label_roster)
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
    roster = by_scores(folder)
    trained = composed(
        scored,
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
    scored: Path, overrides: tuple[str, ...], roster: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        label.run(composed(scored, "data=unlabelled", *overrides, roster=roster))


@pytest.mark.thorough
def test_run_without_any_label_of_several_classes_trains_a_student(
    scored: Path, caplog: pytest.LogCaptureFixture
) -> None:
    classes = ["yes", "no", "it depends"]
    for split in SPLITS:
        rows = [
            row | {"score": [float(zlib.crc32(f"{row} {name}".encode()) % 7) for name in classes]}
            for row in rows_of(scored, split)
        ]
        write_lines(scored / f"{split}.jsonl", rows)
    named = f"data.classes={json.dumps(classes)}"
    roster = by_scores(scored)
    with caplog.at_level(logging.INFO):
        folder = label.run(
            composed(scored, "data=unlabelled", named, "data.ranking=false", "label.test=0.3", roster=roster)
        )
    for row in (json.loads(line) for line in (folder / "train.jsonl").open()):
        assert row["label"] == classes[int(np.argmax(row["score"]))]
    [command] = [each.getMessage() for each in caplog.records if "tmkd stage3" in each.getMessage()]
    settings = shlex.split(command)[shlex.split(command).index("stage3") + 1 :]
    assert stage2.run(compose_at(scored, *SMALL, "method=kd", *settings))


def test_question_whose_best_passages_are_level_is_left_out(scored: Path, caplog: pytest.LogCaptureFixture) -> None:
    level = rows_of(scored, "corpus")[0]["question_id"]
    rows = [row | ({"score": 1.0} if row["question_id"] == level else {}) for row in rows_of(scored, "corpus")]
    write_lines(scored / "corpus.jsonl", rows)
    roster = by_scores(scored)
    folder = label.run(composed(scored, "data=unlabelled", "label.right=top", "label.test=0.3", roster=roster))
    written = [json.loads(line) for split in SPLITS[:3] for line in (folder / f"{split}.jsonl").open()]
    assert level not in {row["question_id"] for row in written} and written
    assert any("left out: their best passages have one score" in each.getMessage() for each in caplog.records)


def corpus_with_ids(home: Path, name: Callable[[int, dict[str, object]], str]) -> tuple[str, ...]:
    """The settings that read the corpus with other ids."""
    (home / "named").mkdir()
    rows = rows_of(home, "corpus")
    questions = {each: at for at, each in enumerate(dict.fromkeys(row["question"] for row in rows))}
    named = [row | {"question_id": name(at, row | {"at": questions[row["question"]]})} for at, row in enumerate(rows)]
    write_lines(home / "named" / "corpus.jsonl", named)
    return "data=unlabelled", "corpus=files", f"corpus.path={home}/named/corpus.jsonl"


def test_ids_that_count_within_each_file_make_no_two_questions_one(scored: Path) -> None:
    settings = corpus_with_ids(scored, lambda _, row: str(int(str(row["at"])) // 2))
    with pytest.raises(DataError, match=r"expected ids that each stand for one question, but 0 stands for '"):
        label.run(composed(scored, *settings, "label.right=top", roster=by_scores(scored)))


def test_question_whose_pairs_have_an_id_each_is_in_one_split_and_has_one_best_passage(scored: Path) -> None:
    settings = corpus_with_ids(scored, lambda at, _: f"row-{at}")
    folder = label.run(composed(scored, *settings, "label.right=top", "label.test=0.3", roster=by_scores(scored)))
    rows = [[json.loads(line) for line in (folder / f"{split}.jsonl").open()] for split in SPLITS[:3]]
    asked = [{row["question"] for row in each} for each in rows]
    assert all(asked) and sum(map(len, asked)) == len(set.union(*asked))
    assert sum(row["label"] == "right" for each in rows for row in each) == len(set.union(*asked))


def test_labels_of_one_class_are_refused(scored: Path) -> None:
    roster = by_scores(scored)
    for split in SPLITS:
        rows = [row | {"score": -1.0} for row in rows_of(scored, split)]
        write_lines(scored / f"{split}.jsonl", rows)
    with pytest.raises(DataError, match=r"expected pairs of both classes, got .* 0 right; take a larger corpus"):
        label.run(composed(scored, "data=unlabelled", roster=roster))


def test_probabilities_that_are_all_right_are_told_that_they_are_no_log_odds(tmp_path: Path) -> None:
    for right, said in (("positive", "no log-odds: all are above 0"), ("top", "with several passages for each")):
        with pytest.raises(DataError, match=said):
            check_counts(right, ["wrong", "right"], {"wrong": 0, "right": 8}, tmp_path, "train")


def test_other_stages_say_that_there_are_no_labels(scored: Path) -> None:
    with pytest.raises(ConfigError, match="expected a task with labels, got none"):
        stage2.run(composed(scored, "data=unlabelled", roster=by_scores(scored)))
