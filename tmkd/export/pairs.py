"""The pairs by which an export is proven: the test split, a file, or texts that mean nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, load_from_disk

from tmkd.data.bad_rows import BadRows
from tmkd.data.formats import open_file
from tmkd.data.labels import meaning_of
from tmkd.data.records import Record
from tmkd.data.rows import Columns, good, pair
from tmkd.data.schema import parts_of
from tmkd.errors import DataError
from tmkd.export.answers import task_folder
from tmkd.export.student import Student

MADE_UP = 64
LABEL = "label"


@dataclass(frozen=True)
class Pairs:
    """Questions and passages, row by row.

    Attributes:
        source: where they come from, in a few words.
        labels: [pairs], indices of classes, grades or numbers; None where there are none.
        parts: the part of the split that each is in, where there are several.
    """

    source: str
    questions: list[str]
    passages: list[str]
    question_ids: Sequence[Any]
    labels: np.ndarray | None = None
    parts: list[str] | None = None

    def __len__(self) -> int:
        return len(self.questions)

    def first(self, most: int | None) -> Pairs:
        """Return the first rows, without labels where these are not all."""
        if most is None or most >= len(self):
            return self
        return Pairs(self.source, self.questions[:most], self.passages[:most], self.question_ids[:most])


def pairs_for(student: Student, file: Path | None, most: int) -> Pairs:
    """Return the pairs of ``file``; else of the task's test split, if it lies beside the artifact; else made-up ones.

    Args:
        most: pairs; of more, the first questions that have no more than that together, at least one.

    Raises:
        DataError: the file has no pairs, or bad rows, or labels by which nothing is ranked.
    """
    task = task_folder(student.artifact) / "test"
    if file is not None:
        rows, source = _read(file, student), file.name
    elif task.is_dir():
        rows, source = load_from_disk(str(task)), "test split"
    else:
        return _made_up(student)
    ids = list(rows["question_id"])
    names, question, counts = np.unique(
        np.array(ids, dtype=object).astype(str), return_inverse=True, return_counts=True
    )
    if len(ids) > most:
        first = list(dict.fromkeys(question.tolist()))
        within = first[: max(1, int(np.searchsorted(np.cumsum(counts[first]), most, side="right")))]
        rows = rows.select(np.flatnonzero(np.isin(question, within)))
        source = f"{source}, the first {len(within)} of {len(names)} questions"
    labels = None if None in (given := list(rows[LABEL])) else np.array(given)
    if labels is not None and student.ranking:
        _check_ranked(labels, list(rows["question_id"]), len(student.model.classes), source)
    texts = list(rows["question"]), list(rows["passage"])
    return Pairs(source, *texts, list(rows["question_id"]), labels, parts_of(rows))


def _read(file: Path, student: Student) -> Dataset:
    meaning = meaning_of(LABEL, student.model.classes, None, student.label_kind, student.ranking)
    columns, bad = Columns(), BadRows(False, None)

    def make(record: Record) -> dict[str, Any]:
        label = record.get(LABEL)
        return {**pair(record, columns), LABEL: None if label in (None, "") else meaning.read(label)}

    source = open_file(file, (columns.question, columns.passage), (columns.question_id, LABEL))
    rows = dict(good(source, make, bad))
    bad.settle()
    if not rows:
        raise DataError(f"--pairs: expected pairs in {file}, got none; add rows, or leave --pairs away.")
    bare = [number for number, row in rows.items() if row[LABEL] is None]
    if 0 < len(bare) < len(rows):
        raise DataError(
            f"--pairs: expected a label in every row of {file} or in none, but {len(bare)} of {len(rows)} have none "
            f"({source.unit} {bare[0]} is the first); fill them in, or leave the column {LABEL} away."
        )
    return Dataset.from_list(list(rows.values()))


def _check_ranked(labels: np.ndarray, ids: list[Any], classes: int, source: str) -> None:
    gains = (labels if classes == 1 else labels == classes - 1).tolist()
    if len(set(zip(ids, gains))) == len(set(ids)):
        raise DataError(
            f"--pairs: expected a question with a right and a wrong passage, as the student ranks passages, but "
            f"{source} has none; give other pairs or more (--most-pairs), or pairs without the column {LABEL}."
        )


def _made_up(student: Student) -> Pairs:
    """Return texts of tokens that are drawn at random, some longer than what is read."""
    tokenizer, random = student.model.tokenizer, np.random.default_rng(1)
    words = np.array(sorted(set(tokenizer.get_vocab().values()) - set(tokenizer.all_special_ids)))

    def text(tokens: int) -> str:
        return str(tokenizer.decode(random.choice(words, tokens))) or "a"

    longest = student.model.max_length
    questions = [text(1 + number % 12) for number in range(MADE_UP)]
    passages = [text(1 + (7 * number) % (longest + longest // 2)) for number in range(MADE_UP)]
    return Pairs("made-up texts", questions, passages, list(range(MADE_UP)))
