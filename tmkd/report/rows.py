"""One row of the comparison per arm: its metrics over seeds, its cost, and how it differs from the baseline."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from tmkd.ensemble import fidelity
from tmkd.metrics import evaluate, per_question
from tmkd.significance import holm, paired_test

BASELINE = "KD (1-o-1)"
METRIC_NAMES = {"map": "MAP", "mrr": "MRR", "ndcg": "nDCG", "accuracy": "accuracy", "auc": "AUC"}
FIDELITY_NAMES = {"agreement": "agreement", "divergence": "KL"}  # to the teacher ensemble


@dataclass
class Row:
    """An arm of the comparison; JSON-safe as ``asdict(row)``, where None stands for "undefined" or "not measured".

    Attributes:
        arm: unique in a table.
        settings: what distinguishes the arm.
        seeds: one per run.
        metrics: for each metric ``values`` (one per seed), their ``mean``, and ``std``: sample standard deviation
            (n - 1 in the denominator), None for one seed. ``agreement`` and ``divergence`` are those of
            ``tmkd.ensemble.fidelity``, once ``add_fidelity`` has been called.
        pairs_per_second: scored at inference.
        parameters: used at inference; those of all members for an ensemble.
        artifacts: what the row was computed from.
        train_seconds: a seed's training, of all members together and of the last stage alone; mean over seeds.
        train_bytes: the most memory that was held for it.
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
    versus: dict[str, dict[str, float | None]] = field(default_factory=dict)

    def mean(self, metric: str) -> float | None:
        """Return the mean over seeds; None where the arm lacks the metric."""
        return self.metrics.get(metric, {}).get("mean")

    def std(self, metric: str) -> float | None:
        """Return the standard deviation over seeds; None where the arm lacks the metric or has one seed."""
        return self.metrics.get(metric, {}).get("std")


def vectors_note(rows: Mapping[str, Row]) -> str:
    """Say where Bi-LSTMs have their word vectors from; nothing where no row, by its name here, is a Bi-LSTM."""
    sources: dict[str, list[str]] = {}
    for name, row in rows.items():
        if "word_vectors" in row.settings:
            sources.setdefault(row.settings["word_vectors"], []).append(name)
    told = [source if len(sources) == 1 else f"{source} ({', '.join(names)})" for source, names in sources.items()]
    return f"Word vectors of the Bi-LSTM before training: {', '.join(told)}." if told else ""


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
) -> Row:
    """Evaluate an arm at each of its seeds.

    Args:
        probabilities_by_seed: one [pairs, classes] per seed.
        labels, question_ids: [pairs].
        parts: [pairs], as for ``tmkd.metrics.evaluate``.

    Raises:
        DataError: as ``tmkd.metrics.evaluate``.
        ValueError: not one array per seed.
    """
    runs = [
        evaluate(probabilities, labels, question_ids, ranking, parts)
        for _, probabilities in zip(seeds, probabilities_by_seed, strict=True)
    ]
    metrics = {name: _over_seeds([run[name] for run in runs]) for name in runs[0]}
    cost = [pairs_per_second, parameters, list(artifacts), train_seconds, train_bytes]
    return Row(arm, *json_safe([dict(settings), list(seeds), metrics, *cost]))


def _over_seeds(values: list[float]) -> dict[str, Any]:
    return {
        "values": values,
        "mean": float(np.mean(values)),
        "std": float(np.std(values, ddof=1)) if len(values) > 1 else None,
    }


def add_fidelity(rows: Sequence[Row], probabilities: Mapping[str, Sequence[np.ndarray]]) -> None:
    """Say of every row how near it is to the last one, the teacher ensemble, in place.

    Args:
        probabilities: for each arm, one [pairs, classes] a seed.
    """
    (reference,) = probabilities[rows[-1].arm]
    for row in rows:
        runs = [fidelity(run, reference) for run in probabilities[row.arm]]
        row.metrics.update(json_safe({name: _over_seeds([run[name] for run in runs]) for name in FIDELITY_NAMES}))


def per_question_by_seed(
    probabilities_by_seed: Sequence[np.ndarray],
    labels: np.ndarray,
    question_ids: Sequence[Hashable] | np.ndarray,
    ranking: bool,
    parts: Sequence[str] | None = None,
) -> np.ndarray:
    """Return the main metric of each question [seeds, questions], as ``add_versus`` wants it.

    Args and Raises: as for ``make_row``.
    """
    return np.stack([per_question(p, labels, question_ids, ranking, parts)[1] for p in probabilities_by_seed])


def add_versus(
    rows: Sequence[Row], per_question_values: Mapping[str, np.ndarray], baseline: str = BASELINE
) -> Sequence[Row]:
    """Compare every other row with the baseline, in place; no baseline among the rows, nothing to compare.

    Args:
        per_question_values: [seeds, questions] for each arm, as from ``per_question_by_seed``.

    Returns:
        The rows themselves.

    Raises:
        DataError: as ``tmkd.significance.paired_test``.
    """
    others = [row for row in rows if row.arm != baseline]
    if len(others) == len(rows):
        return rows
    tests = [paired_test(per_question_values[row.arm], per_question_values[baseline]) for row in others]
    for row, test, p_holm in zip(others, tests, holm([test.p_value for test in tests]), strict=True):
        row.versus[baseline] = {**asdict(test), "p_holm": p_holm}
    return rows
