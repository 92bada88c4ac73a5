"""Which candidate to take: the best within a budget, those that are not told apart from it, and who is dominated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tmkd.evaluation.significance import interval
from tmkd.use.budget import Budget
from tmkd.use.candidate import Candidate


@dataclass(frozen=True)
class Timed:
    """A candidate and its time.

    Attributes:
        median, p95: seconds of a request: what half of the requests and 95 % of them take at most.
        requests: how many were timed.
    """

    candidate: Candidate
    median: float
    p95: float
    requests: int

    @classmethod
    def of(cls, candidate: Candidate, seconds: Sequence[float]) -> Timed:
        """Return the time of a candidate whose requests took so many seconds each."""
        median, p95 = np.quantile(seconds, (0.5, 0.95)).tolist()
        return cls(candidate, median, p95, len(seconds))


@dataclass(frozen=True)
class Measured(Timed):
    """A candidate, its time and how good it is.

    Attributes:
        values: [questions] of validation, whose mean is the metric; those of all candidates in the same order.
        low, high: 95 % interval of the metric over questions.
        parameters: that answer; None where it is not known (of a graph).
    """

    values: np.ndarray
    low: float
    high: float
    parameters: int | None

    @property
    def value(self) -> float:
        return float(self.values.mean())


@dataclass(frozen=True)
class Choice:
    """What was chosen, by places in a list of candidates.

    Attributes:
        best: the best metric of those within the budget, of equals the fastest; None: none is within it.
        alike: others within the budget that are not told apart from the best: the 95 % interval of the difference,
            over the same questions, has zero in it.
        fastest_alike: the fastest of these and the best.
        fastest: of all, within the budget or not.
    """

    best: int | None
    alike: list[int]
    fastest_alike: int | None
    fastest: int


def choose(found: Sequence[Measured], budget: Budget) -> Choice:
    """Return the choice among candidates, of which there is one at least."""
    fastest = min(range(len(found)), key=lambda at: (found[at].p95, -found[at].value))
    within = [at for at, each in enumerate(found) if each.p95 <= budget.seconds]
    if not within:
        return Choice(None, [], None, fastest)
    best = min(within, key=lambda at: (-found[at].value, found[at].p95))
    alike = [at for at in within if at != best and not _told_apart(found[best].values, found[at].values)]
    return Choice(best, alike, min([best, *alike], key=lambda at: (found[at].p95, -found[at].value)), fastest)


def _told_apart(one: np.ndarray, other: np.ndarray) -> bool:
    differences = one - other
    if not differences.any():
        return False
    low, high = interval(differences)
    return not low <= 0 <= high


def dominating(found: Sequence[Measured]) -> list[int | None]:
    """Return for each candidate the best one that is no slower and no worse, and better in one of the two; or None.

    Time is p95. A candidate that nobody dominates is on the Pareto front.
    """
    chosen: list[int | None] = []
    for one in found:
        over = [
            at
            for at, other in enumerate(found)
            if other.p95 <= one.p95 and other.value >= one.value and (other.p95 < one.p95 or other.value > one.value)
        ]
        chosen.append(min(over, key=lambda at: (-found[at].value, found[at].p95)) if over else None)
    return chosen


@dataclass(frozen=True)
class Fitting:
    """What the fastest candidate would do within the budget, if its time grew with what it reads.

    Attributes:
        passages: of one question; 0: not even one.
        max_length: tokens of a pair, of as many passages as asked for; None: too few to be worth a try.
    """

    passages: int
    max_length: int | None


def would_fit(fastest: Timed, budget: Budget, shortest: int) -> Fitting:
    """Return an estimate by proportion; ``shortest`` is how few tokens a pair may have."""
    share = budget.seconds / fastest.p95
    tokens = int(fastest.candidate.max_length * share)
    return Fitting(int(budget.passages * share), tokens if tokens >= shortest else None)
