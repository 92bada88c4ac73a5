"""What stands in a field of a record: a text, a question's id, any value; else a BadRow."""

from __future__ import annotations

import unicodedata
from typing import Any

from tmkd.data.bad_rows import NO_FIELD, NO_TEXT, UTF8, BadRow
from tmkd.data.records import Record, missing
from tmkd.data.schema import pair_id
from tmkd.spelling import as_text

QUESTION_ID = "question_id"
UNSEEN = {"Cc", "Cf", "Mn", "Me", "Zs", "Zl", "Zp"}  # Unicode's categories of what leaves no mark by itself
BLANK = set("\u115f\u1160\u2800\u3164\uffa0")  # letters and symbols that are spaces


def text(record: Record, column: str) -> str:
    """Return the text in a column, without space around it, or raise BadRow."""
    value = value_of(record, column)
    # JSON can spell half a character ("\\ud800"), which no encoder takes.
    if not isinstance(value, str) or not visible(value) or value.encode(errors="ignore").decode() != value:
        raise BadRow(NO_TEXT, f"field '{column}' must be text but is {shown(value)}; {_remedy(value)}")
    return value.strip()


def _remedy(value: Any) -> str:
    if isinstance(value, (list, dict)):
        return "a row is one question and one passage, each a text: write a row for each"
    return "fill it in or remove the row" if value is None or isinstance(value, str) else "write it as text"


def visible(text: str) -> bool:
    """Whether there is anything to see: no encoder learns from zero-width spaces and direction marks alone."""
    return any(unicodedata.category(each) not in UNSEEN and each not in BLANK for each in text)


def needed_ids(column: str) -> tuple[str, ...]:
    """Return the column of ids if it must be there: where it has a name of its own, which may be misspelt."""
    return () if column in ("", QUESTION_ID) else (column,)


def name_of(record: Record, column: str, question: str) -> str:
    """Return what tells a question apart: its id in ``column``, or else a name made from its text."""
    if not column or (column not in record and not needed_ids(column)):
        return pair_id(question, "")
    return short_text(record, column)


def short_text(record: Record, column: str) -> str:
    """Return the text or the number in a column, as text: an id, a source's name; or raise BadRow."""
    name = value_of(record, column)
    # 7.0 is what a column of integers has where one is missing; and NaN is no id
    number = None if isinstance(name, str) or name != name else as_text(name)
    return text(record, column) if number is None else number


def value_of(record: Record, column: str) -> Any:
    """Return what is in a column, or raise BadRow; bytes, as Parquet files may have them, are text."""
    if column not in record:
        raise BadRow(NO_FIELD, missing(column, record))
    value = record[column]
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        byte = value[error.start]
        message = f"field '{column}' must be UTF-8 but has the byte 0x{byte:02x}; write the file from text"
        raise BadRow(UTF8, message) from None


def shown(value: Any) -> str:
    """Return a value as messages have it: invisible characters by their numbers, and not all of a long text."""
    text = ascii(value) if isinstance(value, str) and not visible(value) else repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
