"""What every reader returns, and the checks that every task must pass before it costs any training time.

A *pair* is a row with the columns of ``PAIR_COLUMNS``; an unlabelled corpus has the same columns without ``label``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tmkd.choices import CLASSES
from tmkd.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset

CORPUS_COLUMNS = ("id", "question_id", "question", "passage")
PAIR_COLUMNS = (*CORPUS_COLUMNS, "label")
SPLITS = ("train", "validation", "test")
PART = "part"  # further column of a split that joins several parts, each of which counts alike in every metric

Settings = Mapping[str, Any]
Skipped = dict[str, dict[str, int]]  # rows that were left out, by file and kind


def pair_id(question: str, passage: str) -> str:
    """Name a pair after its text, so that soft labels are joined by content and never by row order."""
    return hashlib.sha256(f"{question}\x1f{passage}".encode()).hexdigest()[:16]


def parts_of(rows: Dataset) -> list[str] | None:
    """Return the part of a split that each row is in, ``[rows]``; None where the split has no parts."""
    return list(rows[PART]) if PART in rows.column_names else None


@dataclass(frozen=True)
class Task:
    """A labelled task.

    Attributes:
        name: what tables call it.
        classes: class names; a label is an index into them. Of no account where ``kind`` is another than classes.
        ranking: whether questions have several passages to order (MAP, MRR, nDCG make sense). The last class is then
            "relevant", and its probability is the score.
        splits: train, validation and test, each with the columns of ``PAIR_COLUMNS``, and maybe ``PART``.
        skipped: rows that were left out.
        kind: what labels are, of ``tmkd.choices.LABEL_KINDS``: indices of classes, or numbers, a score's measure.
    """

    name: str
    classes: tuple[str, ...]
    ranking: bool
    splits: dict[str, Dataset]
    skipped: Skipped = field(default_factory=dict)
    kind: str = CLASSES

    def check(self) -> Task:
        """Return the task itself, or raise DataError for an empty, one-class or leaking split, or an unlearnt class."""
        for split in SPLITS:
            rows = self.splits[split]
            if len(rows) == 0:
                raise DataError(f"{self.name}: the {split} split is empty; give it at least one pair of each class.")
            labels = set(rows["label"])
            if len(labels) < 2:
                only, expected = self._only(labels.pop())
                raise DataError(
                    f"{self.name}: every row of the {split} split has the label '{only}'; expected at least two "
                    f"{expected}."
                )
            if len(set(rows["id"])) != len(rows):
                raise DataError(f"{self.name}: the {split} split holds the same question-passage pair twice.")
            if self.ranking:
                self._rankable(split)
        learnt = set(self.splits["train"]["label"])
        classes = self.classes if self.kind == CLASSES else ()
        absent = [name for index, name in enumerate(classes) if index not in learnt]
        if absent:
            raise DataError(
                f"{self.name}: no row of the train split has the label '{absent[0]}', so it cannot be learnt; give it "
                "some, or take it out of data.classes."
            )
        # Ranking: the question itself must be new. Elsewhere one text may stand in many pairs (an NLI premise).
        unit = "question" if self.ranking else "id"
        for one, other in combinations(SPLITS, 2):
            shared = set(self.splits[one][unit]) & set(self.splits[other][unit])
            if shared:
                what = (
                    f"{len(shared)} questions, for example '{min(shared)}'," if self.ranking else f"{len(shared)} pairs"
                )
                raise DataError(f"{self.name}: {what} are in both {one} and {other}; take them out of one of the two.")
        return self

    def _only(self, label: float) -> tuple[str, str]:
        """Return the one label of a split, and what there should be two of, in words."""
        if self.kind == CLASSES:
            return self.classes[int(label)], f"of the classes {list(self.classes)}"
        return f"{label:g}", "different numbers, or nothing can be learnt or judged"

    def _rankable(self, split: str) -> None:
        rows, labels = self.splits[split], dict[str, set[float]]()
        for question, label in zip(rows["question_id"], rows["label"]):
            labels.setdefault(question, set()).add(label)
        if not any(len(found) > 1 for found in labels.values()):
            lacking = "both a right and a wrong passage" if self.kind == CLASSES else "passages of two different labels"
            remedy = "give it some, or set data.ranking=false"
            if len(labels) > (texts := len(set(rows["question"]))):  # a row's own id is none of a question
                remedy = (
                    f"its questions have {len(labels)} ids for {texts} texts, and each id is ranked alone: name the "
                    "column of the questions' ids in data.question_id, or take ids out that are of rows"
                )
            raise DataError(f"{self.name}: no question of the {split} split has {lacking}; {remedy}.")


@dataclass(frozen=True)
class Corpus:
    """Unlabelled pairs.

    Attributes:
        rows: the columns of ``CORPUS_COLUMNS``.
        skipped: rows that were left out.
    """

    rows: Dataset
    skipped: Skipped = field(default_factory=dict)


@dataclass(frozen=True)
class Reader:
    """How one kind of source is read: four functions of the settings of ``data`` and of ``corpus``.

    Attributes:
        task: the labelled task; the third argument is a folder for what does not fit into memory, or None.
        corpus: the unlabelled pairs, in the same way.
        task_identity: what the task's raw data is, known without reading its rows.
        corpus_identity: the same for the corpus.
    """

    task: Callable[[Settings, Settings, Path | None], Task]
    corpus: Callable[[Settings, Settings, Path | None], Corpus]
    task_identity: Callable[[Settings, Settings], dict[str, Any]]
    corpus_identity: Callable[[Settings, Settings], dict[str, Any]]
