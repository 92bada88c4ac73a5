"""The area under the ROC curve, and each question's part in it."""

from __future__ import annotations

import numpy as np

from tmkd.errors import DataError


def auc(scores: np.ndarray, right: np.ndarray, needed: bool = False) -> float:
    """Return how often a right pair has a higher score than a wrong one; ties count one half.

    Args:
        scores: [pairs].
        right: [pairs], bool.
        needed: raise where it is undefined.

    Returns:
        NaN where all pairs are right, or none is.

    Raises:
        DataError: that, where it is ``needed``.
    """
    from sklearn.metrics import roc_auc_score

    if right.all() or not right.any():
        if needed:
            raise DataError(
                f"Metrics: expected right and wrong pairs, as the task is judged by auc, got {len(right)} of one "
                "class; choose another metric or another split."
            )
        return float("nan")
    return float(roc_auc_score(right, scores))


def auc_by_question(scores: np.ndarray, right: np.ndarray, question: np.ndarray) -> np.ndarray:
    """Return one value a question [questions], whose mean is the AUC, so that questions can be resampled.

    A pair's placement is the share of the other class's pairs that it is on the right side of. A question's value is
    the AUC, and what its pairs' placements differ from it: the variance of the mean is DeLong's (DeLong et al. 1988),
    with the pairs of a question drawn together (Obuchowski 1997). A value may lie outside of 0 to 1.

    Args:
        scores, right: as for ``auc``, which is needed.
        question: [pairs], numbers from 0, all of which occur.
    """
    from scipy.stats import rankdata

    whole = auc(scores, right, needed=True)
    ranks = rankdata(scores)
    ahead = ranks.copy()  # of how many of the other class it is ahead
    for side in (right, ~right):
        ahead[side] -= rankdata(scores[side])
    ours, others = int(right.sum()), int((~right).sum())
    parts = np.where(right, (ahead / others - whole) / ours, (1 - ahead / ours - whole) / others)
    sums = np.bincount(question, weights=parts)
    return whole + len(sums) * sums
