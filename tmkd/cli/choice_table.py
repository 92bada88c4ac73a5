"""What ``tmkd choose`` answers: a table of candidates and the choice in sentences, or all of it as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tmkd.cli.tables import console, table
from tmkd.export.exported import SHORTEST
from tmkd.measures import title
from tmkd.use.budget import Budget, milliseconds
from tmkd.use.choice import Choice, Measured, Timed, would_fit
from tmkd.use.judging import Judge

NAMED = 8  # candidates in a sentence; the table marks all
RIGHT = (0, 2, 3, 5, 6, 7, 8, 10)  # columns of numbers


@dataclass(frozen=True)
class Answer:
    """The candidates in the order of the table, and what was chosen of them.

    Attributes:
        over: which one dominates each, if any.
        commands: by which the choice is used.
        notes: sentences between the table and the choice.
    """

    budget: Budget
    judge: Judge
    found: Sequence[Measured]
    choice: Choice
    over: Sequence[int | None]
    commands: Sequence[str]
    notes: Sequence[str] = ()

    def show(self) -> None:
        """Print the table and the sentences."""
        name = title(self.judge.metric)
        header = ("", "model", "tokens", "exit", "runs as", "threads", "p95", "median", name)
        rows = [self._row(at) for at in range(len(self.found))]
        console().print(table((*header, "95 % interval", "parameters", ""), rows, right=RIGHT))
        drawn = "" if self.judge.sample is None else f" ({self.judge.sample} questions drawn from it)"
        pairs, passages = len(self.judge.rows), self.budget.passages
        print(f"\n{name} is of {pairs:,} pairs of validation{drawn}, times are of requests with {passages} passages.")
        print(*self.notes, *self._sentences(name), sep="\n")

    def _row(self, at: int) -> list[str]:
        each = self.found[at]
        own, over = each.candidate, self.over[at]
        notes = {
            "TAKE": at == self.choice.best,
            "not told apart": at in self.choice.alike,
            "too slow": each.p95 > self.budget.seconds,
            f"dominated by {0 if over is None else over + 1}": over is not None,
        }
        return [
            f"{at + 1}",
            own.model.name,
            f"{own.max_length}",
            "" if own.exit_at is None else f"{own.exit_at}",
            own.runs_as,
            f"{own.threads}",
            milliseconds(each.p95),
            milliseconds(each.median),
            f"{each.value:.4f}",
            f"{each.low:.3f} to {each.high:.3f}",
            "" if each.parameters is None else _millions(each.parameters),
            ", ".join(note for note, there in notes.items() if there),
        ]

    def _sentences(self, name: str) -> list[str]:
        choice, budget = self.choice, self.budget
        if choice.best is None:
            none = f"None of them is within {budget}; the fastest is {choice.fastest + 1}."
            return [none, proportion(self.found[choice.fastest], budget)]
        best, fastest = self.found[choice.best], choice.fastest_alike or 0
        said = [
            f"Take {choice.best + 1}: {name} {best.value:.4f}, and 95 % of requests take no more than "
            f"{milliseconds(best.p95)}, within {budget}."
        ]
        if choice.alike:
            alike = choice.alike
            places = ", ".join(f"{at + 1}" for at in alike) if len(alike) <= NAMED else f"{len(alike)} others"
            said.append(
                f"Not told apart from it: {places}; the fastest of these and {choice.best + 1} is {fastest + 1}."
            )
        return [*said, "To use it:", *(f"  {command}" for command in self.commands)]

    def json(self) -> dict[str, Any]:
        """Return everything, JSON-able; places are those in ``candidates``, from 0."""
        choice, budget = self.choice, self.budget
        fit = would_fit(self.found[choice.fastest], budget, SHORTEST) if choice.best is None else None
        return {
            "within": {"ms": 1000 * budget.seconds, "passages": budget.passages},
            "metric": self.judge.metric,
            "pairs": len(self.judge.rows),
            "sample": self.judge.sample,
            "candidates": [self._facts(at) for at in range(len(self.found))],
            "take": choice.best,
            "not_told_apart": choice.alike,
            "fastest_not_told_apart": choice.fastest_alike,
            "fastest": choice.fastest,
            "would_fit": None if fit is None else {"passages": fit.passages, "max_length": fit.max_length},
            "commands": list(self.commands),
        }

    def _facts(self, at: int) -> dict[str, Any]:
        each = self.found[at]
        own = each.candidate
        return {
            "model": own.model.name,
            "max_length": own.max_length,
            "exit_at": own.exit_at,
            "backend": own.backend,
            "form": own.form,
            "precision": own.precision,
            "threads": own.threads,
            "p95_ms": 1000 * each.p95,
            "median_ms": 1000 * each.median,
            "requests": each.requests,
            "value": each.value,
            "low": each.low,
            "high": each.high,
            "parameters": each.parameters,
            "within": each.p95 <= self.budget.seconds,
            "dominated_by": self.over[at],
        }


def proportion(fastest: Timed, budget: Budget) -> str:
    """Return what the fastest candidate, which is too slow, would do in time."""
    fit = would_fit(fastest, budget, SHORTEST)
    ways = [f"{fit.passages} passage{'s' * (fit.passages != 1)}"] if fit.passages else []
    ways += [f"{fit.max_length} tokens a pair"] if fit.max_length else []
    if not ways:
        return "By proportion not even one passage would be in time; train a student with fewer layers."
    return f"By proportion it would be with about {' or about '.join(ways)}."


def _millions(parameters: int) -> str:
    return f"{parameters / 1e6:,.1f} M" if parameters >= 100_000 else f"{parameters:,}"
