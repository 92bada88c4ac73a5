"""Who answers for a pair: a result that predicts a task and may teach, whether it was trained here or not."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tmkd.data.schema import parts_of
from tmkd.results.context import RunContext
from tmkd.results.node import Result
from tmkd.results.rows import Rows
from tmkd.results.task import Task
from tmkd.results.work import Member, Work
from tmkd.store.artifacts import Artifact
from tmkd.store.predictions import predictions

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False)
class Classifier(Result):
    """A result that holds predictions of a task's validation and test, and can answer for other pairs.

    Attributes:
        labels_together: all processes of a run label a split together; otherwise one does, and others wait.
    """

    labels_together: ClassVar[bool] = False

    @property
    @abstractmethod
    def own_task(self) -> Task:
        """The task that it predicts."""

    @property
    def timed_as(self) -> dict[str, Any] | None:
        """What its speed depends on; None: it is not timed."""
        return None

    @property
    def averages_heads(self) -> bool:
        """Whether several heads answer together, by the mean of their probabilities."""
        return False

    @property
    def trained(self) -> Classifier:
        """The classifier that computes: itself, or the one whose scores it changes."""
        return self

    def member(self, context: RunContext) -> Member:
        """Return who is trained, for a plan; LookupError where nobody is."""
        raise LookupError(self.name)

    @abstractmethod
    def label(self, context: RunContext, rows: Rows, work: Path) -> dict[str, Any]:
        """Write its logits on a split into the folder ``work``, as ``tmkd.store.soft_labels`` has them.

        Returns:
            What the manifest says of them.
        """

    def allow(self, details: Mapping[str, Any], context: RunContext) -> None:
        """Say what was strange in the files of its scores, by the manifest of what they are in, or raise DataError."""

    def label_reads(self, rows: Rows) -> Sequence[Result]:
        """Return what ``label`` reads: other soft labels that these are made from."""
        return []

    def label_cost(self, context: RunContext, rows: Rows) -> list[Work]:
        """Return what ``label`` takes; LookupError where that is not known."""
        raise LookupError(self.name)


def validation_metrics(
    context: RunContext, task: Task, logits: np.ndarray, metric: str | None = None
) -> dict[str, float]:
    """Judge the predicting heads' logits ``[heads, pairs, classes]`` on the validation split.

    ``metric`` is what the task is judged by, which is given in any case.
    """
    from tmkd.evaluation.ensemble import average_probabilities
    from tmkd.evaluation.metrics import evaluate

    rows = task.rows("validation").read(context)
    answers, ids = average_probabilities(logits), rows["question_id"]
    return evaluate(answers, rows["label"], ids, task.ranking, parts_of(rows), metric, task.label_kind)


def validation_value(context: RunContext, task: Task, made: Artifact, metric: str) -> float:
    """Return a classifier's metric on the validation split; −inf where it has no score of it (of a file, maybe).

    It is computed from its predictions where the classifier was made before anybody asked for that metric.
    """
    known = made.details["validation"]
    if known is None:
        return -math.inf
    value = known.get(metric)
    if value is None or not math.isfinite(value):
        value = validation_metrics(context, task, predictions(made, "validation"), metric)[metric]
    return float(value)
