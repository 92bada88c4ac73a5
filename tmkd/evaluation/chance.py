"""What answers that know nothing score, in closed form, and how much of the way from there a metric is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tmkd.choices import CLASSES
from tmkd.evaluation.metrics import gains_of


def chance(
    labels: np.ndarray,
    question_ids: Sequence[str | int] | np.ndarray,
    training_labels: np.ndarray,
    classes: int,
    ranking: bool,
    parts: Sequence[str] | np.ndarray | None = None,
    kind: str = CLASSES,
) -> dict[str, float]:
    """Return the metrics of ``tmkd.evaluation.metrics.evaluate`` for answers that do not look at the pairs.

    Accuracy is that of one class for all pairs, the most frequent of the training split (the test split's own could not
    be known); auc is 1/2; map, mrr and ndcg are expected values, where every order of a question's passages is as
    likely as any other. Of grades and numbers, mse is that of the training split's mean, and spearman 0.

    Args:
        labels: [pairs], indices of classes, grades or numbers, of the split that is judged.
        question_ids: [pairs]; only questions with a right and a wrong passage are ranked, as in ``evaluate``.
        training_labels: [training pairs], likewise.
        classes: how many there are; the last is "relevant".
        ranking: also give map, mrr and ndcg.
        parts: [pairs], as for ``evaluate``: each metric is the mean over the parts.
        kind: what labels are, of ``tmkd.choices.LABEL_KINDS``.
    """
    labels, question_ids = np.asarray(labels), np.asarray(question_ids)
    groups = [np.full(len(labels), True)] if parts is None else [np.asarray(parts) == part for part in np.unique(parts)]
    if kind != CLASSES:
        labels = labels.astype(np.float64)
        mean = np.asarray(training_labels, dtype=np.float64).mean()
        metrics = {"mse": float(np.mean([((labels[at] - mean) ** 2).mean() for at in groups])), "spearman": 0.0}
        if ranking:
            gains = gains_of(labels, kind)
            metrics["ndcg"] = float(np.mean([_random_gains(gains[at], question_ids[at]) for at in groups]))
        return metrics
    majority = majority_class(training_labels)
    metrics = {"accuracy": float(np.mean([np.mean(labels[at] == majority) for at in groups]))}
    if classes == 2:
        metrics["auc"] = 0.5
    if ranking:
        each = [_random_order(labels[at] == classes - 1, question_ids[at]) for at in groups]
        metrics |= dict(zip(("map", "mrr", "ndcg"), np.mean(each, axis=0).tolist(), strict=True))
    return metrics


def majority_class(labels: np.ndarray) -> int:
    """Return the most frequent label; the smallest of those that are equally frequent."""
    return int(np.bincount(np.asarray(labels)).argmax())


def lift(value: float | None, ensemble: float | None, chance: float | None) -> float | None:
    """Return the share of the ensemble's lead over chance that a value has: 0 at chance, 1 at the ensemble.

    None where a number is missing, or the ensemble is no better than chance.
    """
    if value is None or ensemble is None or chance is None or ensemble <= chance:
        return None
    return (value - chance) / (ensemble - chance)


def _random_order(relevant: np.ndarray, question_ids: np.ndarray) -> np.ndarray:
    """Return the expected map, mrr and ndcg [3] of a random order, a mean over the questions that can be ranked."""
    _, question = np.unique(question_ids, return_inverse=True)
    sizes = np.stack([np.bincount(question), np.bincount(question, weights=relevant).astype(int)], axis=1)
    sizes = sizes[(sizes[:, 1] > 0) & (sizes[:, 1] < sizes[:, 0])]
    alike, count = np.unique(sizes, axis=0, return_counts=True)
    return np.average([_expected(passages, right) for passages, right in alike.tolist()], axis=0, weights=count)


def _random_gains(gains: np.ndarray, question_ids: np.ndarray) -> float:
    """Return the expected nDCG of a random order, a mean over the questions whose gains [pairs] are not all the same.

    Every rank expects the question's mean gain.
    """
    order = np.argsort(question_ids, kind="stable")
    _, starts = np.unique(question_ids[order], return_index=True)
    values = []
    for own in np.split(gains[order], starts[1:]):
        if own.min() < own.max():
            discounts = 1 / np.log2(np.arange(len(own)) + 2)
            values.append(own.mean() * discounts.sum() / (np.sort(own)[::-1] @ discounts))
    return float(np.mean(values))


def _expected(passages: int, right: int) -> tuple[float, float, float]:
    """Return the expected average precision, reciprocal rank and nDCG of a number of passages, some of them right.

    Each rank holds a right passage with probability right / passages; given that, each earlier one with
    (right − 1) / (passages − 1). Wrong passages before the first right one are negative hypergeometric.
    """
    from scipy.stats import nhypergeom

    ranks = np.arange(1, passages + 1)
    precision = (1 + (ranks - 1) * (right - 1) / (passages - 1)) / ranks  # at a rank that holds a right passage
    first = nhypergeom(passages, passages - right, 1).pmf(ranks - 1)
    gain = 1 / np.log2(ranks + 1)
    return float(precision.mean()), float(first @ (1 / ranks)), float(right * gain.mean() / gain[:right].sum())
