"""File formats, read record by record, so that a file may be larger than memory.

A format is a function that yields (number, record) of an open file; add it to ``FORMATS`` and everything else follows.
A row that cannot be read, while those after it can, is yielded as a ``BadRow``; a broken file raises.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tmkd.data.bad_rows import JSON, UTF8, BadRow
from tmkd.data.mistaken import LENGTH, check_file, other_content
from tmkd.data.recognise import advice
from tmkd.data.records import EVERY_COLUMN, Format, Lines, Located, Record, Source, Stream, checked_header
from tmkd.data.separated import ENDINGS, Dialect, separated
from tmkd.errors import DataError
from tmkd.store.disk import reading_from

LOOKED_AT = 1000  # characters of a file whose name says nothing
POLL = 1000  # records between two looks at how far the file is read


def open_file(
    path: str | Path,
    need: Sequence[str],
    maybe: Sequence[str] = (),
    *,
    dialect: Dialect | None = None,
    plain: bool = False,
    fixed: Format | None = None,
    advance: Callable[[int], Any] = lambda _: None,
) -> Source:
    """Return the records of a file.

    Args:
        need: columns that a header must name.
        maybe: columns that it may name, or ``EVERY_COLUMN``; a format need not read any other.
        dialect: of tables that are text; None: the usual one, and no setting gives another.
        plain: a ``.txt`` is fine too: each line is a record with the first column of ``need``.
        fixed: the format, whatever the name ends in; None: as it ends.
        advance: called with the bytes read since its last call.
    """
    path = Path(path)
    check_file(path)
    ending, packed = ending_of(path)
    if fixed:
        return Source(str(path), "line", _records(path, packed, fixed, (need, maybe), advance))
    tables = {name: separated(name, dialect) for name in ENDINGS}
    formats = tables | FORMATS | ({".txt": plain_lines} if plain else {})
    if ending not in formats or (packed and ending == ".parquet"):
        raise DataError(
            f"{path}: expected a file name that ends in {', '.join(formats)} (or, a text, in that and .gz) but found "
            f"'{path.name}'; {_whose(path, packed) or 'convert or rename the file'}."
        )
    unit = "row" if ending == ".parquet" else "line"
    return Source(str(path), unit, _records(path, packed, formats[ending], (need, maybe), advance))


def _whose(path: Path, packed: bool) -> str:
    """Return whose format a text may be that has no header and is named as it likes; "" where that is not known."""
    try:
        with gzip.open(path, "rt", errors="replace") if packed else path.open(errors="replace") as file:
            return advice("", file.readline(LOOKED_AT).split())
    except (OSError, EOFError, zlib.error):
        return ""


def raise_bad_row(files: Iterable[Path], dialect: Dialect) -> None:
    """Raise DataError for the first row that cannot be read in any of the files that are text."""
    for file in files:
        if file.is_file() and ending_of(file)[0] in (*ENDINGS, ".jsonl"):
            source = open_file(file, (), dialect=dialect)
            for number, record in source.records:
                if isinstance(record, BadRow):
                    raise DataError(f"{file}, {source.unit} {number}: {record}.")


def ending_of(path: Path) -> tuple[str, bool]:
    """Return what a file's format is known by, and whether it is packed."""
    packed = path.suffix.lower() == ".gz"
    return Path(path.stem if packed else path.name).suffix.lower(), packed


def _records(
    path: Path, packed: bool, read: Format, columns: tuple[Sequence[str], Sequence[str]], advance: Callable[[int], Any]
) -> Iterator[Located]:
    done = 0
    with reading_from(path, DataError, "check the path"):
        try:
            with path.open("rb") as raw:
                stream: Stream = gzip.GzipFile(fileobj=raw) if packed else raw
                parquet = read is _parquet
                if other := other_content(stream.peek(LENGTH)[:LENGTH], parquet):
                    expected = "a Parquet file" if parquet else "UTF-8"
                    raise DataError(f"{path}, line 1: expected {expected} but found {other[0]}; {other[1]}.")
                for count, located in enumerate(read(stream, path, *columns), start=1):
                    yield located
                    if count % POLL == 0 and raw.seekable() and raw.tell() > done:  # a pipe has no places
                        advance(raw.tell() - done)
                        done = raw.tell()
            advance(path.stat().st_size - done)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise DataError(f"{path}: expected a gzip file but it is broken ({error}); compress it again.") from None


