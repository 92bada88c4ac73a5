"""Heads that are known up to a scale and a constant alone: the line that makes log-odds of their margins.

A loss over the passages of a question sees how scores differ within it. It says nothing of a score's absolute size, so
that a softmax of such logits is no probability. Where labels are grades or numbers, the line makes these of scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tmkd.evaluation.calibration_fits import NotRising, linear, platt


@dataclass(frozen=True)
class Line:
    """Log-odds = slope · margin + intercept, or label = slope · score + intercept; the slope is above 0, so that no
    order changes."""

    slope: float
    intercept: float

    @classmethod
    def fit(cls, logits: np.ndarray, labels: np.ndarray) -> Line | None:
        """Fit a head's line by Platt scaling, or by least squares (``platt`` and ``linear`` of ``calibration_fits``).

        Args:
            logits: ``[pairs, classes]`` of two classes, or of one score.
            labels: ``[pairs]``, 0 or 1, or grades or numbers.

        Returns:
            The line; None where there is none to see: labels or scores are all alike, or scores fall with the labels.
        """
        found, labels = np.asarray(logits, dtype=np.float64), np.asarray(labels)
        if found.shape[1] not in (1, 2):
            raise ValueError(f"expected logits of two classes or one score, but found {found.shape[1]} classes")
        if len(np.unique(labels)) < 2 or not np.ptp(found[:, -1] - (found[:, 0] if found.shape[1] == 2 else 0)):
            return None
        try:
            return cls(**(platt if found.shape[1] == 2 else linear)(found, labels))
        except NotRising:
            return None

    def shift(self, classes: int) -> np.ndarray:
        """Return what is added to each logit ``[classes]``: half of the intercept on either side, to a score all."""
        return np.array([self.intercept] if classes == 1 else [-self.intercept / 2, self.intercept / 2])

    def apply(self, logits: np.ndarray) -> np.ndarray:
        """Return logits ``[pairs, classes]``, float32, whose softmax are probabilities; or scores like labels."""
        moved: np.ndarray = (self.slope * logits + self.shift(logits.shape[1])).astype(np.float32)
        return moved
