"""Files that change while a run is under way: what is made of them is not kept under the name of what they were."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tmkd.config import CorpusConfig, DataConfig, MineConfig, RuntimeConfig, TeacherConfig
from tmkd.errors import DataError
from tmkd.results.candidates import Candidates
from tmkd.results.context import RunContext
from tmkd.results.corpus import Corpus
from tmkd.results.node import Result
from tmkd.results.soft_labels import SoftLabels
from tmkd.results.task import Task
from tmkd.results.training_pairs import TrainingPairs
from tmkd.results.untrained import UntrainedTeacher


def pairs(name: str) -> list[tuple[str, str, str]]:
    each = [(at, label) for at in range(3) for label in ("right", "wrong")]
    return [(f"{name} question {at}?", f"question {at} of {name}: {label}", label) for at, label in each]


def lines(rows: list[dict[str, object]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    splits = {split: pairs(split) for split in ("train", "validation", "test")}
    for name, found in {**splits, "own": pairs("own"), "corpus": pairs("corpus")}.items():
        rows = [{"question": question, "passage": passage, "label": label} for question, passage, label in found]
        (tmp_path / f"{name}.jsonl").write_text(lines(rows))
    scored = [pair for found in splits.values() for pair in found]
    rows = [{"question": question, "passage": passage, "score": len(passage)} for question, passage, _ in scored]
    (tmp_path / "scores.jsonl").write_text(lines(rows))
    return tmp_path


def task(files: Path) -> Task:
    splits = {split: str(files / f"{split}.jsonl") for split in ("train", "validation", "test")}
    return Task.of(DataConfig(name="words", reader="files", **splits), CorpusConfig())


def corpus(files: Path) -> Result:
    read = CorpusConfig(reader="files", path=str(files / "corpus.jsonl"))
    return Corpus.of(DataConfig(name="words", reader="documentation"), read)


def own(files: Path) -> Result | None:
    return TrainingPairs.of(task(files), TeacherConfig(train=str(files / "own.jsonl")), 1)


def candidates(files: Path) -> Result:
    return Candidates.of(task(files), MineConfig(passages=str(files / "corpus.jsonl")), CorpusConfig(), False)


def scores(files: Path) -> UntrainedTeacher:
    return UntrainedTeacher.of(task(files), TeacherConfig(kind="scores", path=str(files / "scores.jsonl")), 1)


def soft_labels(files: Path) -> Result:
    return SoftLabels.of(scores(files), task(files).rows("train"))


@pytest.mark.parametrize(
    ("of", "name"),
    [
        (task, "train"),
        (corpus, "corpus"),
        (own, "own"),
        (candidates, "corpus"),
        (scores, "scores"),
        (soft_labels, "scores"),
    ],
)
def test_file_that_changes_before_it_is_read_ends_the_run(
    files: Path, tmp_path: Path, of: Callable[[Path], Result], name: str
) -> None:
    # What was read of it would have been found by every later run with the file as it was.
    context = RunContext(tmp_path / "artifacts", RuntimeConfig(threads=1))
    result = of(files)
    for needed in (*result.needs(), *(each for one in result.needs() for each in one.needs())):
        needed.build(context)
    assert result.find(context) is None
    more = {"question": "one more?", "passage": "yes", "label": "right", "score": 1.0}
    with (files / f"{name}.jsonl").open("a") as file:
        file.write(json.dumps(more) + "\n")
    with pytest.raises(DataError, match="some have changed since it began; run the same command again"):
        result.build(context)
    assert result.find(context) is None
    assert of(files).build(context)
