"""What ``tmkd choose --train`` says of the students that were asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tmkd.cli.choice_table import proportion
from tmkd.store.artifacts import Artifact
from tmkd.use.budget import Budget, milliseconds
from tmkd.use.candidate import Model
from tmkd.use.choice import Timed


@dataclass(frozen=True)
class Trained:
    """What came of the students that were asked for.

    Attributes:
        task: that they learn.
        models: to choose among: those that were named, or all of the task, and the students.
        students: settings and arm of each student, by name.
        left_out: settings of those that are never within the budget, each with the fastest way to run it.
    """

    task: Artifact
    models: list[Model]
    students: dict[str, str]
    left_out: list[tuple[str, Timed]]
    budget: Budget

    def sentences(self) -> list[str]:
        """Return which students they are, and why others were not trained."""
        told = [f"{name}: {what}." for name, what in self.students.items()]
        return [*told, *(left_out(settings, best, self.budget) for settings, best in self.left_out)]

    def nothing(self) -> list[str]:
        """Return what there is to say where there is nothing to choose among: all of them are too slow."""
        best = min((best for _, best in self.left_out), key=lambda each: each.p95)
        return [*self.sentences(), "There is no other student to choose.", proportion(best, self.budget)]

    def json(self) -> dict[str, Any]:
        """Return it, JSON-able."""
        return {
            "students": self.students,
            "left_out": [
                {"settings": settings, "p95_ms": 1000 * best.p95, "runs_as": str(best.candidate)}
                for settings, best in self.left_out
            ],
        }


def left_out(settings: str, best: Timed, budget: Budget) -> str:
    """Return why a student is not trained."""
    took = milliseconds(best.p95)
    return f"{settings}: not trained, as p95 would be {took} at best ({best.candidate}), above {budget}."
