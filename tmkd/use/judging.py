"""How good candidates are: the metric of the task on its validation split, question by question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from datasets import Dataset, load_from_disk

from tmkd.choices import CLASSES, SCORE
from tmkd.data.schema import parts_of
from tmkd.errors import ConfigError, DataError
from tmkd.evaluation.metrics import per_question
from tmkd.measures import is_possible, main_metric, possible
from tmkd.store.artifacts import Artifact
from tmkd.use.candidate import Model

SPLIT = "validation"
SEED = 1  # of the questions and passages that are drawn


@dataclass(frozen=True)
class Judge:
    """The pairs that candidates are judged on, and the metric.

    Attributes:
        rows: question, passage, label, question_id.
        sample: questions that were drawn from the split; None: all.
    """

    rows: Dataset
    sample: int | None
    metric: str
    ranking: bool
    label_kind: str

    @classmethod
    def of(cls, task: Artifact, rows: Dataset, metric: str | None, sample: int | None) -> Judge:
        """Return the judge of a task.

        Args:
            rows: the validation split.
            metric: None: what such a task is usually judged by.
            sample: questions to draw, always the same ones; None: all.

        Raises:
            ConfigError: a metric that it cannot be judged by.
            DataError: fewer than two questions.
        """
        data = task.manifest["spec"]["data"]
        ranking, kind = bool(data.get("ranking")), str(data.get("label_kind", CLASSES))
        classes = len(data["classes"] if kind == CLASSES else [SCORE])
        if metric is not None and not is_possible(metric, ranking, classes):
            raise ConfigError(f"--metric: expected {possible(ranking, classes)}, got {metric}.")
        asked = list(rows["question_id"])
        different = list(dict.fromkeys(asked))
        if sample is not None and sample < len(different):
            places = np.random.default_rng(SEED).choice(len(different), sample, replace=False)
            drawn = {different[place] for place in places}
            rows = rows.select([row for row, question in enumerate(asked) if question in drawn])
        else:
            sample = None
        judge = cls(rows, sample, main_metric(ranking, metric, kind), ranking, kind)
        count = len(judge.values(np.random.default_rng(SEED).random((len(rows), classes))))
        if count < 2:  # now, not after all has been timed
            raise DataError(f"{task.name}: expected two questions of validation at least to judge by, got {count}.")
        return judge

    def values(self, answers: np.ndarray) -> np.ndarray:
        """Return values ``[questions]``, whose mean is the metric, of answers ``[pairs, classes]``."""
        rows = self.rows
        labels, ids, parts = np.asarray(rows["label"]), list(rows["question_id"]), parts_of(rows)
        return per_question(answers, labels, ids, self.ranking, parts, self.metric, self.label_kind)[1]


def validation_rows(task: Artifact) -> Dataset:
    """Return the validation split of a task (DamagedArtifact: it is not whole)."""
    return Dataset.with_format(load_from_disk(str(task.folder(SPLIT))), None)


def metric_of(models: Sequence[Model], asked: Sequence[str | None] = ()) -> str | None:
    """Return the metric that models are trained to be best at; None: the usual one of their task.

    Args:
        asked: those of models that are not trained yet.

    Raises:
        ConfigError: they differ in that.
    """
    metrics = {*(model.metric for model in models if not model.exported), *asked}
    if len(metrics) > 1:
        named = ", ".join(sorted(metric or "the usual one" for metric in metrics))
        raise ConfigError(f"--metric: expected the metric to judge by, as models are trained by several ({named}).")
    return metrics.pop() if metrics else None
