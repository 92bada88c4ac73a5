"""Where rows stand: between chance and the teacher ensemble, near the ensemble's answers, and beside the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np

from tmkd.evaluation.chance import lift
from tmkd.evaluation.ensemble import fidelity
from tmkd.evaluation.significance import crossed_bootstrap, holm
from tmkd.report.rows import BASELINE, CHANCE, Row, json_safe, over_seeds


def add_fidelity(rows: Sequence[Row], probabilities: Mapping[str, Sequence[np.ndarray]]) -> None:
    """Say of every row but chance how near it is to the last one, the teacher ensemble, in place.

    Args:
        probabilities: for each arm, one [pairs, classes] a seed.
    """
    (reference,) = probabilities[rows[-1].arm]
    for row in rows:
        if row.arm == CHANCE:
            continue
        runs = [fidelity(run, reference) for run in probabilities[row.arm]]
        row.metrics.update(json_safe({name: over_seeds([run[name] for run in runs]) for name in runs[0]}))


def add_lift(rows: Sequence[Row], metric: str) -> None:
    """Say of every row where it stands between the first, chance, and the last, the teacher ensemble, in place."""
    bottom, top = rows[0].mean(metric), rows[-1].mean(metric)
    for row in rows:
        mean = row.mean(metric)
        row.lift = lift(mean, top, bottom)
        if mean is not None and top is not None:
            row.to_ensemble = mean - top
            row.kept = mean / top if top > 0 else None  # a correlation may be below


def add_interval(rows: Sequence[Row], per_question_values: Mapping[str, np.ndarray]) -> None:
    """Give every row but chance the 95 % interval of its main metric over test questions and seeds, in place.

    It is the bootstrap interval of the row's difference from zero; an interval of one question is unknown.

    Args:
        per_question_values: [seeds, questions] for each arm, as from ``per_question_by_seed``.

    Raises:
        DataError: as ``tmkd.evaluation.significance.crossed_bootstrap``.
    """
    for row in rows:
        values = per_question_values.get(row.arm)
        if values is not None and values.shape[1] > 1:
            found = crossed_bootstrap(values, np.zeros((1, values.shape[1])), paired=False)
            row.interval = [found.low, found.high]


def add_versus(
    rows: Sequence[Row], per_question_values: Mapping[str, np.ndarray], baseline: str = BASELINE
) -> Sequence[Row]:
    """Compare every other row but chance with the baseline, in place; without the baseline, nothing is compared.

    Seeds are paired where both rows have the same.

    Args:
        per_question_values: [seeds, questions] for each arm, as from ``per_question_by_seed``.

    Returns:
        The rows themselves.

    Raises:
        DataError: as ``tmkd.evaluation.significance.crossed_bootstrap``.
    """
    base = next((row for row in rows if row.arm == baseline), None)
    if base is None:
        return rows
    others = [row for row in rows if row.arm not in (baseline, CHANCE)]
    tests = [
        crossed_bootstrap(per_question_values[row.arm], per_question_values[baseline], row.seeds == base.seeds)
        for row in others
    ]
    for row, test, p_holm in zip(others, tests, holm([test.p_value for test in tests]), strict=True):
        row.versus[baseline] = {**asdict(test), "p_holm": p_holm}
    return rows
