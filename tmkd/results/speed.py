"""How fast a classifier scores, measured once for each architecture and machine and kept like any other result."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from tmkd.results.classifier import Classifier
from tmkd.results.context import RunContext
from tmkd.results.costs import scoring
from tmkd.results.exits import DEEPEST, Predictor, answer
from tmkd.results.node import Result, merged, outside, unless
from tmkd.results.rows import Rows
from tmkd.results.trained import load_classifier
from tmkd.results.work import Work

TIMED_PAIRS = 1024
TIMED_PASSES = 4  # three, after one to warm up


@dataclass(frozen=True, eq=False)
class Speed(Result):
    """The pairs a second that a classifier, or a part of it, scores here, padding and batching included.

    Attributes:
        architecture: what the speed depends on.
        classifier: whose weights it depends on: who leaves early is a matter of these.
        of: a classifier of the architecture.
    """

    kind: ClassVar[str] = "speed"
    alone: ClassVar[bool] = True

    architecture: Mapping[str, Any]
    rows: Rows
    machine: Mapping[str, Any]
    predictor: Predictor = merged()
    of: Classifier = outside()
    classifier: Classifier | None = unless(None)

    @classmethod
    def measured(cls, context: RunContext, classifier: Classifier, predictor: Predictor = DEEPEST) -> Speed:
        """Return the speed of a classifier on the test split, on this machine."""
        classifier = classifier.trained
        rows = classifier.own_task.rows("test")
        own = classifier if predictor.threshold is not None else None
        assert classifier.timed_as is not None
        return cls(classifier.timed_as, rows, machine(context), predictor, classifier, own)

    @property
    def what(self) -> str:
        return "speed"

    def needs(self) -> list[Result]:
        return [*super().needs(), self.of]

    def make(self, context: RunContext, work: Path) -> dict[str, Any]:
        from tmkd.training.predict import pairs_per_second

        model = load_classifier(self.of.build(context), context)
        tokens = self.rows.read_by(context, model)
        tokens = tokens.select(range(min(TIMED_PAIRS, len(tokens))))
        fast = pairs_per_second(model, tokens, context.runtime, answer=answer(model, self.predictor))
        return {"pairs_per_second": fast}

    def cost(self, context: RunContext) -> list[Work]:
        pairs = self.rows.owner.build(context).details["pairs"]["test"]
        return [scoring(context, self.of.member(context), self.rows, TIMED_PASSES * min(1.0, TIMED_PAIRS / pairs))]


def machine(context: RunContext) -> dict[str, Any]:
    """Return what a speed holds for: this machine, and the runtime settings as they are resolved on it.

    Not what was asked for: a GPU may come to a host, and "auto" would still find the CPU's speed.
    """
    runtime = context.runtime
    return {
        "system": platform.platform(),
        "cores": os.cpu_count(),
        **runtime.machine(),
        "attention": runtime.attention or "the library's choice",
        "score_batch": runtime.score_batch,
    }
