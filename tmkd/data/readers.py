"""The registry of readers: where the labelled task and the unlabelled corpus come from.

A reader is four functions of the same two settings, ``data`` and ``corpus``; add one to ``READERS``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from datasets import Dataset

from tmkd.data.documentation import DocObject, read_objects, source_versions
from tmkd.data.documentation_task import CLASSES, build_corpus, build_task, divide
from tmkd.data.files import corpus_files, file_hash, read_corpus, read_pairs
from tmkd.data.schema import SPLITS, Task
from tmkd.data.splits import draw_pairs, draw_validation, rankable
from tmkd.errors import ConfigError

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Reader:
    """How one kind of source is read.

    Attributes:
        task: the labelled task.
        corpus: the unlabelled pairs.
        task_identity: what the task's raw data is, known without reading its rows.
        corpus_identity: the same for the corpus.
    """

    task: Callable[[Settings, Settings], Task]
    corpus: Callable[[Settings, Settings], Dataset]
    task_identity: Callable[[Settings, Settings], dict[str, Any]]
    corpus_identity: Callable[[Settings, Settings], dict[str, Any]]


def read_task(data: Settings, corpus: Settings) -> Task:
    """Return the labelled task, checked."""
    task = _reader("data", data).task(data, corpus)
    if data["rankable_only"]:
        kept = {split: rankable(rows, f"{data['name']}, {split}") for split, rows in task.splits.items()}
        task = replace(task, splits=kept)
    return replace(task, name=data["name"], ranking=data["ranking"]).check()


def read_unlabelled(data: Settings, corpus: Settings) -> Dataset:
    """Return the unlabelled corpus."""
    rows = _reader("corpus", corpus).corpus(data, corpus)
    return draw_pairs(rows, corpus["pairs"]) if corpus["pairs"] else rows


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
        for row in rows:
            digest.update(json.dumps(row, sort_keys=True).encode() + b"\n")
    return digest.hexdigest()


def _documentation_task(data: Settings, corpus: Settings) -> Task:
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


def _documentation_corpus(data: Settings, corpus: Settings) -> Dataset:
    return build_corpus(
        _objects(data)[1],
        questions=corpus["questions"],
        candidates=corpus["candidates"],
        random=corpus["random"],
        passage_words=data["passage_words"],
        seed=data["seed"],
    )


def _objects(data: Settings) -> tuple[list[DocObject], list[DocObject]]:
    """Return the objects of the task and those of the corpus: disjoint, whichever of the two is read."""
    objects = read_objects(tuple(data["packages"]))
    return divide(objects, passage_words=data["passage_words"], seed=data["seed"])


def _files_task(data: Settings, corpus: Settings) -> Task:
    classes = tuple(data["classes"])
    splits = {
        split: read_pairs(path, classes=classes, label=data["label"], **_columns(data))
        for split, path in _files(data).items()
    }
    if "validation" not in splits:
        drawn = draw_validation(splits["train"], data["validation_share"], data["seed"])
        splits = dict(zip(SPLITS, (*drawn, splits["test"])))
    return Task(data["name"], classes, data["ranking"], splits)


def _files(data: Settings) -> dict[str, str]:
    """Return the path of each split; without one for validation, it is drawn from the training rows."""
    return {split: _path("data", data, split) for split in SPLITS if data[split] or split != "validation"}


def _files_corpus(data: Settings, corpus: Settings) -> Dataset:
    return read_corpus(_path("corpus", corpus, "path"), **_columns(corpus))


def _columns(section: Settings) -> dict[str, str]:
    return {column: section[column] for column in ("question", "passage", "question_id")}


def _path(owner: str, settings: Settings, key: str) -> str:
    if not settings[key]:
        raise ConfigError(f"{owner}.{key} is empty but the files reader needs it; set it to the path of a file.")
    return settings[key]


def _reader(owner: str, settings: Settings) -> Reader:
    if settings["reader"] not in READERS:
        raise ConfigError(f"{owner}.reader is '{settings['reader']}' but must be one of {sorted(READERS)}.")
    return READERS[settings["reader"]]


READERS: dict[str, Reader] = {
    "documentation": Reader(
        _documentation_task,
        _documentation_corpus,
        lambda data, _: source_versions(data["packages"]),
        lambda data, _: source_versions(data["packages"]),
    ),
    "files": Reader(
        _files_task,
        _files_corpus,
        lambda data, _: {split: file_hash(path) for split, path in _files(data).items()},
        lambda _, corpus: {"files": [file_hash(file) for file in corpus_files(_path("corpus", corpus, "path"))]},
    ),
}
