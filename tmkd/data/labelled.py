"""Labelled rows of any source, and the task that they become."""

from __future__ import annotations

import logging
from array import array
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from datasets import Dataset

from tmkd.choices import CLASSES
from tmkd.data.bad_rows import CONTRADICTION, EMPTY, LEAK, NO_FIELD, REPEATED, BadRow, BadRows
from tmkd.data.fields import value_of
from tmkd.data.labels import Meaning, meaning_of
from tmkd.data.questions import shared_ids
from tmkd.data.records import Record, Source
from tmkd.data.rows import Columns, good, in_batches, pair, to_arrow
from tmkd.data.schema import SPLITS, Task
from tmkd.data.splits import draw_validation, id_numbers
from tmkd.errors import DataError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LabelledRows:
    """Labelled rows, and where in their source each of them stands.

    Attributes:
        source: file or split.
        data: columns of ``PAIR_COLUMNS``.
        numbers: [rows], counted as ``source.unit`` says.
    """

    source: Source
    data: Dataset
    numbers: np.ndarray

    def keep(self, chosen: np.ndarray) -> LabelledRows:
        """Return the chosen [rows] of the rows."""
        if chosen.all():
            return self
        return replace(self, data=self.data.select(np.flatnonzero(chosen)), numbers=self.numbers[chosen])


def make_task(
    name: str,
    sources: Mapping[str, Source],
    columns: Columns,
    *,
    label: str,
    classes: tuple[str, ...],
    labels: Mapping[str, str],
    kind: str = CLASSES,
    ranking: bool,
    skip: bool,
    validation_share: float,
    seed: int,
    cache: Path | None = None,
    finish: Callable[[str, LabelledRows], Dataset] = lambda _, rows: rows.data,
) -> Task:
    """Return the task of up to three sources.

    Args:
        sources: by split; without one for validation, it is drawn from the training questions.
        label: name of the column.
        labels: the source's own label names, each with the class it means; see ``Labels``.
        kind: of ``tmkd.choices.LABEL_KINDS``; ``classes`` and ``labels`` are of its first.
        skip: leave bad rows out instead of raising.
        cache: a folder for the rows; without it they are kept in memory.
        finish: turns the rows of a split into their final form.
    """
    bad = BadRows(skip)
    read: dict[str, LabelledRows] = {}
    meaning = meaning_of(label, classes, labels, kind, ranking)
    for split in SPLITS:
        if split in sources:
            file = cache and cache / f"{split}.arrow"
            read[split] = read_labelled(sources[split], columns, meaning=meaning, bad=bad, file=file)
    if ranking:
        for rows in read.values():
            tell_shared_ids(rows.source.name, rows.data)
    read = without_leaks(read, ranking, bad)
    skipped = bad.settle()
    for split, rows in read.items():
        if not len(rows.data):
            count = sum(count for kind, count in skipped.get(rows.source.name, {}).items() if kind != EMPTY)
            left = f" ({count} rows were left out)" if count else ": it has no rows"
            raise DataError(
                f"{rows.source.name}: expected at least one pair to use for {split} but found none{left}; add rows."
            )
    splits = {split: finish(split, rows) for split, rows in read.items()}
    if "validation" not in splits:
        splits["train"], splits["validation"] = draw_validation(splits["train"], validation_share, seed)
        if not len(splits["validation"]):
            raise DataError(
                f"{name}: none of the {len(set(splits['train']['question']))} training questions is drawn to validate; "
                "raise data.validation_share, or name a split in data.validation."
            )
    return Task(name, classes, ranking, {split: splits[split] for split in SPLITS}, skipped, kind)


def tell_shared_ids(name: str, rows: Dataset) -> None:
    """Warn of ids that several questions have: maybe they count within files that were joined."""
    if shared := shared_ids(rows):
        first = next(iter(shared))
        log.warning(
            "%s: %d question ids stand for questions with different texts, whose passages count as one question's; the "
            "first is %s: %r and %r",
            name, len(shared), first, *shared[first],
        )  # fmt: skip