def _jsonl(stream: Stream, path: Path, need: Sequence[str], maybe: Sequence[str]) -> Iterator[Located]:
    lines = Lines(stream, newline="\n")  # JSON may hold other line ends
    begun = False
    for line in lines:
        broken = lines.take_broken()
        if broken:
            yield broken
        elif line.strip():
            if not begun and line.lstrip().startswith("["):
                raise DataError(
                    f"{path}, line {lines.number}: expected JSON lines but found a JSON array; write one object a line "
                    "(jq -c '.[]' does so)."
                )
            if not begun and line.strip() == "{":
                raise DataError(
                    f"{path}, line {lines.number}: expected one object a line but found one over several lines; write "
                    "JSON lines (jq -c . does so)."
                )
            begun = True
            yield lines.number, _json_object(line)


class NamedTwice(ValueError):
    """A field of a JSON object, whose first value Python's own reader would lose in silence."""


def _fields_once(fields: list[tuple[str, Any]]) -> Record:
    record = dict(fields)
    if len(record) < len(fields):
        names = [name for name, _ in fields]
        raise NamedTwice(next(name for name in names if names.count(name) > 1))
    return record


DECODER = json.JSONDecoder(object_pairs_hook=_fields_once)


def _json_object(line: str) -> Record | BadRow:
    try:
        record = DECODER.decode(line)
    except NamedTwice as error:
        return BadRow(JSON, f"an object has the field '{error}' twice; leave one of the two out")
    except (ValueError, RecursionError) as error:
        column = f", column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        why = str(error).partition(": line ")[0]
        return BadRow(JSON, f"expected one JSON object but found broken JSON ({why}{column}); write one object a line")
    if not isinstance(record, dict):
        return BadRow(JSON, f"expected a JSON object but found {line.strip()[:40]!r}; write one object a line")
    return record


def plain_lines(stream: Stream, path: Path, need: Sequence[str], maybe: Sequence[str]) -> Iterator[Located]:
    """Yield each line that is not empty as a record with the first column of ``need``."""
    lines = Lines(stream, newline="")
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
        header = checked_header(file.schema_arrow.names, path, need)
        names = _label_names(file.schema_arrow)
        wanted = header if maybe == EVERY_COLUMN else [name for name in header if name in (*need, *maybe)]
        for batch in file.iter_batches(POLL, columns=wanted):
            for record in unpacked(batch):
                number += 1
                yield number, record if isinstance(record, BadRow) else _with_names(record, names)
    except pa.ArrowException as error:
        why = str(error).splitlines()[0]
        raise DataError(f"{path}: expected a Parquet file but it is broken ({why}); write it again.") from None


def _label_names(schema: Any) -> dict[str, list[str]]:
    """Return the columns whose numbers `datasets` wrote for names, each with its names."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {column: kind["names"] for column, kind in features.items() if kind.get("_type") == "ClassLabel"}
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def _with_names(record: Record, names: dict[str, list[str]]) -> Record:
    named = {
        column: own[record[column]]
        for column, own in names.items()
        if isinstance(record.get(column), int) and 0 <= record[column] < len(own)
    }
    return {**record, **named} if named else record


def unpacked(batch: Any) -> Iterable[Record | BadRow]:
    """Return the rows of a batch of a Parquet file; BadRow for one whose text is not UTF-8."""
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


FORMATS: dict[str, Format] = {".jsonl": _jsonl, ".json": _jsonl, ".parquet": _parquet}  # beside ``ENDINGS``
