"""What every file format yields: records with their places, of a stream that is read once."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import Any

from tmkd.data.bad_rows import UTF8, BadRow
from tmkd.data.recognise import advice
from tmkd.errors import DataError

Record = Mapping[str, Any]
Located = tuple[int, Record | BadRow]
Stream = gzip.GzipFile | BufferedReader
Format = Callable[[Stream, Path, Sequence[str], Sequence[str]], Iterator[Located]]
EVERY_COLUMN = ("*",)  # in the place of columns that may be read: all there are
MARK = "\ufeff"  # which many programs put at the beginning of a text


@dataclass(frozen=True)
class Source:
    """The records of one file or split.

    Attributes:
        name: what messages call it.
        unit: what its records are counted in, from 1.
        records: number and content of each; read when they are iterated.
    """

    name: str
    unit: str
    records: Iterable[Located]


class Lines:
    """The lines of a text; ``broken`` says where the last one that was not UTF-8 is, until it is taken."""

    def __init__(self, stream: Stream, newline: str) -> None:
        self._text = TextIOWrapper(stream, "utf-8", errors="surrogateescape", newline=newline)
        self._broken: tuple[int, BadRow] | None = None
        self.number = 0
        self.ended = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._text, None)
        if line is None:
            self.ended = True
            raise StopIteration
        self.number += 1
        if not line.isascii():
            line = line.removeprefix(MARK)  # of any line: files that were joined have one each
            try:
                line.encode()
            except UnicodeEncodeError as error:
                byte = ord(line[error.start]) & 0xFF
                message = f"expected UTF-8 but found the byte 0x{byte:02x}; save the file as UTF-8"
                self._broken = self.number, BadRow(UTF8, message)
        return line

    def take_broken(self) -> tuple[int, BadRow] | None:
        broken, self._broken = self._broken, None
        return broken


RENAME = (
    "rename the column, or set its name: data.question, data.passage, data.label, data.question_id or "
    "data.extra_columns (of a corpus, corpus.question and so on; of tmkd score and evaluate, --question and so on)"
)
HEADER = "a table's first line names its columns: add it if it is missing"


def missing(column: str, there: Iterable[str], remedy: str = "") -> str:
    """Say that a column is not there, which are, and what to do: ``remedy``, or what the columns look like."""
    found = list(there)
    near = next((name for name in found if name.strip().casefold() == column.strip().casefold()), None)
    written = "" if near is None else f" ('{near}' is another name: letters and spaces count)"
    return f"there is no column '{column}' but only {found}{written}; {remedy or advice(column, found) or RENAME}"


def checked_header(header: list[str], path: Path, need: Sequence[str]) -> list[str]:
    """Return the names of columns, or raise DataError for one that is needed and missing, or there twice."""
    named = [name for name in header if name]  # spreadsheets leave empty columns behind
    if len(set(named)) < len(named):
        looks = advice("", header)
        raise DataError(
            f"{path}, line 1: the header {header} names a column twice; {looks or 'rename one of the two'}."
        )
    for name in need:
        if name not in header:
            unnamed = len(need) > 1 and not set(need) & set(header)
            remedy = advice(name, header) or (f"{HEADER}, or {RENAME}" if unnamed else RENAME)
            raise DataError(f"{path}: {missing(name, header, remedy)}.")
    return header
