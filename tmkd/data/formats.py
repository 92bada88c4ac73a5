"""File formats, read record by record, so that a file may be larger than memory.

A format is a function that yields (number, record) of an open file; add it to ``FORMATS`` and everything else follows.
A row that cannot be read, while those after it can, is yielded as a ``BadRow``; a broken file raises.
"""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import Any

from tmkd.data.bad_rows import FIELD_COUNT, JSON, QUOTING, UTF8, BadRow
from tmkd.errors import DataError

Record = Mapping[str, Any]
Located = tuple[int, Record | BadRow]
Stream = gzip.GzipFile | BufferedReader
Format = Callable[[Stream, Path, Sequence[str], Sequence[str]], Iterator[Located]]
QUOTE = "put text that holds separators, quotes or line ends in double quotes and double the quotes inside"
csv.field_size_limit(2**24)  # characters; Python's own 131,072 are fewer than some texts have
POLL = 1000  # records between two looks at how far the file is read


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


def open_file(
    path: str | Path,
    need: Sequence[str],
    maybe: Sequence[str] = (),
    *,
    plain: bool = False,
    advance: Callable[[int], Any] = lambda _: None,
) -> Source:
    """Return the records of a file.

    Args:
        need: columns that a header must name.
        maybe: columns that it may name; a format need not read any other.
        plain: a ``.txt`` is fine too: each line is a record with the first column of ``need``.
        advance: called with the bytes read since its last call.
    """
    path = Path(path)
    ending, packed = ending_of(path)
    formats = FORMATS | ({".txt": _plain} if plain else {})
    if ending not in formats or (packed and ending == ".parquet"):
        raise DataError(
            f"{path}: expected a file name that ends in {', '.join(formats)} (or, a text, in that and .gz) but found "
            f"'{path.name}'; convert or rename the file."
        )
    unit = "row" if ending == ".parquet" else "line"
    return Source(str(path), unit, _records(path, packed, formats[ending], (need, maybe), advance))


def ending_of(path: Path) -> tuple[str, bool]:
    """Return what a file's format is known by, and whether it is packed."""
    packed = path.suffix == ".gz"
    return (Path(path.stem).suffix if packed else path.suffix), packed


def _records(
    path: Path, packed: bool, read: Format, columns: tuple[Sequence[str], Sequence[str]], advance: Callable[[int], Any]
) -> Iterator[Located]:
    done = 0
    try:
        with path.open("rb") as raw:
            stream: Stream = gzip.GzipFile(fileobj=raw) if packed else raw
            for count, located in enumerate(read(stream, path, *columns), start=1):
                yield located
                if count % POLL == 0 and raw.tell() > done:
                    advance(raw.tell() - done)
                    done = raw.tell()
        advance(path.stat().st_size - done)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: expected a gzip file but it is broken ({error}); compress it again.") from None
    except OSError as error:
        raise DataError(f"{path}: the file cannot be read ({error.strerror or error}); check the path.") from None


class _Lines:
    """The lines of a text; ``broken`` says where the last one that was not UTF-8 is, until it is taken."""

    def __init__(self, stream: Stream, newline: str) -> None:
        self._text = TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline=newline)
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
            try:
                line.encode()
            except UnicodeEncodeError as error:
                byte = ord(line[error.start]) & 0xFF
                told = f"expected UTF-8 but found the byte 0x{byte:02x}; save the file as UTF-8"
                self._broken = self.number, BadRow(UTF8, told)
        return line

    def take_broken(self) -> tuple[int, BadRow] | None:
        broken, self._broken = self._broken, None
        return broken


