"""What a format is to those who read it: from each record of its files to the pairs that it holds."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tmkd.data.bad_rows import NO_FIELD, NO_SCORE, NO_TEXT, BadRow
from tmkd.data.fields import name_of, shown, text
from tmkd.data.formats import open_file
from tmkd.data.layouts.texts import Texts
from tmkd.data.recognise import advice
from tmkd.data.records import EVERY_COLUMN, Format, Located, Record, Source
from tmkd.data.separated import Dialect
from tmkd.errors import DataError

LABEL, SCORE = "label", "score"
Expanded = Iterator[Record | BadRow]


@dataclass(frozen=True)
class Layout:
    """A format by the fields of its records.

    Attributes:
        name: of ``tmkd.choices.FORMATS``.
        need: fields that every record has.
        known: further fields whose content goes into pairs.
        pairs: turns a record into pairs with the fields ``question``, ``passage``, and where they are known
            ``question_id``, ``passage_id``, ``label`` (True: right; False: wrong; else a class) and ``score``. It
            yields a BadRow for a pair that cannot be used and raises one for a record.
        label: where labels stand, for messages.
        score: where scores stand; "": the format has none.
        graded: as ``pairs``, where labels are to be grades or numbers: ``label`` is one, or True or False where the
            format tells right passages from wrong ones alone; None: it always does.
        fixed: how its files are read, whatever their names end in; None: as their names end.
    """

    name: str
    need: tuple[str, ...]
    known: tuple[str, ...]
    pairs: Callable[[Record, Texts], Expanded]
    label: str
    score: str = ""
    fixed: Format | None = None
    graded: Callable[[Record, Texts], Expanded] | None = None


def open_pairs(
    layout: Layout,
    path: Path,
    texts: Texts,
    *,
    want: str = "",
    dialect: Dialect | None = None,
    advance: Callable[[int], Any] = lambda _: None,
    further: Callable[[str], Any] = lambda _: None,
) -> Source:
    """Return the pairs of a file; several may have the number of one record.

    Args:
        texts: of the queries and documents that ids stand for.
        want: ``LABEL`` or ``SCORE``, which every pair must have.
        dialect, advance: as for ``open_file``.
        further: called with the name of each field of a record that goes into no pair.

    Raises:
        DataError: the first record looks like that of another format, when the records are read.
    """
    raw = open_file(path, (), EVERY_COLUMN, dialect=dialect, fixed=layout.fixed, advance=advance)

    def located() -> Iterator[Located]:
        first = True
        for number, record in raw.records:
            if isinstance(record, BadRow):
                yield number, record
                continue
            try:
                _check_fields(layout, record, first, f"{raw.name}, {raw.unit} {number}")
                first = False
                for name in record:
                    if "*" not in layout.known and name not in layout.need and name not in layout.known:
                        further(name)
                yield from ((number, each) for each in _wanted(layout, record, texts, want))
            except BadRow as bad:
                yield number, bad

    return Source(raw.name, raw.unit, located())


def _check_fields(layout: Layout, record: Record, first: bool, where: str) -> None:
    looks = advice("", list(record), layout.name) if not layout.need and first else ""
    if looks:
        raise DataError(f"{where}: the format {layout.name} goes by the order of columns; {looks}.")
    for name in layout.need:
        if name not in record:
            looks = advice(name, list(record), layout.name)
            told = f"the format {layout.name} needs the field '{name}' but there are only {list(record)}"
            if first and looks:
                raise DataError(f"{where}: {told}; {looks}.")
            raise BadRow(NO_FIELD, f"{told}; {looks or 'add it'}")


def _wanted(layout: Layout, record: Record, texts: Texts, want: str) -> Expanded:
    empty = True
    for found in layout.pairs(record, texts):
        empty = False
        if want and not isinstance(found, BadRow) and found.get(want) is None:
            place = layout.label if want == LABEL else layout.score
            told = f"there is no {want}; the format {layout.name} has it in {place}: fill it in"
            if want == LABEL:
                raise BadRow(NO_FIELD, told)
            found = BadRow(NO_SCORE, told)  # other passages of the record may have one
        yield found
    if empty:
        raise BadRow(NO_TEXT, "there is no passage; give the question one, or remove the row")


def pair(question: str, field: str, passage: Any, **more: Any) -> Record | BadRow:
    """Return a pair whose passage stands in ``field``; what is None in ``more`` is not known."""
    try:
        passage = text({field: passage}, field)
    except BadRow as bad:
        return bad
    return {"question": question, "passage": passage} | {
        name: value for name, value in more.items() if value is not None
    }


def name(record: Record, field: str) -> str | None:
    """Return the id in a field, or None where there is none."""
    return None if record.get(field) in (None, "") else name_of(record, field, "")


def listed(record: Record, field: str, length: int | None = None, beside: str = "") -> list[Any] | None:
    """Return the list in a field, or None for no such field, null and []; tables that are text have it as text.

    Args:
        length: that it must have; the list in ``beside`` has it.
    """
    value = record.get(field)
    if isinstance(value, str):
        value = as_list(value)
    if value is None or value == "" or (isinstance(value, list) and not value):
        return None
    if not isinstance(value, list):
        raise BadRow(NO_FIELD, f"field '{field}' must be a list but is {shown(value)}; put it into one")
    if length is not None and len(value) != length:
        told = f"field '{field}' has {len(value)} entries but '{beside}' has {length}; give each of these one"
        raise BadRow(NO_FIELD, told)
    return value


def as_list(value: str) -> Any:
    """Return the list that a text spells, as JSON or as Python writes it: both are found in tables; else the text."""
    if not value.lstrip().startswith("["):
        return value
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(value)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return value
