"""Pairs without an answer, divided into requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass(frozen=True)
class Request:
    """Passages of one question that are asked for together, and the ids of the pairs."""

    question: str
    passages: tuple[str, ...]
    ids: tuple[str, ...]

    def halves(self) -> tuple[Request, Request]:
        middle = len(self.ids) // 2
        return (
            Request(self.question, self.passages[:middle], self.ids[:middle]),
            Request(self.question, self.passages[middle:], self.ids[middle:]),
        )


def requests_of(rows: Dataset, known: Mapping[str, float], together: int) -> list[Request]:
    """Return what is to be asked: each pair that is not known once, by question, ``together`` pairs a request."""
    questions: dict[str, dict[str, str]] = {}
    for pair, question, passage in zip(rows["id"], rows["question"], rows["passage"]):
        if pair not in known:
            questions.setdefault(question, {})[pair] = passage
    requests = []
    for question, passages in questions.items():
        ids = list(passages)
        for start in range(0, len(ids), together):
            part = tuple(ids[start : start + together])
            requests.append(Request(question, tuple(passages[pair] for pair in part), part))
    return requests