def read_labelled(
    source: Source,
    columns: Columns,
    *,
    meaning: Meaning,
    bad: BadRows,
    file: Path | None = None,
) -> LabelledRows:
    """Return the labelled rows of a source; a pair that comes twice counts once, with two labels not at all."""
    numbers = array("q")
    named: bool | None = None  # whether the first row names its question: JSON has no header that says it for all

    def make(record: Record) -> dict[str, Any]:
        nonlocal named
        row = pair(record, columns)
        there = columns.question_id in record
        named = there if named is None else named
        if there != named:
            first = f"has {'one' if named else 'none'}; give it to all rows or to none, or one question counts as two"
            found = f"found {'a' if there else 'no'} field '{columns.question_id}' but the first row {first}"
            raise BadRow(NO_FIELD, found)
        return {**row, "label": meaning.read(value_of(record, meaning.column))}

    def batches() -> Iterator[list[dict[str, Any]]]:
        for batch in in_batches(good(source, make, bad)):
            numbers.extend(number for number, _ in batch)
            yield [row for _, row in batch]

    data = to_arrow(batches(), columns.schema.append(pa.field("label", meaning.type)), file)
    return _once(LabelledRows(source, data, np.asarray(numbers)), meaning, bad)


def without_leaks(splits: Mapping[str, LabelledRows], ranking: bool, bad: BadRows) -> dict[str, LabelledRows]:
    """Take out of train, then of validation, what is in a later split: a question where ranked, else a pair."""
    what, column = ("question", "question") if ranking else ("pair", "id")
    held: dict[str, tuple[str, int]] = {}
    kept: dict[str, LabelledRows] = {}
    for split in [split for split in reversed(SPLITS) if split in splits]:
        rows = splits[split]
        chosen = np.ones(len(rows.data), dtype=bool)
        for at, value in enumerate(rows.data[column]):
            if value in held:
                other, number = held[value]
                there = splits[other].source
                message = f"the same {what} is in the {other} split ({there.name}, {there.unit} {number}); remove one"
                bad.add(rows.source, int(rows.numbers[at]), BadRow(LEAK, message))
                chosen[at] = False
        kept[split] = rows.keep(chosen)
        if split != "train":
            for value, number in zip(kept[split].data[column], kept[split].numbers.tolist()):
                held.setdefault(value, (split, number))
    return {split: kept[split] for split in splits}


def _once(rows: LabelledRows, meaning: Meaning, bad: BadRows) -> LabelledRows:
    """Keep the first of equal pairs; none, where their labels contradict each other."""
    labels = np.asarray(rows.data["label"])
    _, first, group = np.unique(id_numbers(rows.data), return_index=True, return_inverse=True)
    first = first[group]  # [rows]: where the same pair stands first
    disagree = labels != labels[first]
    contradictory = np.isin(group, group[disagree])
    repeated = (first < np.arange(len(first))) & ~contradictory
    opposite = np.zeros(len(first), dtype=np.int64)  # [groups]: the first row that disagrees
    opposite[group[disagree][::-1]] = np.flatnonzero(disagree)[::-1]
    for at in np.flatnonzero(repeated).tolist():
        bad.add(rows.source, int(rows.numbers[at]), BadRow(REPEATED, "the same pair came before"))
    for at in np.flatnonzero(contradictory).tolist():
        other = first[at] if disagree[at] else opposite[group[at]]
        message = (
            f"field '{meaning.column}' is '{meaning.text(labels[at])}' but the same pair is "
            f"'{meaning.text(labels[other])}' in {rows.source.unit} {rows.numbers[other]}; remove one of the two"
        )
        bad.add(rows.source, int(rows.numbers[at]), BadRow(CONTRADICTION, message))
    return rows.keep(~(contradictory | repeated))
