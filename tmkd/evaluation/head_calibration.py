"""Heads that are known up to a scale and a constant alone: the line that makes log-odds of their margins.

A loss over the passages of a question sees how scores differ within it. It says nothing of a score's absolute size, so
that a softmax of such logits is no probability.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tmkd.evaluation.calibration_fits import NotRising, platt


@dataclass(frozen=True)
class Line:
    """Log-odds = slope · margin + intercept; the slope is above 0, so that no order changes."""

    slope: float
    intercept: float

    @classmethod
    def fit(cls, logits: np.ndarray, labels: np.ndarray) -> Line | None:
        """Fit a head's line by Platt scaling (``calibration_fits.platt``).

        Args:
            logits: ``[pairs, classes]`` of two classes, or of one score.
            labels: ``[pairs]``, 0 or 1.

        Returns:
            The line; None where there is none to see: labels or scores are all alike, or scores fall with the labels.
        """
        two = np.asarray(logits, dtype=np.float64)
        if two.shape[1] == 1:
            two = np.concatenate([np.zeros_like(two), two], axis=1)
        if two.shape[1] != 2:
            raise ValueError(f"expected logits of two classes or one score, but found {two.shape[1]} classes")
        if len(np.unique(labels)) < 2 or not np.ptp(two[:, 1] - two[:, 0]):
            return None
        try:
            return cls(**platt(two, np.asarray(labels)))
        except NotRising:
            return None

    def shift(self, classes: int) -> np.ndarray:
        """Return what is added to each logit ``[classes]``: half of the intercept on either side, to a score all."""
        return np.array([self.intercept] if classes == 1 else [-self.intercept / 2, self.intercept / 2])

    def apply(self, logits: np.ndarray) -> np.ndarray:
        """Return logits ``[pairs, classes]``, float32, whose softmax (of a score: sigmoid) are probabilities."""
        moved: np.ndarray = (self.slope * logits + self.shift(logits.shape[1])).astype(np.float32)
        return moved
