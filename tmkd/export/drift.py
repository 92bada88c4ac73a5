"""How far an order moves when the scores change: of the same passages, by question."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Drift:
    """Two scorers of the same pairs, compared over the questions that have two passages at least.

    Attributes:
        top_changed: the share of questions that another passage leads, between 0 and 1.
        kendall, spearman: rank correlations, the mean over questions; 1: the same order everywhere.
        questions: how many they are.
    """

    top_changed: float
    kendall: float
    spearman: float
    questions: int


def drift(before: np.ndarray, after: np.ndarray, question_ids: Sequence[Hashable]) -> Drift | None:
    """Compare two scorings [pairs], the higher the better; None where no question has two passages."""
    from scipy.stats import kendalltau, spearmanr

    rows: dict[Hashable, list[int]] = {}
    for row, question in enumerate(question_ids):
        rows.setdefault(question, []).append(row)
    found: list[tuple[bool, float, float]] = []
    for chosen in rows.values():
        one, other = before[chosen], after[chosen]
        if len(chosen) < 2:
            continue
        if np.array_equal(np.argsort(one, kind="stable"), np.argsort(other, kind="stable")):
            found.append((False, 1.0, 1.0))
        else:
            correlations = kendalltau(one, other).statistic, spearmanr(one, other).statistic
            # NaN: one of the two scores all passages alike, which is no order at all
            found.append((bool(one.argmax() != other.argmax()), *np.nan_to_num(correlations).tolist()))
    if not found:
        return None
    changed, kendall, spearman = np.array(found, dtype=float).mean(axis=0).tolist()
    return Drift(changed, kendall, spearman, len(found))
