"""How each monotone map from a teacher's scores to log-odds is fitted on validation pairs.

A fit takes logits ``[pairs, classes]``, float64 and finite, not all alike, and labels ``[pairs]``; it returns fields of
``tmkd.evaluation.calibration.Calibration``. Two classes count by their margin, z₁ − z₀.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import logit, softmax

# How much log-odds rise from the first validation pair to the last where a map is flat otherwise: it moves no
# probability by 0.01, and float32 still tells apart most pairs of one step.
TILT = 0.05
KNOTS = 1000  # at most this many pairs stand for all of validation


class NotRising(Exception):
    """The best line through the scores does not rise with them."""


def temperature(logits: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Divide logits by one T, that of the least cross-entropy (Guo et al., ICML 2017, section 4.2); slope is 1 / T.

    The gold labels are smoothed as in ``smoothed_labels``, so that T is above 0 where all pairs are right.
    scikit-learn's temperature scaling takes rows between 0 and 1 that sum to 1 for probabilities, which logits may be
    by chance.

    Raises:
        NotRising: no temperature is better than an infinite one.
    """
    centred = logits - logits.mean(axis=1, keepdims=True)
    scale = np.abs(centred).max()
    scaled = centred / scale
    target = smoothed_labels(labels, logits.shape[1])

    def derivative(slope: float) -> float:  # of the cross-entropy, which is convex in the slope
        return float(((softmax(slope * scaled, axis=1) - target) * scaled).sum())

    if derivative(0.0) >= 0:
        raise NotRising
    upper = 1.0
    while derivative(upper) < 0:
        upper *= 2
    return {"slope": float(brentq(derivative, 0.0, upper, rtol=1e-12) / scale)}


def platt(logits: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Fit log-odds = slope · margin + intercept by logistic regression (Platt 1999, with his smoothed labels).

    Raises:
        NotRising: the slope is not above 0.
    """
    from sklearn.linear_model import LogisticRegression

    values = margin(logits)
    scale = np.abs(values).max()
    centre, spread = (values / scale).mean(), (values / scale).std()
    standard = ((values / scale - centre) / spread)[:, None]
    pairs = len(labels)
    target = smoothed_labels(labels, 2)
    # a pair whose label is 1 to a share is that share of a pair of label 1, and the rest of a pair of label 0
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-8)
    model.fit(np.tile(standard, (2, 1)), np.repeat([0, 1], pairs), sample_weight=target.T.ravel())
    slope, intercept = float(model.coef_[0, 0]), float(model.intercept_[0])
    if slope <= 0:
        raise NotRising
    return {"slope": float(slope / (spread * scale)), "intercept": float(intercept - slope * centre / spread)}


def isotonic(logits: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Fit the rising step function of the least squared error (Zadrozny and Elkan, KDD 2002), as log-odds.

    Probabilities are kept within 1 / (n + 2) and (n + 1) / (n + 2) of n pairs (Laplace's rule), so that log-odds are
    finite. Pairs on one step would be ties, whose order is lost to MAP, MRR and nDCG. So a line that rises by ``TILT``
    from the first pair to the last is added: pairs on a step keep the teacher's order.
    """
    from sklearn.isotonic import isotonic_regression

    distinct, which, counts = np.unique(margin(logits), return_inverse=True, return_counts=True)
    pairs = len(labels)
    share = np.bincount(which, weights=labels) / counts
    steps = isotonic_regression(share, sample_weight=counts, y_min=1 / (pairs + 2), y_max=(pairs + 1) / (pairs + 2))
    rises = np.flatnonzero(np.diff(steps))
    kept = np.union1d(_thinned(len(distinct)), np.union1d(rises, rises + 1)).astype(int)  # both ends of each step
    heights = logit(steps) + TILT * (_quantiles(counts) - 0.5)
    return {"knots": tuple(distinct[kept].tolist()), "heights": tuple(heights[kept].tolist())}


def rank(logits: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Map a margin to its quantile among the validation margins, and that to log-odds; labels are not looked at."""
    distinct, counts = np.unique(margin(logits), return_counts=True)
    kept = _thinned(len(distinct))
    return {"knots": tuple(distinct[kept].tolist()), "heights": tuple(logit(_quantiles(counts)[kept]).tolist())}


FITS: dict[str, Callable[[np.ndarray, np.ndarray], dict[str, Any]]] = {
    "temperature": temperature,
    "platt": platt,
    "isotonic": isotonic,
    "rank": rank,
}


def linear(scores: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Fit labels = slope · score + intercept by least squares; scores [pairs, 1], labels [pairs] of any numbers.

    Raises:
        NotRising: the slope is not above 0.
    """
    from scipy.stats import linregress

    line = linregress(scores[:, 0], labels)
    if not line.slope > 0:
        raise NotRising
    return {"slope": float(line.slope), "intercept": float(line.intercept)}


SCORE_FITS: dict[str, Callable[[np.ndarray, np.ndarray], dict[str, Any]]] = {"linear": linear}  # of one logit


def margin(logits: np.ndarray) -> np.ndarray:
    """Return z₁ − z₀ [pairs] of logits [pairs, 2]."""
    difference: np.ndarray = logits[:, 1] - logits[:, 0]
    return difference


def interpolate(margins: np.ndarray, knots: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """Return log-odds [pairs]: linear between the knots, and beyond them rising slowly, so that order is kept."""
    beyond = np.maximum(margins - knots[-1], 0) - np.maximum(knots[0] - margins, 0)
    tail = TILT * np.sign(beyond) * np.log1p(np.abs(beyond) / (knots[-1] - knots[0]))
    log_odds: np.ndarray = np.interp(margins, knots, heights) + tail
    return log_odds


def smoothed_labels(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return targets [pairs, classes]: (n + 1) / (n + classes) for the label, and 1 / (n + classes) for each other
    class, where n is how many pairs have that label (Platt 1999, section 2.2, for two classes)."""
    total = np.bincount(labels, minlength=classes)[labels] + classes
    target: np.ndarray = np.tile(1 / total[:, None], classes)
    target[np.arange(len(labels)), labels] = 1 - (classes - 1) / total
    return target


def _quantiles(counts: np.ndarray) -> np.ndarray:
    """Return the quantile in (0, 1) of each distinct value, which ``counts`` pairs have: its mean rank − ½, over n."""
    quantiles: np.ndarray = (np.cumsum(counts) - counts / 2) / counts.sum()
    return quantiles


def _thinned(size: int) -> np.ndarray:
    """Return at most ``KNOTS`` of ``size`` places, evenly, with both ends."""
    return np.unique(np.linspace(0, size - 1, min(size, KNOTS)).round().astype(int))
