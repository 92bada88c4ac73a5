"""A column of a table: what one task says of the table's rows and claims, kept as JSON beside the table.

A run knows one task. Its column is joined with those of other runs, so each holds all that the table wants of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tmkd.evaluation.significance import crossed_bootstrap
from tmkd.report.rows import CHANCE, Row, json_safe


@dataclass(frozen=True)
class ClaimTest:
    """How two rows differ on one task, by ``crossed_bootstrap`` over questions and seeds; fractions, not percents."""

    better: str
    worse: str
    difference: float
    p_value: float
    low: float
    high: float


@dataclass(frozen=True)
class Column:
    """One task's part of a table.

    Attributes:
        task, fingerprint: name of the data, and checksum of it.
        paper: the paper's data set that it is or stands in for, if any.
        stands_in: it is not that data set itself.
        metric: what the task is judged by: a name of ``tmkd.measures``.
        questions, pairs: how many were evaluated.
        encoders, machine: what teachers and students are and how they learn, and what timed them, in words.
        rows: by the label of the table's row; and ``CHANCE``.
        tests: of the table's claims.
    """

    task: str
    fingerprint: str
    paper: str | None
    stands_in: bool
    metric: str
    questions: int
    pairs: int
    encoders: str
    machine: str
    rows: dict[str, Row]
    tests: list[ClaimTest]

    def mean(self, label: str) -> float | None:
        """Return a row's metric, the mean over its seeds; None where this column lacks the row."""
        return self.rows[label].mean(self.metric) if label in self.rows else None

    def agreeing(self, test: ClaimTest) -> tuple[int, int] | None:
        """Return in how many seeds the better row's metric is the higher one, and how many seeds there are.

        One seed meets all of the other row; of two rows with other seeds (None), none meets another.
        """
        rows = self.rows[test.better], self.rows[test.worse]
        if rows[0].seeds != rows[1].seeds and min(len(row.seeds) for row in rows) > 1:
            return None
        better, worse = (row.metrics[self.metric]["values"] for row in rows)
        higher = np.array(better) > np.array(worse)
        return int(higher.sum()), len(higher)

    def to_json(self) -> dict[str, Any]:
        safe: dict[str, Any] = json_safe(asdict(self))
        return safe

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Column:
        """Return the column that ``to_json`` gave (KeyError, TypeError: it is none)."""
        rows = {label: Row(**row) for label, row in found["rows"].items()}
        rows[CHANCE]  # columns of earlier versions lack it
        return cls(**{**found, "rows": rows, "tests": [ClaimTest(**test) for test in found["tests"]]})


def claim_tests(
    claims: Iterable[Sequence[str]], rows: Mapping[str, Row], values: Mapping[str, np.ndarray]
) -> list[ClaimTest]:
    """Test each claim, a pair of labels (better, worse).

    Args:
        rows, values: by label; values are the main metric of each question [seeds, questions].

    Raises:
        DataError: as ``crossed_bootstrap``.
    """
    return [
        ClaimTest(
            better,
            worse,
            **asdict(crossed_bootstrap(values[better], values[worse], rows[better].seeds == rows[worse].seeds)),
        )
        for better, worse in claims
    ]
