"""One row of the comparison per arm: its metrics over seeds, its cost, and where it stands.

That is: between chance and the teacher ensemble, and beside the baseline.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tmkd.choices import CLASSES
from tmkd.evaluation.chance import chance, majority_class
from tmkd.evaluation.metrics import evaluate, per_question

BASELINE = "KD (1-o-1)"
CHANCE = "chance"  # the row of answers that know nothing
# to the teacher ensemble: of probabilities, and of scores
FIDELITY_NAMES = {
    "agreement": "agreement", "divergence": "KL", "correlation": "correlation", "distance": "distance",
}  # fmt: skip


@dataclass
class Row:
    """An arm of the comparison; JSON-safe as ``asdict(row)``, where None stands for "undefined" or "not measured".

    Attributes:
        arm: unique in a table.
        settings: what distinguishes the arm.
        seeds: one per run; none for chance.
        metrics: for each metric ``values`` (one per seed), their ``mean``, and ``std``: sample standard deviation
            (n - 1 in the denominator), None for one seed. Those of
            ``tmkd.evaluation.ensemble.fidelity`` are among them once ``add_fidelity`` has been called.
        pairs_per_second: scored at inference.
        parameters: used at inference; those of all members for an ensemble.
        artifacts: what the row was computed from.
        train_seconds: a seed's training, of all members together and of the last stage alone; mean over seeds.
        train_bytes: the most memory that was held for it.
        lift: share of the teacher ensemble's lead over chance, in the main metric, once ``add_lift`` has been called;
            None where the ensemble is no better than chance.
        kept: share of the ensemble's main metric.
        to_ensemble: the main metric minus the ensemble's.
        interval: 95 % interval of the main metric, lower and upper end, once ``add_interval`` has been called.
        versus: for each baseline ``difference`` of the main metric, its 95 % interval ``low`` and ``high``,
            ``p_value``, and ``p_holm``, adjusted for all rows compared with that baseline.
    """

    arm: str
    settings: dict[str, Any]
    seeds: list[int]
    metrics: dict[str, dict[str, Any]]
    pairs_per_second: float | None
    parameters: int | None
    artifacts: list[str]
    train_seconds: float | None = None
    train_bytes: float | None = None
    lift: float | None = None
    kept: float | None = None
    to_ensemble: float | None = None
    interval: list[float] | None = None
    versus: dict[str, dict[str, float | None]] = field(default_factory=dict)

    def mean(self, metric: str) -> float | None:
        """Return the mean over seeds; None where the arm lacks the metric."""
        return self.metrics.get(metric, {}).get("mean")

    def std(self, metric: str) -> float | None:
        """Return the standard deviation over seeds; None where the arm lacks the metric or has one seed."""
        return self.metrics.get(metric, {}).get("std")


def is_teacher(arm: str) -> bool:
    """Whether a row is a teacher or the teacher ensemble, by its name."""
    return arm.startswith("teacher")


def students_of(rows: Sequence[Row]) -> list[Row]:
    """Return the rows of students: those that are neither a teacher's nor chance."""
    return [row for row in rows if row.arm != CHANCE and not is_teacher(row.arm)]


def chance_of(rows: Sequence[Row], metric: str) -> float | None:
    """Return the metric of answers that know nothing; None where there is no such row, or it lacks the metric."""
    return next((row.mean(metric) for row in rows if row.arm == CHANCE), None)


def best_student(rows: Sequence[Row], metric: str) -> Row | None:
    """Return the row of students with the highest mean; None where there is none, or none has the metric."""
    judged = [(mean, row) for row in students_of(rows) if (mean := row.mean(metric)) is not None]
    return max(judged, key=lambda each: each[0])[1] if judged else None


def json_safe(value: Any) -> Any:
    """Turn numpy values into Python's, tuples into lists, and NaN or infinity, which JSON lacks, into None."""
    match value:
        case Mapping():
            return {str(key): json_safe(item) for key, item in value.items()}
        case list() | tuple():
            return [json_safe(item) for item in value]
        case np.ndarray() | np.generic():
            return json_safe(value.tolist())
        case float():
            return value if math.isfinite(value) else None
        case _:
            return value


def make_row(
    arm: str,
    settings: Mapping[str, Any],
    seeds: Sequence[int],
    probabilities_by_seed: Sequence[np.ndarray],
    labels: np.ndarray,
    question_ids: Sequence[Hashable] | np.ndarray,
    ranking: bool,
    pairs_per_second: float | None = None,
    parameters: int | None = None,
    artifacts: Sequence[str] = (),
    parts: Sequence[str] | None = None,
    train_seconds: float | None = None,
    train_bytes: float | None = None,
    metric: str | None = None,
    kind: str = CLASSES,
) -> Row:
    """Evaluate an arm at each of its seeds.

    Args:
        probabilities_by_seed: one [pairs, classes] per seed.
        labels, question_ids: [pairs].
        parts, kind: as for ``tmkd.evaluation.metrics.evaluate``.
        metric: what the task is judged by; None: its usual one.

    Raises:
        DataError: as ``tmkd.evaluation.metrics.evaluate``.
        ValueError: not one array per seed.
    """
    runs = [
        evaluate(probabilities, labels, question_ids, ranking, parts, metric, kind)
        for _, probabilities in zip(seeds, probabilities_by_seed, strict=True)
    ]
    metrics = {name: over_seeds([run[name] for run in runs]) for name in runs[0]}
    cost = [pairs_per_second, parameters, list(artifacts), train_seconds, train_bytes]
    return Row(arm, *json_safe([dict(settings), list(seeds), metrics, *cost]))


def chance_row(
    labels: np.ndarray,
    question_ids: Sequence[str | int] | np.ndarray,
    training_labels: np.ndarray,
    classes: Sequence[str],
    ranking: bool,
    parts: Sequence[str] | None = None,
    metric: str | None = None,
    kind: str = CLASSES,
) -> Row:
    """Return the row of answers that know nothing: it has no seeds and no cost, and is not tested.

    Args:
        classes: their names; ``settings`` has the one that is the training split's majority, or the mean of grades and
            numbers there.
        labels, question_ids, training_labels, ranking, parts, metric, kind: as for
            ``tmkd.evaluation.chance.chance``.
    """
    found = chance(labels, question_ids, training_labels, len(classes), ranking, parts, metric, kind)
    metrics = {name: over_seeds([value]) for name, value in found.items()}
    settings: dict[str, Any]
    if kind == CLASSES:
        settings = {"majority": classes[majority_class(training_labels)]}
    else:
        settings = {"mean": float(np.mean(training_labels, dtype=np.float64))}
    return Row(CHANCE, settings, [], metrics, None, None, [])


def over_seeds(values: list[float]) -> dict[str, Any]:
    """Return a metric of a row: the values themselves, their mean, and their standard deviation."""
    return {
        "values": values,
        "mean": float(np.mean(values)),
        "std": float(np.std(values, ddof=1)) if len(values) > 1 else None,
    }


def per_question_by_seed(
    probabilities_by_seed: Sequence[np.ndarray],
    labels: np.ndarray,
    question_ids: Sequence[Hashable] | np.ndarray,
    ranking: bool,
    parts: Sequence[str] | None = None,
    metric: str | None = None,
    kind: str = CLASSES,
) -> np.ndarray:
    """Return the main metric of each question [seeds, questions], as ``add_versus`` wants it.

    Args and Raises: as for ``make_row``.
    """
    each = [per_question(p, labels, question_ids, ranking, parts, metric, kind)[1] for p in probabilities_by_seed]
    return np.stack(each)
