"""Texts and numbers that a program hands over: whether they are lists of texts, as many of one as of the other."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import Any

from tmkd.errors import DataError

HALF = "half a character, a lone surrogate"


def list_of_texts(name: str, texts: Iterable[str]) -> list[str]:
    """Return texts as a list: a generator can be read only once, and a column of pandas has numbers of its own.

    Raises:
        DataError: it is one text, or something among them is none.
    """
    if isinstance(texts, str):
        raise DataError(f"{name}: expected a list of texts, got one text; put it in a list.")
    found = list(texts)
    for place, text in enumerate(found):
        if not isinstance(text, str):
            raise DataError(f"{name}[{place}]: expected a text, got {type(text).__name__} ({text!r:.40}).")
        if half_a_character(text):
            raise DataError(f"{name}[{place}]: expected a text, got one with {HALF} ({text!a:.40}); mend it.")
    return found


def half_a_character(text: str) -> bool:
    """Whether a text has one, which no encoder takes: JSON can spell it ("\\ud83d"), where an emoji was cut in two."""
    return not text.isascii() and text.encode(errors="ignore").decode() != text


def lists_of_texts(questions: Iterable[str], passages: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return both as lists (DataError: as ``list_of_texts``, or their lengths are not the same)."""
    first, second = list_of_texts("questions", questions), list_of_texts("passages", passages)
    if len(first) != len(second):
        raise DataError(
            f"Expected a passage for each question, got {len(first)} questions and {len(second)} passages; "
            "repeat a question for each of its passages, or call rank."
        )
    return first, second


def list_of_pairs(pairs: Iterable[Any]) -> list[Any]:
    """Return pairs as a list (DataError: one is no pair); whether it is one of texts is for ``lists_of_texts``."""
    found = list(pairs)
    for place, pair in enumerate(found):
        if isinstance(pair, (str, dict)) or not hasattr(pair, "__len__") or len(pair) != 2:
            raise DataError(f"pairs[{place}]: expected a question and a passage, got {pair!r:.60}.")
    return found


def check_query(query: Any) -> None:
    """Raise DataError for a question that is no text."""
    if not isinstance(query, str):
        raise DataError(f"query: expected a text, got {type(query).__name__} ({query!r:.40}).")
    if half_a_character(query):
        raise DataError(f"query: expected a text, got one with {HALF} ({query!a:.40}); mend it.")


def check_count(name: str, count: Any, least: int, otherwise: str) -> None:
    """Raise DataError for what is no whole number from ``least``; None stands for ``otherwise``."""
    if count is not None and not (isinstance(count, Integral) and int(count) >= least):
        raise DataError(f"{name}: expected {least} or more, a whole number, or None for {otherwise}, got {count!r}.")
