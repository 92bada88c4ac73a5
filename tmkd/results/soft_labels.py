"""Teachers' logits, computed once a teacher and set of pairs and shared by every run that learns from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from tmkd.distributed import Processes
from tmkd.results.classifier import Classifier
from tmkd.results.context import RunContext
from tmkd.results.node import Result, unless
from tmkd.results.rows import Rows
from tmkd.results.work import Work
from tmkd.store.artifacts import Artifact


@dataclass(frozen=True, eq=False)
class SoftLabels(Result):
    """The logits of one teacher on one split: train or the corpus.

    Attributes:
        teacher: of the roster, or a student that teaches the next one.
        heads: how its heads make one answer, where it has several.
    """

    kind: ClassVar[str] = "soft_labels"

    teacher: Classifier
    rows: Rows
    heads: str | None = unless(None)

    @classmethod
    def of(cls, teacher: Classifier, rows: Rows) -> SoftLabels:
        return cls(teacher, rows, "probabilities" if teacher.averages_heads else None)

    @property
    def what(self) -> str:
        return f"soft labels of {self.teacher.what} on {self.rows.split}"

    def together(self, context: RunContext) -> Processes | None:
        """Return the processes that score together; Ray has workers of its own, which one process directs."""
        return context.processes if self.teacher.labels_together and context.how.ray is None else None

    def computed_here(self, context: RunContext) -> bool:
        """Return whether this process scores: Ray's workers note their own machines."""
        return context.how.ray is None or not self.teacher.labels_together

    def reads(self, context: RunContext) -> list[Result]:
        return list(self.teacher.label_reads(self.rows))

    def build(self, context: RunContext) -> Artifact:
        made = super().build(context)
        self.teacher.allow(made.details, context)
        return made

    def make(self, context: RunContext, work: Path) -> dict[str, Any]:
        return self.teacher.label(context, self.rows, work)

    def cost(self, context: RunContext) -> list[Work]:
        return self.teacher.label_cost(context, self.rows)
