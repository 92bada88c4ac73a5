"""What a benchmark asks, what its runs measured, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

BASE = "base"  # the size whose teachers are as large as in practice: another question, with its own place on the page
Case = dict[str, Any]  # what is worked on and how: plain JSON


@dataclass(frozen=True)
class Benchmark:
    """A question, the aim, and the cases of each size."""

    name: str
    question: str
    aim: str
    sizes: Mapping[str, Case]

    def place(self, size: str) -> str:
        """Return the name of the size's markers on the page, and of its JSON file."""
        return f"{self.name}_{BASE}" if size == BASE else self.name


@dataclass(frozen=True)
class Run:
    """One contender's work, done once: what it took, its process tree's peak memory, and what it answered."""

    seconds: float
    peak_bytes: int
    answer: dict[str, Any]


@dataclass
class Outcome:
    """What a benchmark found.

    Attributes:
        measured: the figure that stands beside the aim.
        met: whether the aim is met; None where it was not measured.
        header, rows: the table.
        checked: what was found equal before anything was timed, a sentence each.
        notes: what a reader must know, a sentence each.
    """

    measured: str
    met: bool | None
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    checked: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)
