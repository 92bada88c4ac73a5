"""How often several scorers put a pair into the same class, and how much more often than by chance."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def agreement(answers: Sequence[np.ndarray]) -> np.ndarray:
    """Return the share of pairs that two scorers put into one class, for every two [scorers, scorers].

    Args:
        answers: each scorer's probabilities [pairs, classes].
    """
    chosen = np.stack([each.argmax(axis=1) for each in answers])
    shares: np.ndarray = (chosen[:, None] == chosen[None]).mean(axis=2)
    return shares


def kappa(answers: Sequence[np.ndarray]) -> list[list[float | None]]:
    """Return Cohen's κ of every two scorers: their agreement beyond chance, as a share of all beyond chance.

    Most passages are wrong answers, so that scorers who know nothing agree often. None where both give one class to
    all pairs, the same: nothing is left beyond chance (Cohen, 1960).

    Args:
        answers: as for ``agreement``.
    """
    shares = agreement(answers)
    used = np.stack([np.bincount(each.argmax(axis=1), minlength=each.shape[1]) / len(each) for each in answers])
    expected = used @ used.T
    return [
        [
            None if math.isclose(by_chance, 1) else float((share - by_chance) / (1 - by_chance))
            for share, by_chance in pair
        ]
        for pair in (zip(*each) for each in zip(shares, expected))
    ]
