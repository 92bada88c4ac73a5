"""What the recipes' answers are worth, all judged by one code: rows between chance and the teachers' ensemble."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from benchmarks.recipe_material import Material
from tmkd.measures import main_metric
from tmkd.report.rows import Row, chance_row, make_row, per_question_by_seed
from tmkd.report.standing import add_interval, add_lift, add_versus
from tmkd.report.tables import p_text

ENSEMBLE = "the teachers' ensemble"
HEADER = [
    "recipe", "MAP, validation", "MAP, test", "95 % interval", "lift", "Δ to {baseline}", "p (Holm)", "seconds",
    "processor seconds",
]  # fmt: skip


def judge(
    material: Material, answers: Mapping[str, Mapping[int, Mapping[str, np.ndarray]]], baseline: str
) -> tuple[list[Row], dict[str, list[float]]]:
    """Return the rows on test, chance first and the ensemble last, and each row's values on validation by seed.

    Args:
        answers: by row and seed, probabilities [pairs, 2] of validation and test.
        baseline: the row that the others are compared with.
    """
    with np.load(material.folder / "ensemble.npz") as stored:
        ensemble = dict(stored)
    runs = {**answers, ENSEMBLE: {0: ensemble}}
    labels, questions = _labels(material, "test"), _questions(material, "test")
    values = {name: per_question_by_seed(_split(of, "test"), labels, questions, True) for name, of in runs.items()}
    rows = [chance_row(labels, questions, _labels(material, "train"), ["wrong", "right"], True)]
    rows += [make_row(name, {}, list(of), _split(of, "test"), labels, questions, True) for name, of in runs.items()]
    add_lift(rows, main_metric(True))
    add_interval(rows, values)
    add_versus(rows, values, baseline)
    labels, questions = _labels(material, "validation"), _questions(material, "validation")
    validation = {
        name: per_question_by_seed(_split(of, "validation"), labels, questions, True).mean(axis=1).tolist()
        for name, of in runs.items()
    }
    return rows, validation


def lines(
    rows: Sequence[Row], validation: Mapping[str, Sequence[float]], costs: Mapping[str, Sequence[dict]], baseline: str
) -> list[list[str]]:
    """Return the cells of ``HEADER`` of each row, metrics in %."""
    found = []
    for row in rows:
        versus = row.versus.get(baseline, {})
        mean, std = row.mean(main_metric(True)), row.std(main_metric(True))
        assert mean is not None
        seen = validation.get(row.arm)
        found.append(
            [
                row.arm,
                f"{100 * np.mean(seen):.2f}" if seen else "–",
                f"{100 * mean:.2f}" + ("" if std is None else f" ± {100 * std:.2f}"),
                "–" if row.interval is None else f"{100 * row.interval[0]:.1f} to {100 * row.interval[1]:.1f}",
                "–" if row.lift is None else f"{100 * row.lift:.1f}",
                _difference(versus),
                p_text(versus["p_holm"]) if versus else "–",
                *(_mean_of(costs.get(row.arm, []), name) for name in ("seconds", "cpu_seconds")),
            ]
        )
    return found


def raw(rows: Sequence[Row], validation: Mapping[str, Sequence[float]], costs: Mapping[str, Any]) -> list[dict]:
    """Return all that is known of each row, as JSON's types."""
    return [asdict(row) | {"validation": validation.get(row.arm), "runs": list(costs.get(row.arm, []))} for row in rows]


def _split(of: Mapping[int, Mapping[str, np.ndarray]], split: str) -> list[np.ndarray]:
    return [answers[split] for answers in of.values()]


def _labels(material: Material, split: str) -> np.ndarray:
    return np.array([row["label"] for row in material.rows[split]])


def _questions(material: Material, split: str) -> list[str]:
    return [row["question_id"] for row in material.rows[split]]


def _difference(versus: Mapping[str, Any]) -> str:
    if not versus:
        return "–"
    low, middle, high = (100 * versus[name] for name in ("low", "difference", "high"))
    return f"{middle:+.2f} [{low:+.2f}, {high:+.2f}]"


def _mean_of(runs: Sequence[Mapping[str, Any]], name: str) -> str:
    known = [run[name] for run in runs if run.get(name) is not None]
    return f"{np.mean(known):.0f}" if known else "–"
