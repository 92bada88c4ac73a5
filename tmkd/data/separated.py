"""Tables as text: a header line, and fields between separators, with or without quotes."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TextIO

from tmkd.choices import SEPARATORS
from tmkd.data.bad_rows import FIELD_COUNT, QUOTING, BadRow
from tmkd.data.records import Format, Lines, Located, Stream, checked_header
from tmkd.errors import DataError

TAB = "\t"
ENDINGS = {".tsv": TAB, ".csv": ","}
QUOTE = "put text that holds separators, quotes or line ends in double quotes and double the quotes inside"
UNQUOTED = "where quotes are part of the texts, set data.quoting=none (of a corpus, corpus.quoting)"
AS_JSON = "where quotes are part of the texts, write JSON lines, in which they are"  # where no setting is read
csv.field_size_limit(2**24)  # characters; Python's own 131,072 are fewer than some texts have


@dataclass(frozen=True)
class Dialect:
    """How the fields of a table are separated and quoted.

    Attributes:
        separator: a name in ``SEPARATORS``; None: as the file's name ends.
        quoted: double quotes hold a field together; otherwise they are part of the text.
        settings: which of the two a setting of data and corpus gives here, so that messages may name it.
    """

    separator: str | None = None
    quoted: bool = True
    settings: tuple[str, ...] = ("separator", "quoting")


def separated(ending: str, dialect: Dialect | None, rewritten: bool = False) -> Format:
    """Return the format of the files with an ending of ``ENDINGS``.

    Args:
        dialect: None: the usual one, where no setting gives another.
        rewritten: all columns are written again, so that two without a name, of which a record has one, are refused.
    """
    dialect = dialect or Dialect(settings=())
    separator = SEPARATORS[dialect.separator] if dialect.separator else ENDINGS[ending]
    unquoted = UNQUOTED if "quoting" in dialect.settings else AS_JSON
    advice = f"{QUOTE}; {unquoted}" if dialect.quoted else "take the separators and line ends out of the texts"

    def read(stream: Stream, path: Path, need: Sequence[str], maybe: Sequence[str]) -> Iterator[Located]:
        lines = Lines(stream, newline="")
        quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if dialect.quoted else csv.QUOTE_NONE
        rows = csv.reader(lines, delimiter=separator, strict=True, quoting=quoting)
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
                bad = BadRow(QUOTING, f"expected separated fields but found broken quoting ({error}); {advice}")
            broken = lines.take_broken()
            if separator == "\t" and any("\t" in each and ("\n" in each or "\r" in each) for each in fields):
                # Few texts have both. Rather the file knows no quoting, one text begins with a quote, a later one ends
                # with one, and what is between them are rows.
                raise DataError(
                    f"{path}, line {rows.line_num} (of a row that begins in line {before + 1}): a field in double "
                    "quotes holds a tab and a line end, and may be rows that a quote has swallowed; double the quotes "
                    f"inside texts and put those texts in quotes, or save the rows as CSV or JSON lines; {unquoted}."
                )
            if header is None and not (fields or bad or broken):  # empty lines above the header
                continue
            if header is None and not (bad or broken):
                fields = _separate(fields, separator, path, need, "separator" in dialect.settings)
                header = checked_header(fields, path, need)
                if rewritten and header.count("") > 1:
                    raise DataError(
                        f"{path}, line {rows.line_num}: the header {header} has {header.count('')} columns without a "
                        "name, which cannot be told apart; name them, or take them out."
                    )
                continue
            if fields == header:  # of the next of several files that were joined
                continue
            if fields and header is not None and len(fields) != len(header):
                found = f"expected {len(header)} fields as in the header {header} but found {len(fields)}; {advice}"
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


def table_writer(file: TextIO, separator: str) -> Any:
    """Return a writer of ``csv`` that ends lines with \\n and quotes texts with \\r, too: readers end a line there."""
    return csv.writer(_Unix(file), delimiter=separator, lineterminator="\r\n")


class _Unix:
    """What a writer of ``csv`` writes rows to: it quotes what its own line end has in it, which is then made \\n."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, row: str) -> int:
        return self._file.write(row.removesuffix("\r\n") + "\n")


def _separate(header: list[str], separator: str, path: Path, need: Sequence[str], setting: bool) -> list[str]:
    """Return the header, or raise DataError where it is none, or one field because the separator is another."""
    table = f"write the table with {'tabs' if separator == TAB else 'commas'}"
    if header[0].startswith("sep=") and not "".join(header[1:]) and len(header[0]) <= 5:
        more = "set data.separator (of a corpus, corpus.separator)" if setting else table
        raise DataError(
            f"{path}, line 1: expected the names of columns but found Excel's note on the separator; remove that line, "
            f"and {more} if it is not the usual one."
        )
    if len(header) == 1 and header[0] not in need:
        for name, other in SEPARATORS.items():
            if other != separator and other in header[0]:
                more = f"set data.separator={name} (of a corpus, corpus.separator={name}), or " if setting else ""
                raise DataError(
                    f"{path}: the columns {header[0].split(other)} are separated by a {name}; {more}{table}."
                )
    return header
