"""What the paper claims, and whether it holds here: Holm's correction over all claims and tasks of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tmkd.evaluation.significance import holm
from tmkd.report.paper_table import PaperTable
from tmkd.report.task_column import ClaimTest, Column

LEVEL = 0.05
HOLDS, REVERSED, UNDECIDED, SAME = "holds", "reversed", "not decided", "one run"


@dataclass(frozen=True)
class Verdict:
    """A claim on one task.

    Attributes:
        p_holm: adjusted for all claims of the table, on all its tasks; None where its two rows are one run, as all
            kinds of targets are with a single teacher: nothing is compared, and no other claim pays for it.
        ours: ``HOLDS`` or ``REVERSED`` where p_holm is below ``LEVEL``, else ``UNDECIDED``; ``SAME`` for one run.
        paper: whether the paper's own numbers bear the claim out on this data set; None where it has none.
    """

    column: Column
    test: ClaimTest
    p_holm: float | None
    ours: str
    paper: bool | None

    @property
    def seeds(self) -> tuple[int, int] | None:
        """Return in how many seeds the claim's better row is the higher, and how many there are.

        None for one run, and for rows with other seeds.
        """
        return None if self.p_holm is None else self.column.agreeing(self.test)


def judge(table: PaperTable, columns: Sequence[Column]) -> list[Verdict]:
    """Return a verdict for each claim of the table and each column that has both its rows, claim by claim."""
    found = []
    for claim in table.claims:
        for column in columns:
            if claim.where and column.paper not in claim.where:
                continue
            tests = [test for test in column.tests if (test.better, test.worse) == (claim.better, claim.worse)]
            found += [(column, test) for test in tests]
    compared = [column.rows[test.better].artifacts != column.rows[test.worse].artifacts for column, test in found]
    adjusted = iter(holm([test.p_value for (_, test), two in zip(found, compared) if two]))
    verdicts = []
    for (column, test), two in zip(found, compared):
        p_holm = next(adjusted) if two else None
        verdicts.append(
            Verdict(column, test, p_holm, _verdict(test.difference, p_holm), _in_paper(table, column, test))
        )
    return verdicts


def _verdict(difference: float, p_holm: float | None) -> str:
    if p_holm is None:
        return SAME
    if p_holm >= LEVEL or difference == 0:
        return UNDECIDED
    return HOLDS if difference > 0 else REVERSED


def _in_paper(table: PaperTable, column: Column, test: ClaimTest) -> bool | None:
    better, worse = table.paper(test.better, column.paper), table.paper(test.worse, column.paper)
    return None if better is None or worse is None else better > worse
