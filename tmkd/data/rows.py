"""From the records of any source to rows: pairs without labels here, with labels in ``labelled``.

Rows go to Arrow in batches, on disk where a folder is given, so that a corpus need not fit into memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from datasets import Dataset

from tmkd.data.bad_rows import EMPTY, REPEATED, BadRow, BadRows
from tmkd.data.fields import QUESTION_ID, name_of, needed_ids, short_text, text
from tmkd.data.records import Record, Source
from tmkd.data.schema import CORPUS_COLUMNS, Corpus, pair_id
from tmkd.errors import DataError
from tmkd.store.disk import written_whole
from tmkd.store.memmap import letting_go
from tmkd.store.shards import as_numbers, ids_of

BATCH = 10_000  # rows that are in memory at once
READ = 1000  # likewise, with all their columns
SHARES = 64  # of all numbers, one of which is in memory at once; a power of 2
NUMBERED = np.dtype([("number", np.uint64), ("place", np.int64)])
SCHEMA = pa.schema([(name, pa.string()) for name in CORPUS_COLUMNS])
Made = TypeVar("Made")


@dataclass(frozen=True)
class Columns:
    """What a source calls its columns; a ``question_id`` may be missing. ``extra`` are further ones that are kept, as
    text."""

    question: str = "question"
    passage: str = "passage"
    question_id: str = QUESTION_ID
    extra: tuple[str, ...] = ()

    @property
    def needed(self) -> tuple[str, ...]:
        """Those that must be there."""
        return self.question, self.passage, *needed_ids(self.question_id), *self.extra

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return *self.needed, self.question_id

    @property
    def schema(self) -> pa.Schema:
        """What rows have, but for labels."""
        return pa.schema([*SCHEMA, *((name, pa.string()) for name in self.extra)])


def rows_of(rows: Dataset) -> Iterator[dict[str, Any]]:
    """Yield the rows one by one, read in batches."""
    for batch in rows.iter(READ):
        for values in zip(*batch.values()):
            yield dict(zip(batch, values))


def read_corpus(sources: Iterable[Source], columns: Columns, *, skip: bool, cache: Path | None = None) -> Corpus:
    """Return the unlabelled pairs of all sources, in order; of equal pairs the first.

    Args:
        skip: leave bad rows out instead of raising.
        cache: a folder for the rows; without it they are kept in memory.
    """
    bad = BadRows(skip)
    ends: list[tuple[Source, int]] = []  # where the rows of each source end

    def batches() -> Iterator[list[dict[str, Any]]]:
        count = 0
        for source in sources:
            for batch in in_batches(good(source, lambda record: pair(record, columns), bad)):
                count += len(batch)
                yield [row for _, row in batch]
            ends.append((source, count))

    rows = to_arrow(batches(), columns.schema, cache and cache / "corpus.arrow")
    with letting_go(rows):
        again = repeats((as_numbers(ids) for ids in ids_of(rows)), cache)
        start = 0
        for source, end in ends:
            bad.count(source, REPEATED, int(again[start:end].sum()))
            start = end
        if again.any():
            rows = without(rows, again, cache and cache / "corpus.arrow")
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
        **{name: short_text(record, name) for name in columns.extra},
    }


def good(source: Source, make: Callable[[Record], Made], bad: BadRows) -> Iterator[tuple[int, Made]]:
    """Yield the number of each good record and what ``make`` turns it into; note those for which it raises BadRow, and
    that there is none at all."""
    number = 0
    for number, record in source.records:
        try:
            if isinstance(record, BadRow):
                raise record
            yield number, make(record)
        except BadRow as found:
            bad.add(source, number, found)
    if not number:
        bad.count(source, EMPTY, 1)


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


def without(rows: Dataset, left_out: np.ndarray, file: Path | None) -> Dataset:
    """Return the rows that are not ``left_out`` [rows]; they take the place of all in ``file``, or are in memory."""
    if file is None:
        sink = pa.BufferOutputStream()
        _write_others(sink, rows, left_out)
        return Dataset.from_buffer(sink.getvalue())
    with written_whole(file) as temporary:
        _write_others(pa.OSFile(str(temporary), "wb"), rows, left_out)
    return Dataset.from_file(str(file))


def _write_others(sink: pa.NativeFile, rows: Dataset, left_out: np.ndarray) -> None:
    start = 0
    with sink, pa.ipc.new_stream(sink, rows.data.schema) as writer:
        for batch in rows.with_format("arrow").iter(BATCH):
            writer.write_table(batch.filter(pa.array(~left_out[start : start + len(batch)])))
            start += len(batch)


def repeats(numbers: Iterable[np.ndarray], folder: Path | None) -> np.ndarray:
    """Return for every number whether it came before, [numbers], one byte each.

    They are put into files by their first bits, so that a share of them is in memory at once.

    Args:
        numbers: batches [n], uint64, any of whose bits are as good as any other.
        folder: of the files, which are gone afterwards; None: the system's own for such files.
    """
    count = 0
    with ExitStack() as stack:
        files = [stack.enter_context(TemporaryFile(dir=folder)) for _ in range(SHARES)]
        for batch in numbers:
            found = np.empty(len(batch), dtype=NUMBERED)
            found["number"], found["place"] = batch, np.arange(count, count + len(batch))
            share = batch >> np.uint64(64 - SHARES.bit_length() + 1)
            for which, file in enumerate(files):
                file.write(found[share == which].tobytes())
            count += len(batch)
        again = np.zeros(count, dtype=bool)
        for file in files:
            file.seek(0)
            found = np.frombuffer(file.read(), dtype=NUMBERED)
            again[found["place"]] = True
            again[found["place"][np.unique(found["number"], return_index=True)[1]]] = False
    return again