def _separated(separator: str) -> Format:
    def read(stream: Stream, path: Path, need: Sequence[str], maybe: Sequence[str]) -> Iterator[Located]:
        lines = _Lines(stream, newline="")
        rows = csv.reader(lines, delimiter=separator, strict=True)
        header: list[str] | None = None
        while True:
            before = rows.line_num
            bad = None
            fields: list[str] = []
            try:
                fields = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                bad = BadRow(QUOTING, f"expected separated fields but found broken quoting ({error}); {QUOTE}")
            broken = lines.take_broken()
            if separator == "\t" and any("\t" in each and ("\n" in each or "\r" in each) for each in fields):
                # Few texts have both. Rather the file knows no quoting, one text begins with a quote, a later one ends
                # with one, and what is between them are rows.
                raise DataError(
                    f"{path}, line {rows.line_num} (of a row that begins in line {before + 1}): a field in double "
                    "quotes holds a tab and a line end, and may be rows that a quote has swallowed; double the quotes "
                    "inside texts and put those texts in quotes, or save the rows as CSV or JSON lines."
                )
            if header is None and not (bad or broken):
                header = _header(fields, path, need)
                continue
            if fields and header is not None and len(fields) != len(header):
                found = f"expected {len(header)} fields as in the header {header} but found {len(fields)}; {QUOTE}"
                bad = BadRow(FIELD_COUNT, found)
            if bad and (lines.ended or rows.line_num > before + 1):
                # A quote that stands open may have swallowed good rows: nobody can say how many.
                raise DataError(f"{path}, line {rows.line_num} (of a row that begins in line {before + 1}): {bad}.")
            where, bad = broken or (rows.line_num, bad)
            if bad and header is None:
                raise DataError(f"{path}, line {where}: {bad}.")
            if bad:
                yield where, bad
            elif fields and header is not None:  # an empty line has no fields
                yield where, dict(zip(header, fields, strict=True))

    return read


def _jsonl(stream: Stream, path: Path, need: Sequence[str], maybe: Sequence[str]) -> Iterator[Located]:
    lines = _Lines(stream, newline="\n")  # JSON may hold other line ends
    for line in lines:
        broken = lines.take_broken()
        if broken:
            yield broken
        elif line.strip():
            yield lines.number, _json_object(line)


def _json_object(line: str) -> Record | BadRow:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        column = f", column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        told = str(error).partition(": line ")[0]
        return BadRow(JSON, f"expected one JSON object but found broken JSON ({told}{column}); write one object a line")
    if not isinstance(record, dict):
        return BadRow(JSON, f"expected a JSON object but found {line.strip()[:40]!r}; write one object a line")
    return record


def _plain(stream: Stream, path: Path, need: Sequence[str], maybe: Sequence[str]) -> Iterator[Located]:
    lines = _Lines(stream, newline="")
    for line in lines:
        broken = lines.take_broken()
        if broken or line.strip():
            yield broken or (lines.number, {need[0]: line})


def _parquet(stream: Stream, path: Path, need: Sequence[str], maybe: Sequence[str]) -> Iterator[Located]:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    number = 0
    try:
        file = ParquetFile(stream, buffer_size=2**20, pre_buffer=False)  # or a whole group of rows is held
        header = _header(file.schema_arrow.names, path, need)
        for batch in file.iter_batches(POLL, columns=[name for name in header if name in (*need, *maybe)]):
            for record in _unpacked(batch):
                number += 1
                yield number, record
    except pa.ArrowException as error:
        told = str(error).splitlines()[0]
        raise DataError(f"{path}: expected a Parquet file but it is broken ({told}); write it again.") from None


def _unpacked(batch: Any) -> Iterable[Record | BadRow]:
    try:
        return batch.to_pylist()
    except UnicodeDecodeError:
        return [_unpacked_row(batch.slice(at, 1)) for at in range(batch.num_rows)]


def _unpacked_row(row: Any) -> Record | BadRow:
    try:
        return row.to_pylist()[0]
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        return BadRow(UTF8, f"expected UTF-8 but found the byte 0x{byte:02x}; write the file from text")


def _header(header: list[str], path: Path, need: Sequence[str]) -> list[str]:
    named = [name for name in header if name]  # spreadsheets leave empty columns behind
    if len(set(named)) < len(named):
        raise DataError(f"{path}, line 1: the header {header} names a column twice; rename one of the two.")
    for name in need:
        if name not in header:
            raise DataError(f"{path}: {missing(name, header)}.")
    return header


def missing(column: str, there: Iterable[str]) -> str:
    """Say that a column is not there, and which are."""
    return (
        f"there is no column '{column}' but only {list(there)}; rename the column, or set its name in the "
        "configuration of the data"
    )


FORMATS: dict[str, Format] = {
    ".tsv": _separated("\t"),
    ".csv": _separated(","),
    ".jsonl": _jsonl,
    ".json": _jsonl,
    ".parquet": _parquet,
}
