"""One scale for unlike teachers: a monotone map from what a teacher gives to log-odds, fitted on validation labels.

Logits of a classifier, scores of a reranker, probabilities and marks out of 100 cannot be averaged, and a student that
learns from several of them learns the widest scale. After the map, a teacher's logits mean: this is how sure I am, and
this is how often I am right. A map never changes a teacher's order.

Where labels are grades or numbers, a teacher gives one score a pair, and the map brings it to the scale of the labels.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tmkd.errors import DataError
from tmkd.evaluation.calibration_checks import check_fittable, check_line, checked, falling, scored_pairs, sloping
from tmkd.evaluation.calibration_fits import FITS, SCORE_FITS, NotRising, interpolate, margin

LIMIT = 20.0  # a logit beyond it, a probability of 1 − 10⁻¹⁷, grows by its logarithm only, so that none overflows


@dataclass(frozen=True)
class Calibration:
    """A fitted map. What it does to a pair depends on that pair's scores alone.

    Attributes:
        method: ``temperature``, ``platt``, ``isotonic``, ``rank`` or ``linear``; ``tmkd.evaluation.calibration_fits``
            has each.
        classes: of the logits that it takes; 1: scores.
        pairs: how many validation pairs it was fitted on.
        slope, intercept: of temperature (slope 1 / T), platt and linear: logits, or the margin, times slope plus
            intercept.
        knots, heights: of isotonic and rank: margins, rising, and the log-odds that they become.
    """

    method: str
    classes: int
    pairs: int
    slope: float = 1.0
    intercept: float = 0.0
    knots: tuple[float, ...] = ()
    heights: tuple[float, ...] = ()

    @classmethod
    def fit(cls, method: str, logits: np.ndarray, labels: np.ndarray, what: str = "this teacher") -> Calibration:
        """Fit a map on validation pairs.

        Args:
            method: a key of ``FITS``, or of ``SCORE_FITS`` where there is one logit.
            logits: [pairs, classes], of any scale; NaN in all classes: the pair has no score, and is left out.
            labels: [pairs], indices of classes; with one logit, grades or numbers.
            what: the teacher, in error messages.

        Raises:
            DataError: other shapes or values, too few scored pairs of a class, scores that are all alike, or that do
                not rise with the labels.
            ValueError: a method that is not there.
        """
        scores, labels = checked(logits, what), np.asarray(labels)
        classes = scores.shape[1]
        fits = FITS if classes > 1 else SCORE_FITS
        if method not in fits:
            raise ValueError(f"expected a method of {', '.join(fits)}, but found {method!r}")
        if classes > 2 and method != "temperature":
            raise DataError(
                f"Calibration of {what}: expected two classes for {method}, but the task has {classes}; take "
                "temperature, which works with any number."
            )
        scores, labels = scored_pairs(scores, labels, what)
        if classes > 1:
            check_fittable(scores, labels, what)
        else:
            check_line(scores, what)
        try:
            return cls(method, classes, len(labels), **fits[method](scores, labels))
        except NotRising:
            if classes == 1:
                raise sloping(what, len(labels)) from None
            raise falling(what, len(labels), f"no rising {method} map fits better than a constant one") from None

    def apply(self, logits: np.ndarray) -> np.ndarray:
        """Return calibrated logits [pairs, classes], float32, finite, whose mean over the classes is 0, or scores.

        A higher margin stays higher, unless float32 cannot tell the two apart; equal ones stay equal.

        Args:
            logits: [pairs, classes] of the same teacher; NaN in all classes stays NaN.

        Raises:
            DataError: another number of classes, infinite values, or NaN in some classes of a pair.
        """
        scores = checked(logits, "this teacher")
        if scores.shape[1] != self.classes:
            raise DataError(
                f"Calibration: expected logits of {self.classes} classes, as it was fitted on, but found "
                f"{scores.shape[1]}; fit it on this task."
            )
        if self.classes == 1:
            line: np.ndarray = (self.slope * scores + self.intercept).astype(np.float32)
            return line
        if self.classes > 2:
            mapped = self.slope * (scores - scores.mean(axis=1, keepdims=True))
        else:
            margins = margin(scores)
            if self.knots:
                log_odds = interpolate(margins, np.array(self.knots), np.array(self.heights))
            else:
                log_odds = self.slope * margins + self.intercept
            mapped = np.stack([-log_odds / 2, log_odds / 2], axis=1)
        size = np.abs(mapped)
        bounded = np.sign(mapped) * np.where(size > LIMIT, LIMIT + np.log1p(np.maximum(size - LIMIT, 0)), size)
        result: np.ndarray = (bounded - bounded.mean(axis=1, keepdims=True)).astype(np.float32)
        return result

    def to_json(self) -> dict[str, Any]:
        """Return the map as JSON's types; ``from_json`` gives an equal one, bit by bit."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Calibration:
        """Return the map of ``to_json``."""
        return cls(**fields | {"knots": tuple(fields["knots"]), "heights": tuple(fields["heights"])})
