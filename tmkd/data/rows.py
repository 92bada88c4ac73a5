"""From the records of any source to rows: pairs without labels here, with labels in ``labelled``.

Rows go to Arrow in batches, on disk where a folder is given, so that a corpus need not fit into memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from datasets import Dataset

from tmkd.data.bad_rows import NO_FIELD, NO_TEXT, REPEATED, BadRow, BadRows
from tmkd.data.formats import Record, Source, missing
from tmkd.data.schema import CORPUS_COLUMNS, Corpus, pair_id
from tmkd.errors import DataError

BATCH = 10_000  # rows that are in memory at once
SCHEMA = pa.schema([(name, pa.string()) for name in CORPUS_COLUMNS])
Made = TypeVar("Made")


@dataclass(frozen=True)
class Columns:
    """What a source calls its columns; questions need no id."""

    question: str = "question"
    passage: str = "passage"
    question_id: str = "question_id"


def read_corpus(sources: Iterable[Source], columns: Columns, *, skip: bool, cache: Path | None = None) -> Corpus:
    """Return the unlabelled pairs of all sources, in order; of equal pairs the first.

    Args:
        skip: leave bad rows out instead of raising.
        cache: a folder for the rows; without it they are kept in memory.
    """
    bad, seen = BadRows(skip), Seen()

    def batches() -> Iterator[list[dict[str, Any]]]:
        for source in sources:
            for batch in in_batches(good(source, lambda record: pair(record, columns), bad)):
                new = seen.add(np.array([int(row["id"], 16) for _, row in batch], dtype=np.uint64))
                for number, _ in (located for located, is_new in zip(batch, new) if not is_new):
                    bad.add(source, number, BadRow(REPEATED, "the same pair came before"))
                yield [row for (_, row), is_new in zip(batch, new) if is_new]

    rows = to_arrow(batches(), SCHEMA, cache and cache / "corpus.arrow")
    skipped = bad.settle()
    if not len(rows):
        raise DataError("corpus: expected at least one pair but found none; add rows to its files.")
    return Corpus(rows, skipped)


def pair(record: Record, columns: Columns) -> dict[str, Any]:
    """Return the row of a record, or raise BadRow."""
    question, passage = text(record, columns.question), text(record, columns.passage)
    return {
        "id": pair_id(question, passage),
        "question_id": name_of(record, columns.question_id, question),
        "question": question,
        "passage": passage,
    }


def name_of(record: Record, column: str, question: str) -> str:
    """Return what tells a question apart: its id in ``column``, or else a name made from its text."""
    if column not in record:
        return pair_id(question, "")
    name = record[column]
    return str(name) if isinstance(name, int) else text(record, column)


def text(record: Record, column: str) -> str:
    """Return the text in a column, without space around it, or raise BadRow."""
    value = value_of(record, column)
    # JSON can spell half a character ("\\ud800"), which no encoder takes.
    if not isinstance(value, str) or not value.strip() or value.encode(errors="ignore").decode() != value:
        raise BadRow(NO_TEXT, f"field '{column}' must be text but is {shown(value)}; fill it in or remove the row")
    return value.strip()


def value_of(record: Record, column: str) -> Any:
    if column not in record:
        raise BadRow(NO_FIELD, missing(column, record))
    return record[column]


def shown(value: Any) -> str:
    told = repr(value)
    return told if len(told) <= 80 else f"{told[:80]}…"


def good(source: Source, make: Callable[[Record], Made], bad: BadRows) -> Iterator[tuple[int, Made]]:
    """Yield the number of each good record and what ``make`` turns it into; note those for which it raises BadRow."""
    for number, record in source.records:
        try:
            if isinstance(record, BadRow):
                raise record
            yield number, make(record)
        except BadRow as found:
            bad.add(source, number, found)


def in_batches(items: Iterable[Made]) -> Iterator[list[Made]]:
    rest = iter(items)
    while batch := list(islice(rest, BATCH)):
        yield batch


def to_arrow(batches: Iterable[list[dict[str, Any]]], schema: pa.Schema, file: Path | None) -> Dataset:
    """Write rows to an Arrow file as they come and return them, on disk; without a file they are in memory."""
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    sink = pa.BufferOutputStream() if file is None else pa.OSFile(str(file), "wb")
    with sink, pa.ipc.new_stream(sink, schema) as writer:
        for rows in batches:
            writer.write_batch(pa.RecordBatch.from_pylist(rows, schema=schema))
    return Dataset.from_buffer(sink.getvalue()) if file is None else Dataset.from_file(str(file))


class Seen:
    """A set of 64-bit numbers in sorted runs: 8 bytes each, twice that while the two largest runs are joined."""

    def __init__(self) -> None:
        self._runs: list[np.ndarray] = []

    def add(self, numbers: np.ndarray) -> np.ndarray:
        """Add numbers [n], uint64; return which of them [n] are new: each number once, at its first place."""
        values, first = np.unique(numbers, return_index=True)
        fresh = np.ones(len(values), dtype=bool)
        for run in self._runs:
            at = np.searchsorted(run, values)
            fresh &= run[np.minimum(at, len(run) - 1)] != values
        new = np.zeros(len(numbers), dtype=bool)
        new[first[fresh]] = True
        if fresh.any():
            self._runs.append(values[fresh])
        while len(self._runs) > 1 and len(self._runs[-2]) <= 2 * len(self._runs[-1]):
            self._runs[-2:] = [np.sort(np.concatenate(self._runs[-2:]), kind="stable")]
        return new
