"""The passages that a command gets: as arguments, from a file, or from standard input."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from pathlib import Path

from tmkd.data.bad_rows import BadRow
from tmkd.data.fields import shown, text, visible
from tmkd.data.formats import FORMATS, ending_of, open_file, plain_lines
from tmkd.data.mistaken import LENGTH
from tmkd.data.records import Located, Stream
from tmkd.errors import ConfigError, DataError
from tmkd.use.formats import STDIN


def passages_of(question: str, given: Sequence[str], file: Path | None, field: str) -> list[str]:
    """Return the passages that are given, or those of a file.

    Args:
        file: one a line; JSON lines where its name says so, or its first line is an object. ``-`` is standard input.
        field: of JSON lines.

    Raises:
        ConfigError: neither or both are given.
        DataError: a text is empty, or cannot be read.
    """
    if bool(given) == (file is not None):
        found = "both" if given else "neither"
        raise ConfigError(f"Expected passages as arguments or a file of them in --passages, got {found}.")
    for name, value in [("the question", question), *((f"passage {at + 1}", each) for at, each in enumerate(given))]:
        if not visible(value):
            raise DataError(f"{name}: expected text but it is {shown(value)}; fill it in or leave it out.")
    return list(given) if file is None else _read(file, field)


def _read(file: Path, field: str) -> list[str]:
    path = STDIN if str(file) == "-" else file
    fixed = _lines_or_json if path == STDIN or ending_of(path)[0] in ("", ".txt") else None
    source = open_file(path, [field], fixed=fixed)
    passages = []
    for number, record in source.records:
        try:
            if isinstance(record, BadRow):
                raise record
            passages.append(text(record, field))
        except BadRow as bad:
            raise DataError(f"{source.name}, {source.unit} {number}: {bad}.") from None
    if not passages:
        raise DataError(f"{path}: expected at least one passage but found none; add some.")
    return passages


def _lines_or_json(stream: Stream, path: Path, need: Sequence[str], maybe: Sequence[str]) -> Iterator[Located]:
    """Read a line a passage, or JSON lines where the file begins with an object, after empty lines and UTF-8's mark."""
    read = FORMATS[".jsonl"] if stream.peek(LENGTH).lstrip(BOM_UTF8 + b" \t\r\n")[:1] == b"{" else plain_lines
    return read(stream, path, need, maybe)
