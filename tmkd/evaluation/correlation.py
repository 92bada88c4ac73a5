"""Spearman's rank correlation, and the ranks that it is the mean product of."""

from __future__ import annotations

import numpy as np


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Return Spearman's rank correlation of [pairs] and [pairs].

    It is not defined where one of the two is constant. Here it is 0 then, that of an order that says nothing.
    """
    return float(np.mean(standard_ranks(a) * standard_ranks(b)))


def standard_ranks(values: np.ndarray) -> np.ndarray:
    """Return the ranks of values [pairs], ties sharing theirs, with mean 0 and variance 1; 0 where all are equal."""
    from scipy.stats import rankdata

    ranks = rankdata(values)
    ranks -= ranks.mean()
    deviation = ranks.std()
    standard: np.ndarray = ranks / deviation if deviation else ranks
    return standard
