"""Cut-offs: the lowest score at which a passage is kept, chosen by how many of the right answers must be kept.

A cut-off is chosen on some pairs and judged on others, since on its own pairs it keeps what it was chosen to keep.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from tmkd.errors import DataError
from tmkd.evaluation.metrics import grouped

TARGETS = (0.99, 0.95, 0.9, 0.8)  # shares of the right answers
FOLDS = 5
RESAMPLES = 2_000
DIGITS = 4  # decimals of a score, so that a cut-off that is copied from a table is the one that was judged


@dataclass(frozen=True)
class Estimate:
    """A share between 0 and 1, and its 95 % percentile bootstrap interval over questions."""

    value: float
    low: float
    high: float


def percent(share: Estimate) -> str:
    """Return a share in per cent, with its interval."""
    return f"{100 * share.value:.1f} % ({100 * share.low:.1f} to {100 * share.high:.1f})"


@dataclass(frozen=True)
class Cutoff:
    """A cut-off, and what it keeps of pairs that it was not chosen on.

    Attributes:
        target: the share of right answers that it was chosen to keep.
        score: pairs with this score or a higher one are kept.
        recall: the share of right answers that it keeps.
        kept: the share of all passages that it keeps.
        precision: the share of right answers among those that it keeps; None where it keeps none.
    """

    target: float
    score: float
    recall: Estimate
    kept: Estimate
    precision: Estimate | None


def cutoffs(
    chosen_on: tuple[np.ndarray, np.ndarray],
    judged_on: tuple[np.ndarray, np.ndarray, Sequence[Hashable] | np.ndarray],
    targets: Sequence[float] = TARGETS,
) -> list[Cutoff]:
    """Choose cut-offs on one split and judge them on another.

    Args:
        chosen_on: scores [pairs], finite, the higher the more surely right; and whether each pair is right [pairs].
        judged_on: the same of the other split, and the ids of its questions [pairs].

    Raises:
        DataError: no right pair in one of the two, or scores that are not finite.
    """
    scores, right, question_ids = judged_on
    places = [choose(*chosen_on, target) for target in targets]
    kept = np.stack([_finite(scores) >= place for place in places], axis=1)
    return _judged(targets, places, kept, right, question_ids)


def own_cutoffs(
    scores: np.ndarray,
    right: np.ndarray,
    question_ids: Sequence[Hashable] | np.ndarray,
    targets: Sequence[float] = TARGETS,
) -> list[Cutoff]:
    """Choose cut-offs on all pairs; what they keep is cross-validated: each fold by a cut-off of the other questions.

    Raises:
        DataError: as ``cutoffs``; or right pairs in one question alone.
    """
    right, (_, question) = np.asarray(right, dtype=bool), grouped(np.asarray(question_ids, dtype=object))
    if len(np.unique(question[right])) < 2:
        raise DataError(
            "Cut-offs: expected right answers to two questions at least, one to judge what the other chooses, but "
            f"found {len(np.unique(question[right]))}; label more pairs."
        )
    kept = np.zeros((len(scores), len(targets)), dtype=bool)
    for train, test in folds(question, right):
        for at, target in enumerate(targets):
            kept[test, at] = scores[test] >= choose(scores[train], right[train], target)
    return _judged(targets, [choose(scores, right, target) for target in targets], kept, right, question_ids)


def choose(scores: np.ndarray, right: np.ndarray, target: float) -> float:
    """Return the highest score that keeps at least a share of the right pairs.

    It has ``DIGITS`` decimals; more, where scores differ by less than a thousandth of their spread otherwise.
    """
    found = np.sort(_finite(scores)[np.asarray(right, dtype=bool)])[::-1].tolist()
    if not len(found):
        raise DataError("Cut-offs: expected right answers to choose by, but found none; label some.")
    needed = math.ceil(target * len(found) - 1e-9)
    lowest: float = found[max(needed, 1) - 1]
    spread = float(np.std(found))
    digits = max(DIGITS, 3 - math.floor(math.log10(spread))) if spread else DIGITS
    return math.floor(lowest * 10.0**digits) / 10.0**digits


def folds(question: np.ndarray, right: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (the other pairs, the fold's own) for each fold; a question's pairs are in one, the same at every call.

    Args:
        question: [pairs], the number of each pair's question.
        right: [pairs], of what each fold has about as much, as far as questions allow.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    count = min(FOLDS, len(np.unique(question[np.asarray(right, dtype=bool)])))
    made = StratifiedGroupKFold(count, shuffle=True, random_state=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # fewer pairs of a class than folds: not every fold has one
        return list(made.split(question, np.asarray(right, dtype=int), question))


def _judged(
    targets: Sequence[float],
    places: Sequence[float],
    kept: np.ndarray,
    right: np.ndarray,
    question_ids: Sequence[Hashable] | np.ndarray,
) -> list[Cutoff]:
    """Return the cut-offs, of which each keeps pairs as in a column of ``kept`` [pairs, cut-offs]."""
    right = np.asarray(right, dtype=bool)
    if not right.any():
        raise DataError("Cut-offs: expected right answers to judge them by, but found none; label some.")
    asked, question = grouped(np.asarray(question_ids, dtype=object))
    columns = np.concatenate([right[:, None], np.ones((len(right), 1)), kept & right[:, None], kept], axis=1)
    by_question = np.zeros((len(asked), columns.shape[1]))
    np.add.at(by_question, question, columns)
    sums = np.concatenate([by_question.sum(axis=0)[None], _resampled(by_question)])  # the first is what was found
    found = []
    for at, (target, place) in enumerate(zip(targets, places, strict=True)):
        kept_right, kept_all = sums[:, 2 + at], sums[:, 2 + len(places) + at]
        recall, share = _estimate(kept_right, sums[:, 0]), _estimate(kept_all, sums[:, 1])
        found.append(Cutoff(target, place, recall, share, _estimate(kept_right, kept_all) if kept_all[0] else None))
    return found


def _estimate(part: np.ndarray, whole: np.ndarray) -> Estimate:
    """Return the first share and the interval of the others; resamples without any of the whole do not count."""
    shares = part[whole > 0] / whole[whole > 0]
    low, high = np.quantile(shares[1:], (0.025, 0.975)) if len(shares) > 1 else (shares[0], shares[0])
    return Estimate(float(shares[0]), float(low), float(high))


def _resampled(by_question: np.ndarray) -> np.ndarray:
    """Return sums [resamples, columns] over questions drawn with replacement; the same at every call."""
    random, count = np.random.default_rng(0), len(by_question)
    draws = (np.bincount(random.integers(count, size=count), minlength=count) for _ in range(RESAMPLES))
    return np.stack([drawn @ by_question for drawn in draws])


def _finite(scores: np.ndarray) -> np.ndarray:
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise DataError(
            f"Cut-offs: expected a finite score for each pair, but found shape {values.shape} with "
            f"{np.count_nonzero(~np.isfinite(values))} values that are not finite; score the split again."
        )
    return values
