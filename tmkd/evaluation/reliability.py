"""Whether probabilities mean what they say: of the pairs that get 0.8, are 80 % right?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tmkd.errors import DataError

BINS = 15  # as Guo et al. (ICML 2017) and most others


@dataclass(frozen=True)
class Reliability:
    """How far probabilities are from what is observed; ``asdict`` gives JSON's types.

    Attributes:
        pairs: with a probability; others are left out.
        ece: expected calibration error: |confidence − observed|, a mean over bins weighted by count (Naeini et al.,
            AAAI 2015). 0 is best.
        brier: mean squared error of the probabilities; with two classes that of class 1, with more the sum over
            classes (Brier 1950). It sees order as well as calibration. 0 is best.
        confidence, observed: for each bin that holds pairs, from the lowest, the mean probability and the share of
            pairs where it came true.
        count: how many pairs each bin holds.
    """

    pairs: int
    ece: float
    brier: float
    confidence: list[float]
    observed: list[float]
    count: list[int]


def reliability(
    probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS, equal_mass: bool = True
) -> Reliability:
    """Compare probabilities with labels.

    With two classes the probability of class 1, "right", is compared with how often that is the label. With more it is
    the probability of the predicted class, and how often the prediction is right (top-label).

    Args:
        probabilities: [pairs, classes], rows that sum to 1; NaN in all classes: no probability.
        labels: [pairs], indices of classes.
        bins: how many, at most; one without pairs does not count.
        equal_mass: bins hold equally many pairs (Nixon et al., CVPR workshops 2019), but for equal probabilities,
            which share one. Else they are equally wide, (0, 1/15], (1/15, 2/15], ...: as in most papers. Most passages
            are wrong answers, so that nearly all pairs lie in one wide bin, whose mean says little.

    Raises:
        DataError: other shapes, rows that are not probabilities, or no pair that has them.
    """
    p, labels = np.asarray(probabilities, dtype=np.float64), np.asarray(labels)
    if p.ndim != 2 or p.shape[1] < 2 or labels.shape != p.shape[:1]:
        raise DataError(
            "Reliability: expected probabilities [pairs, classes] with a label for each pair, but found shapes "
            f"{p.shape} and {labels.shape}; score and label the same pairs."
        )
    scored = ~np.isnan(p).all(axis=1)
    p, labels = p[scored], labels[scored]
    if not len(p):
        raise DataError("Reliability: expected pairs with probabilities, but no pair has them; score the split first.")
    bad = ~((p >= 0).all(axis=1) & (np.abs(p.sum(axis=1) - 1) < 1e-4))
    if bad.any():
        raise DataError(
            f"Reliability: expected probabilities that sum to 1, but {bad.sum()} of {len(p)} pairs have others, the "
            f"first {p[bad][0].tolist()}; put logits through a softmax."
        )
    one_hot = np.arange(p.shape[1]) == labels[:, None]
    brier = ((p - one_hot) ** 2).sum(axis=1).mean() / (2 if p.shape[1] == 2 else 1)
    if p.shape[1] == 2:
        confidence, came_true = p[:, 1], labels == 1
    else:
        confidence, came_true = p.max(axis=1), p.argmax(axis=1) == labels
    inner = np.linspace(0, 1, bins + 1)[1:-1]
    which = np.searchsorted(np.quantile(confidence, inner) if equal_mass else inner, confidence)
    count = np.bincount(which, minlength=bins)
    full = count > 0
    means, shares = (
        np.bincount(which, weights=values, minlength=bins)[full] / count[full] for values in (confidence, came_true)
    )
    return Reliability(
        pairs=len(p),
        ece=float(np.abs(means - shares) @ count[full] / len(p)),
        brier=float(brier),
        confidence=means.tolist(),
        observed=shares.tolist(),
        count=count[full].tolist(),
    )
