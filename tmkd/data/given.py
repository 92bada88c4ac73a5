"""Texts that a program hands over: whether they are lists of texts, and as many of one as of the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tmkd.errors import DataError


def check_texts(questions: Sequence[str], passages: Sequence[str]) -> None:
    """Raise DataError for what is no list of texts, and for lists of unequal length."""
    for name, texts in (("questions", questions), ("passages", passages)):
        if isinstance(texts, str):
            raise DataError(f"{name}: expected a list of texts, got one text; put it in a list.")
        for place, text in enumerate(texts):
            if not isinstance(text, str):
                raise DataError(f"{name}[{place}]: expected a text, got {type(text).__name__} ({text!r:.40}).")
    if len(questions) != len(passages):
        raise DataError(
            f"Expected a passage for each question, got {len(questions)} questions and {len(passages)} passages; "
            "repeat a question for each of its passages, or call rank."
        )


def check_pairs(pairs: Sequence[Any]) -> None:
    """Raise DataError for what is no pair; whether it is one of texts is for ``check_texts``."""
    for place, pair in enumerate(pairs):
        if isinstance(pair, str) or len(pair) != 2:
            raise DataError(f"pairs[{place}]: expected a question and a passage, got {pair!r:.60}.")


def check_query(query: Any) -> None:
    """Raise DataError for a question that is no text."""
    if not isinstance(query, str):
        raise DataError(f"query: expected a text, got {type(query).__name__} ({query!r:.40}).")
