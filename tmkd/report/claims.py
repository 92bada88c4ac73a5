"""What the paper claims, and whether it holds here: Holm's correction over all claims and tasks of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tmkd.report.columns import ClaimTest, Column
from tmkd.report.paper_table import PaperTable
from tmkd.significance import holm

LEVEL = 0.05
HOLDS, REVERSED, UNDECIDED = "holds", "reversed", "not decided"


@dataclass(frozen=True)
class Verdict:
    """A claim on one task.

    Attributes:
        p_holm: adjusted for all claims of the table, on all its tasks.
        ours: ``HOLDS`` or ``REVERSED`` where p_holm is below ``LEVEL``, else ``UNDECIDED``.
        paper: whether the paper's own numbers bear the claim out on this data set; None where it has none.
    """

    column: Column
    test: ClaimTest
    p_holm: float
    ours: str
    paper: bool | None


def judge(table: PaperTable, columns: Sequence[Column]) -> list[Verdict]:
    """Return a verdict for each claim of the table and each column that has both its rows, claim by claim."""
    found = []
    for claim in table.claims:
        for column in columns:
            if claim.where and column.paper not in claim.where:
                continue
            tests = [test for test in column.tests if (test.better, test.worse) == (claim.better, claim.worse)]
            found += [(column, test) for test in tests]
    adjusted = holm([test.p_value for _, test in found])
    return [
        Verdict(column, test, p_holm, _verdict(test.difference, p_holm), _in_paper(table, column, test))
        for (column, test), p_holm in zip(found, adjusted, strict=True)
    ]


def _verdict(difference: float, p_holm: float) -> str:
    if p_holm >= LEVEL or difference == 0:
        return UNDECIDED
    return HOLDS if difference > 0 else REVERSED


def _in_paper(table: PaperTable, column: Column, test: ClaimTest) -> bool | None:
    better, worse = table.paper(test.better, column.paper), table.paper(test.worse, column.paper)
    return None if better is None or worse is None else better > worse
