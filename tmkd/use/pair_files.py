"""Files of pairs as they are scored: read in chunks, and written again with two more fields, in the same format."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

from tmkd.data.bad_rows import BadRow, BadRows
from tmkd.data.records import Record, Source
from tmkd.errors import DataError

Advance = Callable[[int], Any]
Probabilities = Sequence[float] | None  # None: of a model that has scores alone


@dataclass(frozen=True)
class Fields:
    """What the fields of a row are called: the two that are read, and the two that are added."""

    question: str = "question"
    passage: str = "passage"
    score: str = "score"
    probability: str = "probability"

    @property
    def added(self) -> tuple[str, str]:
        return self.score, self.probability


class Row(NamedTuple):
    """A row: its two texts, and all that it holds."""

    question: str
    passage: str
    content: Record


@dataclass(frozen=True)
class Chunk:
    """Some rows of a file.

    Attributes:
        rows: as the file's format holds them.
        first: they are the file's first ones.
        end: how many rows the file has up to the end of the chunk, bad ones too.
    """

    questions: list[str]
    passages: list[str]
    rows: Any
    first: bool
    end: int


class PairFile(Protocol):
    """A file of pairs in one format."""

    def count(self, advance: Advance = lambda _: None) -> tuple[int, int]:
        """Read every row once; return how many there are and how many are bad.

        Args:
            advance: called with the bytes read since its last call.

        Raises:
            DataError: bad rows, which are not to be left out.
        """

    def chunks(self, start: int, size: int) -> Iterator[Chunk]:
        """Yield the rows after the first ``start``, ``size`` at once or a few more; DataError for a bad one."""

    def write(self, chunk: Chunk, scores: Sequence[float], probabilities: Probabilities, to: IO[bytes]) -> None:
        """Write the rows of a chunk, with what was found for each."""

    def join(self, parts: Sequence[Path], to: IO[bytes]) -> None:
        """Write as one file what was written in parts."""


@dataclass(frozen=True)
class RowFile:
    """A file that is text, read row by row.

    Attributes:
        opened: opens it from its beginning; its argument is as for ``count``.
        read: turns a record into a row, or raises BadRow.
        lines: rows with their scores and probabilities as text; the last argument says whether they are the first.
        skip: leave bad rows out instead of raising.
        packed: what is written is packed by gzip.
        together: what rows of one chunk have in common with those that may not be in another.
    """

    opened: Callable[[Advance], Source]
    read: Callable[[Record], Row]
    lines: Callable[[Sequence[Row], Sequence[float], Probabilities, bool], str]
    skip: bool = False
    packed: bool = False
    together: Callable[[Row], str] | None = None

    def count(self, advance: Advance = lambda _: None) -> tuple[int, int]:
        bad, rows, source = BadRows(self.skip, "--skip-bad-rows"), 0, self.opened(advance)
        for number, row in self._rows(source):
            rows += 1
            if isinstance(row, BadRow):
                bad.add(source, number, row)
        return rows, bad.left_out()

    def chunks(self, start: int, size: int) -> Iterator[Chunk]:
        source, rows, first, end = self.opened(lambda _: None), list[Row](), start == 0, start
        for number, row in islice(self._rows(source), start, None):
            if isinstance(row, BadRow):
                if not self.skip:
                    raise DataError(f"{source.name}, {source.unit} {number}: {row} (--skip-bad-rows leaves it out).")
            else:
                if len(rows) >= size and (self.together is None or self.together(row) != self.together(rows[-1])):
                    yield _chunk(rows, first, end)
                    rows, first = [], False
                rows.append(row)
            end += 1
        if rows:
            yield _chunk(rows, first, end)

    def write(self, chunk: Chunk, scores: Sequence[float], probabilities: Probabilities, to: IO[bytes]) -> None:
        text = self.lines(chunk.rows, scores, probabilities, chunk.first).encode()
        to.write(gzip.compress(text, mtime=0) if self.packed else text)

    def join(self, parts: Sequence[Path], to: IO[bytes]) -> None:
        for part in parts:  # packed ones too: gzip files one after the other are one
            with part.open("rb") as file:
                shutil.copyfileobj(file, to)

    def _rows(self, source: Source) -> Iterator[tuple[int, Row | BadRow]]:
        done, last = set[str](), None
        for number, record in source.records:
            try:
                row = record if isinstance(record, BadRow) else self.read(record)
            except BadRow as bad:
                row = bad
            if self.together and isinstance(row, Row):
                if (key := self.together(row)) != last and key in done:
                    raise DataError(
                        f"{source.name}, {source.unit} {number}: the question {key} came before, with others in "
                        "between; sort the run by its first field."
                    )
                last = key
                done.add(key)
            yield number, row


def _chunk(rows: list[Row], first: bool, end: int) -> Chunk:
    return Chunk([row.question for row in rows], [row.passage for row in rows], rows, first, end)
