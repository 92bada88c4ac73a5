"""The registry of readers: where the labelled task and the unlabelled corpus come from.

A reader is four functions of the same two settings, ``data`` and ``corpus``; add one to ``READERS``.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from datasets import Dataset

from tmkd.choices import NO_TASK
from tmkd.data.documentation import DocObject, read_objects, source_versions
from tmkd.data.documentation_task import CLASSES, build_corpus, build_task, divide
from tmkd.data.files_reader import FILES
from tmkd.data.hub import HUB
from tmkd.data.mined import MINED, draw, mine, no_task
from tmkd.data.rows import rows_of
from tmkd.data.schema import Corpus, Reader, Settings, Task
from tmkd.data.splits import draw_pairs, rankable
from tmkd.errors import ConfigError
from tmkd.store.memmap import letting_go


def read_task(data: Settings, corpus: Settings, cache: Path | None = None) -> Task:
    """Return the labelled task, checked.

    Args:
        cache: a folder for what does not fit into memory; without it, rows are kept there.
    """
    task = _reader("data", data).task(data, corpus, cache)
    if data["rankable_only"]:
        kept = {split: rankable(rows, f"{data['name']}, {split}") for split, rows in task.splits.items()}
        task = replace(task, splits=kept)
    return replace(task, name=data["name"], ranking=data["ranking"]).check()


def read_corpus(data: Settings, corpus: Settings, cache: Path | None = None) -> Corpus:
    """Return the unlabelled corpus; ``cache`` as for ``read_task``."""
    read = _reader("corpus", corpus).corpus(data, corpus, cache)
    return replace(read, rows=draw_pairs(read.rows, corpus["pairs"])) if corpus["pairs"] else read


def task_identity(data: Settings, corpus: Settings) -> dict[str, Any]:
    """Return what the task is read from, as JSON: versions of packages, or hashes of files. No row is read for it."""
    return _reader("data", data).task_identity(data, corpus)


def corpus_identity(data: Settings, corpus: Settings) -> dict[str, Any]:
    """Return what the corpus is read from, in the same way."""
    return _reader("corpus", corpus).corpus_identity(data, corpus)


def content(*parts: Dataset) -> str:
    """Return the checksum of all rows, in their order, whatever library stores them."""
    digest = hashlib.sha256()
    for rows in parts:
        with letting_go(rows):
            for row in rows_of(rows):
                digest.update(json.dumps(row, sort_keys=True).encode() + b"\n")
    return digest.hexdigest()


def _documentation_task(data: Settings, corpus: Settings, cache: Path | None) -> Task:
    if tuple(data["classes"]) != CLASSES:
        raise ConfigError(
            f"data.classes is {list(data['classes'])} but the documentation reader labels {list(CLASSES)}; set these."
        )
    return build_task(
        _objects(data)[0],
        questions=tuple(data["questions"]),
        negatives=data["negatives"],
        passage_words=data["passage_words"],
        seed=data["seed"],
    )


def _documentation_corpus(data: Settings, corpus: Settings, cache: Path | None) -> Corpus:
    if not data["packages"]:  # the usual corpus, beside data of one's own
        raise ConfigError(
            "corpus.reader: expected unlabelled text for stage 1, corpus=files, hub, mined or task (the task's own "
            "text), got documentation without packages to read in data.packages."
        )
    rows = build_corpus(
        _objects(data)[1],
        questions=corpus["questions"],
        candidates=corpus["candidates"],
        random=corpus["random"],
        passage_words=data["passage_words"],
        seed=data["seed"],
    )
    return Corpus(rows)


def _objects(data: Settings) -> tuple[list[DocObject], list[DocObject]]:
    """Return the objects of the task and those of the corpus: disjoint, whichever of the two is read."""
    objects = read_objects(tuple(data["packages"]))
    return divide(objects, passage_words=data["passage_words"], seed=data["seed"])


def _task_corpus(data: Settings, corpus: Settings, cache: Path | None) -> Corpus:
    """Pair the questions of the training split with its passages: text like the task's own, and no file is needed."""
    train = read_task(data, corpus, cache and cache / "task").splits["train"]
    questions: dict[str, str] = {}
    for question, name in zip(train["question"], train["question_id"]):
        questions.setdefault(question, name)
    return Corpus(mine(questions, list(dict.fromkeys(train["passage"])), **draw(corpus), cache=cache))


def _no_labels(*_: Any) -> NoReturn:
    raise ConfigError(
        f"data.reader: expected a task with labels, got {NO_TASK}, with which only label, spend, pairs and plan "
        "run: let the teachers label the corpus first (docs/teachers.md)."
    )


def _reader(owner: str, settings: Settings) -> Reader:
    if settings["reader"] not in READERS:
        raise ConfigError(f"{owner}.reader is '{settings['reader']}' but must be one of {sorted(READERS)}.")
    return READERS[settings["reader"]]


DOCUMENTATION = Reader(
    _documentation_task,
    _documentation_corpus,
    lambda data, _: source_versions(data["packages"]),
    lambda data, _: source_versions(data["packages"]),
)
NONE = Reader(_no_labels, no_task, lambda *_: {}, no_task)
TASK = Reader(no_task, _task_corpus, no_task, task_identity)
READERS: dict[str, Reader] = {
    "documentation": DOCUMENTATION,
    "files": FILES,
    "hub": HUB,
    "mined": MINED,
    NO_TASK: NONE,
    "task": TASK,
}
