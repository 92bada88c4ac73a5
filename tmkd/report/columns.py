"""A column of a table: what one task says of the table's rows and claims, kept as JSON beside the table.

A run knows one task. Its column is joined with those of other runs, so each holds all that the table wants of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tmkd.errors import DataError
from tmkd.report.rows import Row, json_safe
from tmkd.significance import paired_bootstrap


@dataclass(frozen=True)
class ClaimTest:
    """How two rows differ on one task, by ``paired_bootstrap`` over its questions; fractions, not percents."""

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
        metric: what the task is judged by: "map" or "accuracy".
        questions, pairs: how many were evaluated.
        encoders, machine: what teachers and students are and how they learn, and what timed them, in words.
        ensemble: the teacher ensemble's metric, a fraction.
        rows: by the label of the table's row.
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
    ensemble: float
    rows: dict[str, Row]
    tests: list[ClaimTest]

    def mean(self, label: str) -> float | None:
        """Return a row's metric, the mean over its seeds; None where this column lacks the row."""
        return self.rows[label].mean(self.metric) if label in self.rows else None

    def kept(self, label: str) -> float | None:
        """Return a row's share of the teacher ensemble's metric; None where this column lacks the row."""
        mean = self.mean(label)
        return None if mean is None or not self.ensemble else mean / self.ensemble

    def agreeing(self, test: ClaimTest) -> tuple[int, int]:
        """Return in how many seeds the better row's metric is the higher one, and how many seeds there are.

        The claim's p-value does not see the choice of seeds; this does, roughly. One seed meets all of the other row.
        """
        better, worse = (self.rows[label].metrics[self.metric]["values"] for label in (test.better, test.worse))
        higher = np.array(better) > np.array(worse)
        return int(higher.sum()), len(higher)

    def to_json(self) -> dict[str, Any]:
        return json_safe(asdict(self))

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Column:
        """Return the column that ``to_json`` gave (KeyError, TypeError: it is none)."""
        rows = {label: Row(**row) for label, row in found["rows"].items()}
        return cls(**{**found, "rows": rows, "tests": [ClaimTest(**test) for test in found["tests"]]})


def claim_tests(
    claims: Iterable[Sequence[str]], rows: Mapping[str, Row], values: Mapping[str, np.ndarray]
) -> list[ClaimTest]:
    """Test each claim, a pair of labels (better, worse).

    Args:
        rows, values: by label; values are the main metric of each question [seeds, questions].

    Raises:
        DataError: two rows with several seeds each, but not the same; or as ``paired_bootstrap``.
    """
    tests = []
    for better, worse in claims:
        seeds = rows[better].seeds, rows[worse].seeds
        if min(map(len, seeds)) > 1 and seeds[0] != seeds[1]:
            raise DataError(
                f"Claim '{better} > {worse}': expected rows of the same seeds, or one of a single seed, but found "
                f"{seeds[0]} and {seeds[1]}; give both arms the same student.seeds."
            )
        tests.append(ClaimTest(better, worse, **asdict(paired_bootstrap(values[better], values[worse]))))
    return tests
