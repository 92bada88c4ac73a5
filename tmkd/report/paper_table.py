"""A table of the paper beside ours: its rows and claims, and the columns of the tasks that have been run.

The cells of the paper are in %, as it prints them; ours are fractions until they are printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tmkd.choices import DATA_SETS
from tmkd.report.task_column import Column


@dataclass(frozen=True)
class PaperRow:
    """A row: our arm, the paper's numbers (by data set in %, ``QPS``, ``PARAMETERS``), its place on the axis."""

    arm: str
    paper: dict[str, float] = field(default_factory=dict)
    x: float | None = None


@dataclass(frozen=True)
class Claim:
    """One row is better than another, on some of the paper's data sets (empty: on all)."""

    better: str
    worse: str
    where: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class PaperTable:
    """What a table shows, whatever has been run: rows by label, in order; ``axis`` names their x in the figure."""

    title: str
    source: str
    axis: str | None
    rows: dict[str, PaperRow]
    claims: list[Claim]

    def paper(self, label: str, what: str | None) -> float | None:
        """Return the paper's number for a row: on a data set, or ``QPS`` or ``PARAMETERS``; None where it has none."""
        row = self.rows.get(label)
        return None if row is None or what is None else row.paper.get(what)

    @property
    def beside(self) -> bool:
        """Whether the paper has results for any row; our own tables stand alone."""
        return any(set(row.paper) & set(DATA_SETS) for row in self.rows.values())


def in_order(columns: Sequence[Column]) -> list[Column]:
    """Return columns as the paper orders its data sets; those of no data set last, and equals by name."""
    order = {name: place for place, name in enumerate(DATA_SETS)}
    return sorted(columns, key=lambda column: (order.get(column.paper or "", len(order)), column.task))
