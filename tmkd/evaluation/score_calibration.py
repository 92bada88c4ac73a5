"""Probabilities that mean what they say, and cut-offs: of one classifier, fitted on validation and judged on test."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import softmax

from tmkd.evaluation.calibration import Calibration
from tmkd.evaluation.cutoffs import Cutoff, Estimate, cutoffs, folds
from tmkd.evaluation.ensemble import log_odds
from tmkd.evaluation.metrics import grouped
from tmkd.evaluation.reliability import Reliability, reliability

METHODS = ("platt", "temperature", "isotonic")  # of two classes; of equally good ones the first is taken


@dataclass(frozen=True)
class Judgement:
    """Probabilities before and after a map, on the same pairs."""

    before: Reliability
    after: Reliability
    questions: int


@dataclass(frozen=True)
class ScoreCalibration:
    """What a classifier's scores are worth.

    Attributes:
        map: from log-odds to calibrated log-odds, fitted on all of validation.
        validation: the map's quality there, each fold of questions by a map of the others.
        test: its quality on the test split, which had no part in it.
        cutoffs: on the scores as they are, log-odds of the last class; none with more than two classes. They are chosen
            on validation and judged on test.
        probabilities: the calibrated probability that each cut-off is.
    """

    map: Calibration
    validation: Judgement
    test: Judgement
    cutoffs: tuple[Cutoff, ...] = ()
    probabilities: tuple[float, ...] = ()

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities [pairs, classes], float64, of the classifier's own."""
        return _applied(self.map, probabilities)

    def to_json(self) -> dict[str, Any]:
        """Return JSON's types; ``from_json`` gives an equal one."""
        return asdict(self) | {"map": self.map.to_json()}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> ScoreCalibration:
        """Return what ``to_json`` gave."""
        validation, test = (
            Judgement(Reliability(**each["before"]), Reliability(**each["after"]), each["questions"])
            for each in (fields["validation"], fields["test"])
        )
        return cls(
            Calibration.from_json(fields["map"]),
            validation,
            test,
            tuple(_cutoff(each) for each in fields["cutoffs"]),
            tuple(fields["probabilities"]),
        )


@dataclass(frozen=True)
class Split:
    """A split as a classifier answers it.

    Attributes:
        probabilities: [pairs, classes].
        labels: [pairs], indices of classes.
        question_ids: [pairs].
    """

    probabilities: np.ndarray
    labels: np.ndarray
    question_ids: Sequence[Hashable]


def calibrate_scores(validation: Split, test: Split, what: str = "this student") -> ScoreCalibration:
    """Fit a map and cut-offs on validation, and judge both on test.

    Of the methods that two classes can have, the one with the least cross-validated Brier score is taken; more classes
    have the temperature alone.

    Raises:
        DataError: too few pairs of a class, or scores that do not rise with the labels (``calibration_checks``).
    """
    classes = validation.probabilities.shape[1]
    tried = [(_crossed(method, validation, what), method) for method in (METHODS if classes == 2 else METHODS[1:2])]
    held_out, method = min(tried, key=lambda each: each[0].after.brier)  # of equals the first
    fitted = Calibration.fit(method, _logits(validation.probabilities), validation.labels, what)
    judged = _judgement(test, _applied(fitted, test.probabilities))
    if classes != 2:
        return ScoreCalibration(fitted, held_out, judged)
    scores, test_scores = (log_odds(each.probabilities)[:, -1] for each in (validation, test))
    found = cutoffs((scores, validation.labels == 1), (test_scores, test.labels == 1, test.question_ids))
    margins = np.array([each.score for each in found])
    probabilities = softmax(fitted.apply(np.stack([-margins / 2, margins / 2], axis=1)).astype(np.float64), axis=1)
    return ScoreCalibration(fitted, held_out, judged, tuple(found), tuple(probabilities[:, 1].tolist()))


def _crossed(method: str, split: Split, what: str) -> Judgement:
    """Judge a method on pairs whose questions had no part in the map."""
    logits, after = _logits(split.probabilities), np.empty(split.probabilities.shape)
    labels, (_, question) = np.asarray(split.labels), grouped(np.asarray(split.question_ids, dtype=object))
    # a class alone may be missing from a fold; the fit says so
    for train, test in folds(question, labels == labels.max()):
        fitted = Calibration.fit(method, logits[train], labels[train], f"{what} on a part of the questions")
        after[test] = _applied(fitted, split.probabilities[test])
    return _judgement(split, after)


def _judgement(split: Split, after: np.ndarray) -> Judgement:
    before = reliability(split.probabilities, split.labels)
    return Judgement(before, reliability(after, split.labels), len(set(split.question_ids)))


def _applied(fitted: Calibration, probabilities: np.ndarray) -> np.ndarray:
    after: np.ndarray = softmax(fitted.apply(_logits(probabilities)).astype(np.float64), axis=1)
    return after


def _logits(probabilities: np.ndarray) -> np.ndarray:
    """Return logits [pairs, classes] whose softmax the probabilities are; of two classes those of ``log_odds``."""
    p = np.asarray(probabilities, dtype=np.float64)
    if p.shape[1] == 2:
        margin = log_odds(p)[:, 1]
        return np.stack([-margin / 2, margin / 2], axis=1)
    logits: np.ndarray = np.log(np.maximum(p, np.finfo(float).tiny))
    return logits


def _cutoff(fields: dict[str, Any]) -> Cutoff:
    shares = {name: Estimate(**fields[name]) for name in ("recall", "kept", "precision") if fields[name] is not None}
    return Cutoff(fields["target"], fields["score"], shares["recall"], shares["kept"], shares.get("precision"))
