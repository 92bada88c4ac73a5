"""Labelled pairs that are no split of the task: what a teacher learns that is prepared on other data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, concatenate_datasets

from tmkd.choices import CLASSES, PAIRS
from tmkd.data.bad_rows import CONTRADICTION, REPEATED, BadRow, BadRows
from tmkd.data.files import columns_of, file_identity, reading
from tmkd.data.files_reader import Files, labelled_sources, training_files
from tmkd.data.labelled import LabelledRows, read_labelled, tell_shared_ids, without_leaks
from tmkd.data.labels import Meaning, meaning_of
from tmkd.data.records import Source
from tmkd.data.schema import PAIR_COLUMNS, Settings, Skipped
from tmkd.errors import DataError

# The settings of ``data`` that they are read by.
READ_BY = ("question", "passage", "label", "question_id", "labels", "format", "separator", "quoting", "on_bad_row")


@dataclass(frozen=True)
class TrainingPairs:
    """Labelled pairs.

    Attributes:
        rows: the columns of ``PAIR_COLUMNS``; the task's own training pairs, if they are among them, stand first.
        shared: how many of the pairs of the files are pairs of the task's training split.
        skipped: rows that were left out.
    """

    rows: Dataset
    shared: int
    skipped: Skipped


def training_identity(path: str, data: Settings, setting: str) -> dict[str, Any]:
    """Return what the files are known by: checksums. The arguments are those of ``training_files``."""
    files = training_files(path, data, setting)
    return {"files": [file_identity(file) for file in files.pairs.values()]} | files.texts()


def read_training_pairs(
    files: Files, data: Settings, splits: Mapping[str, Dataset], with_task: bool, cache: Path | None = None
) -> TrainingPairs:
    """Return the pairs of the files, which hold nothing that the task is judged by.

    Args:
        data: the settings that the task is read by; the files have its format, columns and classes.
        splits: of the task: train, validation and test.
        with_task: add the task's training pairs. A question of both has one id; other ids of the files are not the
            task's, even if they are spelled alike.
        cache: a folder for the rows; without it they are kept in memory.

    Raises:
        DataError: a row cannot be used, or its pair (where questions are ranked, its question) is in validation or
            test; a pair has another label in another file, or in the task's training split where that is learnt too;
            no pair has one of the classes, or all have one grade or number.
    """
    # columns may be those of a hub's task; other formats than pairs have names of their own, which are these
    own = {} if data["format"] == PAIRS else {name: name for name in PAIR_COLUMNS[1:]}
    data = {**data, **own, "extra_columns": []}  # what teachers learn from needs no more columns
    bad = BadRows(data["on_bad_row"] == "skip")
    meaning = meaning_of(data["label"], data["classes"], data["labels"], data["label_kind"], data["ranking"])
    split = Source(f"task {data['name']}", "row", iter(()))
    judged = {
        name: LabelledRows(split, splits[name], np.arange(1, len(splits[name]) + 1)) for name in ("validation", "test")
    }
    learnt = dict(zip(splits["train"]["id"], splits["train"]["label"]))
    before = {name: (label, "the training split of the task") for name, label in learnt.items()} if with_task else {}
    kept, shared = [], 0
    with reading(files.all, "training pairs") as bar:
        for name, source in labelled_sources(files, data, bar.update).items():
            file = cache and cache / f"{name}.arrow"
            rows = read_labelled(source, columns_of(data), meaning=meaning, bad=bad, file=file)
            rows = without_leaks({"train": rows, **judged}, data["ranking"], bad)["train"]
            shared += sum(pair in learnt for pair in rows.data["id"])
            kept.append(_new(rows, before, meaning, bad).data)
    skipped = bad.settle()
    if data["ranking"]:
        own = concatenate_datasets([rows for rows in kept if len(rows)] or kept)
        tell_shared_ids(", ".join(str(file) for file in files.pairs.values()), own)
    if with_task:
        task = splits["train"].select_columns(PAIR_COLUMNS)
        kept = [task, *(_beside(rows, task, cache and cache / f"beside-{at}.arrow") for at, rows in enumerate(kept))]
    found = concatenate_datasets([rows for rows in kept if len(rows)] or kept)
    _learnable(found, data, [str(file) for file in files.pairs.values()])
    return TrainingPairs(found, shared, skipped)


def _new(rows: LabelledRows, before: dict[str, tuple[float, str]], meaning: Meaning, bad: BadRows) -> LabelledRows:
    """Return the rows whose pairs did not come before, and note them there, with their labels and places."""
    chosen = np.ones(len(rows.data), dtype=bool)
    for at, (pair, meant) in enumerate(zip(rows.data["id"], rows.data["label"])):
        number = int(rows.numbers[at])
        if pair not in before:
            before[pair] = (meant, f"{rows.source.name}, {rows.source.unit} {number}")
            continue
        chosen[at] = False
        other, place = before[pair]
        if other == meant:
            bad.add(rows.source, number, BadRow(REPEATED, "the same pair came before"))
        else:
            own, before_it = meaning.text(meant), meaning.text(other)
            told = f"field '{meaning.column}' is '{own}' but the same pair is '{before_it}' in {place}"
            bad.add(rows.source, number, BadRow(CONTRADICTION, f"{told}; remove one of the two"))
    return rows.keep(chosen)


def _beside(rows: Dataset, task: Dataset, file: Path | None) -> Dataset:
    """Return the rows with the task's ids of the questions that it has, and ids that it does not have of all others."""
    ids = dict(zip(task["question"], task["question_id"]))

    def named(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        each = zip(batch["question"], batch["question_id"])
        return {"question_id": [ids.get(question, f"beside the task: {name}") for question, name in each]}

    how: dict[str, Any] = {"keep_in_memory": True} if file is None else {"cache_file_name": str(file)}
    return rows.map(named, batched=True, load_from_cache_file=False, desc="name questions", **how)


def _learnable(rows: Dataset, data: Settings, files: Sequence[str]) -> None:
    there, classes = set(rows["label"]), list(data["classes"])
    if data["label_kind"] != CLASSES:
        if len(there) < 2:
            raise DataError(
                f"{', '.join(files)}: expected training pairs of two different labels, but all of {len(rows)} have "
                "one, from which nothing can be learnt; add some, or set train_with_task: true."
            )
        return
    absent = [name for index, name in enumerate(classes) if index not in there]
    if absent:
        raise DataError(
            f"{', '.join(files)}: expected training pairs of all classes {classes}, but of {len(rows)} none has "
            f"the label '{absent[0]}', so it cannot be learnt; add some, or set train_with_task: true."
        )
