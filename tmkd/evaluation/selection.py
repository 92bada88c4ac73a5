"""Which questions a dear teacher is asked for, in which order, and when further ones are not worth their price."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

TOGETHER = 2  # rounds whose gains count together: a single one may fall back by chance


def disagreement(margins: np.ndarray, question: np.ndarray) -> np.ndarray:
    """Return how far teachers are apart in each question ``[questions]``: query by committee (Seung et al., COLT 1992).

    A teacher's margins become ranks among all pairs, from 0 to 1, since each kind of teacher has a scale of its own;
    equal margins share their mean rank. A pair's disagreement is the variance over teachers, a question's the mean of
    its pairs'.

    Args:
        margins: ``[pairs, teachers]``.
        question: ``[pairs]``, the number of each pair's question, from 0; each number has a pair.
    """
    from scipy.stats import rankdata

    ranks = (rankdata(margins, axis=0) - 1) / max(len(margins) - 1, 1)
    mean: np.ndarray = np.bincount(question, weights=ranks.var(axis=1)) / np.bincount(question)
    return mean


def random(margins: np.ndarray, question: np.ndarray) -> np.ndarray:
    """Return zeros ``[questions]``: all are worth the same. Args: as for ``disagreement``."""
    return np.zeros(int(question.max()) + 1)


SELECT: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {"disagreement": disagreement, "random": random}


def divide(worth: np.ndarray, sizes: np.ndarray, held_out: int, pairs: int, rounds: int, seed: int) -> list[np.ndarray]:
    """Return the questions to ask for, part by part: those that are held out, then those of each round.

    Questions are held out at random. The others come in the order of their worth; equals, and all of a part, are in
    random order.

    Args:
        worth: of each question ``[questions]``, from ``SELECT``.
        sizes: how many pairs each question has ``[questions]``.
        held_out, pairs: of the first part and of each round: whole questions, until they have so many.
        rounds: at most; the last of them has what is left.
    """
    order = np.random.default_rng(seed).permutation(len(worth))
    end = _enough(sizes[order], held_out)
    parts, rest = [order[:end]], order[end:]
    rest = rest[np.argsort(-worth[rest], kind="stable")]
    while len(parts) <= rounds and len(rest):
        end = _enough(sizes[rest], pairs)
        parts.append(rest[:end])
        rest = rest[end:]
    return parts


def _enough(sizes: np.ndarray, pairs: int) -> int:
    """Return how many of the first questions have ``pairs`` pairs together, or all."""
    return min(int(np.searchsorted(np.cumsum(sizes), pairs)) + 1, len(sizes))


def gain(agreements: Sequence[float]) -> float | None:
    """Return by how much the last ``TOGETHER`` rounds have raised the best agreement; None before there are as many."""
    if len(agreements) <= TOGETHER:
        return None
    return max(agreements) - max(agreements[:-TOGETHER])


def enough(agreements: Sequence[float], stop: float | None) -> bool:
    """Return whether the last rounds have brought less than ``stop``; None: no gain is too small."""
    gained = gain(agreements)
    return stop is not None and gained is not None and gained < stop


def agreement(probabilities: np.ndarray, margins: np.ndarray) -> float:
    """Return Spearman's rank correlation of two scorers of the same pairs ``[pairs]``; 0 where one tells none apart."""
    from scipy.stats import spearmanr

    if np.ptp(probabilities) == 0 or np.ptp(margins) == 0:
        return 0.0
    return float(spearmanr(probabilities, margins).statistic)
