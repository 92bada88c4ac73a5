"""Rows of a file of scores that give no pair a score: counted, and named by the first of each kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tmkd.data.bad_rows import NO_SCORE, NO_TEXT

TWO_SCORES = "two scores"
# What is counted of each kind, and what it is; rows of other kinds cannot be read at all.
KINDS = {
    NO_SCORE: ("row", "without a score"),
    NO_TEXT: ("row", "without a text"),
    TWO_SCORES: ("pair", "with two different scores"),
}


class Strange(NamedTuple):
    """All of a kind.

    Attributes:
        kind: a name in ``KINDS``.
        number: of rows, or of pairs.
        first: its file and row, and what is wrong with it, without a full stop.
    """

    kind: str
    number: int
    first: str

    @property
    def told(self) -> str:
        unit, words = KINDS[self.kind]
        return f"{self.number} {unit}{'' if self.number == 1 else 's'} {words}"


def refusal(found: Sequence[Strange], whole: bool) -> str:
    """Return the sentence that ends a run.

    Args:
        whole: whether all rows were looked at, so that their number is known.
    """
    in_all = f"in all: {', '.join(each.told for each in found)}; " if whole else ""
    return f"{found[0].first} ({in_all}teachers.missing=skip or average leaves them out)."


def warning(found: Sequence[Strange]) -> str:
    """Return what the log says where they are left out."""
    return f"left out are {'; '.join(f'{each.told} (the first is {each.first})' for each in found)}"
