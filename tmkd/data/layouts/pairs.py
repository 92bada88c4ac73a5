"""A pair on its way from one format to another, and what the other one cannot hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from tmkd.data.schema import pair_id

WITHOUT_LABEL = "pairs without a label"
REPEATED = "pairs that came before"
OTHER_TEXT = "pairs with an id that another text has"


@dataclass(frozen=True)
class Pair:
    """A pair with all that is known of it.

    Attributes:
        label: True: right; False: wrong; a grade; another class by its name; None: unknown.
        score: one number, a list with one for each class, or None.
    """

    question: str
    passage: str
    question_id: str | None = None
    passage_id: str | None = None
    label: Any = None
    score: float | list[float] | None = None

    @property
    def query_id(self) -> str:
        """The question's id, or one made from its text."""
        return self.question_id or pair_id(self.question, "")

    @property
    def document_id(self) -> str:
        """The passage's id, or one made from its text."""
        return self.passage_id or pair_id("", self.passage)


@dataclass
class Losses:
    """What a conversion could not carry.

    Attributes:
        pairs: that were written.
        left_out: pairs that were not, by the reason.
        lost: parts of pairs, by what they are.
    """

    pairs: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)


def once(pairs: Iterable[Pair], losses: Losses) -> Iterator[Pair]:
    """Yield the first of equal pairs of each question whose pairs stand one after the other; the others are counted.

    Triples have a question's right passage beside each of its wrong ones.
    """
    for _, group in groupby(pairs, key=_question):
        seen: set[tuple[str, str]] = set()
        for pair in group:
            known = (pair.passage, repr((pair.passage_id, pair.label, pair.score)))
            if known in seen:
                losses.left_out[REPEATED] += 1
            else:
                seen.add(known)
                yield pair


def labelled(pairs: Iterable[Pair], losses: Losses) -> Iterator[Pair]:
    """Yield the pairs that have a label; the others are counted."""
    for pair in pairs:
        if pair.label is None:
            losses.left_out[WITHOUT_LABEL] += 1
        else:
            yield pair


def by_question(pairs: Iterable[Pair]) -> Iterator[list[Pair]]:
    """Yield the pairs of each question that stand one after the other."""
    for _, group in groupby(pairs, key=_question):
        yield list(group)


def _question(pair: Pair) -> tuple[str | None, str]:
    return pair.question_id, pair.question


def one_score(group: list[Pair], losses: Losses) -> bool:
    """Return whether each pair of a group has a score that is one number; else those that are there are counted."""
    if all(isinstance(pair.score, float) for pair in group):
        return True
    losses.lost["scores"] += sum(pair.score is not None for pair in group)
    return False
