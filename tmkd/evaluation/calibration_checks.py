"""What scores must be before a map is fitted on them, or applied to them; each function raises DataError."""

from __future__ import annotations

import numpy as np

from tmkd.errors import DataError
from tmkd.evaluation.calibration_fits import margin

FEWEST = 5  # scored validation pairs of each class, below which nothing is fitted


def checked(logits: np.ndarray, what: str) -> np.ndarray:
    """Return logits in float64, of which a row is all finite or all NaN."""
    scores = np.asarray(logits, dtype=np.float64)
    if scores.ndim != 2 or not scores.shape[1]:
        raise DataError(
            f"Calibration of {what}: expected logits [pairs, classes], but found shape {scores.shape}; score the pairs "
            "of one split."
        )
    bad = ~np.isnan(scores).all(axis=1) & ~(np.abs(scores) <= np.finfo(np.float32).max).all(axis=1)
    if bad.any():
        raise DataError(
            f"Calibration of {what}: expected numbers that float32 holds, or NaN in all classes of a pair without a "
            f"score, but row {np.flatnonzero(bad)[0]} is {scores[bad][0].tolist()}, one of {bad.sum()} such rows; mend "
            "what scores them."
        )
    return scores


def scored_pairs(scores: np.ndarray, labels: np.ndarray, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the logits and labels of pairs that have a score."""
    classes = scores.shape[1]
    scored = ~np.isnan(scores[:, 0])
    if classes == 1 and labels.shape == scores.shape[:1]:
        return scores[scored], labels[scored]
    if labels.shape != scores.shape[:1] or not np.isin(labels, range(classes)).all():
        raise DataError(
            f"Calibration of {what}: expected a label from 0 to {classes - 1} for each of {len(scores)} pairs, but "
            f"found labels of shape {labels.shape} with values {np.unique(labels)[:10].tolist()}; take both from "
            "the same split."
        )
    return scores[scored], labels[scored].astype(int)


def check_line(scores: np.ndarray, what: str) -> None:
    """Raise DataError where scores [pairs, 1] cannot show how they go together with labels."""
    if len(scores) < 2 * FEWEST or not np.ptp(scores):
        raise DataError(
            f"Calibration of {what}: expected at least {2 * FEWEST} scored validation pairs with scores that differ, "
            f"but found {len(scores)} pairs with {len(np.unique(scores))} different scores; give the validation "
            "split more, or, of a teacher, set calibration: none."
        )


def check_fittable(scores: np.ndarray, labels: np.ndarray, what: str) -> None:
    """Raise DataError where scored pairs cannot show how scores and labels go together."""
    counts = np.bincount(labels, minlength=scores.shape[1])
    if counts.min() < FEWEST:
        raise DataError(
            f"Calibration of {what}: expected at least {FEWEST} scored validation pairs of each class, but found "
            f"{counts.tolist()}; give the validation split more, or, of a teacher, set "
            "calibration: none."
        )
    differ = np.ptp(margin(scores)) if scores.shape[1] == 2 else np.ptp(scores, axis=1).max()
    if not differ:
        raise DataError(
            f"Calibration of {what}: expected scores that differ, but all {len(scores)} validation pairs have "
            "the same; mend what scores them, or leave it out."
        )
    if scores.shape[1] == 2:
        from sklearn.metrics import roc_auc_score

        if (auc := roc_auc_score(labels, margin(scores))) <= 0.5:
            raise falling(what, len(labels), f"a right one is above a wrong one in {auc:.1%} of cases")


def sloping(what: str, pairs: int) -> DataError:
    """Return the error of a teacher whose scores do not rise with labels that are grades or numbers."""
    return DataError(
        f"Calibration of {what}: expected scores that rise with the labels, but in {pairs} scored validation pairs the "
        "line that fits them best does not rise; see whether its higher scores mean higher labels, or leave it out."
    )


def falling(what: str, pairs: int, found: str) -> DataError:
    """Return the error of a teacher that is wrong more often than right, with what was found."""
    return DataError(
        f"Calibration of {what}: expected right answers to have higher scores than wrong ones, but its "
        f"scores fall where the right answers are: in {pairs} scored validation pairs {found}; see which of its scores "
        "means right, or leave it out."
    )
