"""What answers that know nothing score, in closed form, and how much of the way from there a metric is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tmkd.choices import CLASSES, GRADED
from tmkd.evaluation.retrieval import dcg, rankable, ranked
from tmkd.measures import cutoff, recorded


def chance(
    labels: np.ndarray,
    question_ids: Sequence[str | int] | np.ndarray,
    training_labels: np.ndarray,
    classes: int,
    ranking: bool,
    parts: Sequence[str] | np.ndarray | None = None,
    metric: str | None = None,
    kind: str = CLASSES,
) -> dict[str, float]:
    """Return the metrics of ``tmkd.evaluation.metrics.evaluate`` for answers that do not look at the pairs.

    Accuracy is that of one class for all pairs, the most frequent of the training split (the test split's own could not
    be known); auc is 1/2; those of a ranking are expected values, where every order of a question's passages is as
    likely as any other. Of grades and numbers, mse is that of the training split's mean, and spearman 0.

    Args:
        labels: [pairs], of the split that is judged: indices of classes, grades or numbers.
        question_ids: [pairs]; only questions that can be ranked count for those of a ranking, as in ``evaluate``.
        training_labels: [training pairs], likewise.
        classes: how many there are; the last is "relevant". Of no account where ``kind`` has none.
        ranking, metric, kind: as for ``evaluate``.
        parts: [pairs], as for ``evaluate``: each metric is the mean over the parts.
    """
    labels, question_ids = np.asarray(labels), np.asarray(question_ids)
    groups = [np.full(len(labels), True)] if parts is None else [np.asarray(parts) == part for part in np.unique(parts)]
    metrics = {}
    if kind == CLASSES:
        majority = majority_class(training_labels)
        metrics["accuracy"] = float(np.mean([np.mean(labels[at] == majority) for at in groups]))
    else:
        error = (labels - np.mean(training_labels, dtype=np.float64)) ** 2
        metrics |= {"mse": float(np.mean([error[at].mean() for at in groups])), "spearman": 0.0}
    if kind == CLASSES and classes == 2:
        metrics["auc"] = 0.5
    if ranking:
        names = recorded(metric)
        gains = (labels == classes - 1 if kind == CLASSES else labels).astype(float)
        each = [_random_order(gains[at], question_ids[at], names, kind == GRADED) for at in groups]
        metrics |= dict(zip(names, np.mean(each, axis=0).tolist(), strict=True))
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


def _random_order(
    gains: np.ndarray, question_ids: np.ndarray, metrics: Sequence[str], exponential: bool
) -> list[float]:
    """Return the expected metrics of a random order, means over the questions that can be ranked."""
    _, question = np.unique(question_ids, return_inverse=True)
    kept = rankable(gains, question)
    at = kept[question]
    best = ranked(gains[at], gains[at], (np.cumsum(kept) - 1)[question[at]])
    lengths = best.sums(np.ones(len(best.gains)))
    sizes = np.stack([lengths, best.sums((best.gains > 0).astype(float))], axis=1).astype(int)
    sizes, which = np.unique(sizes, axis=0, return_inverse=True)
    expected = []
    for metric in metrics:
        name, most = cutoff(metric)
        if name == "ndcg":
            gained = best.sums(np.exp2(best.gains) - 1 if exponential else best.gains)
            discounts = best.sums(np.where(best.rank <= (most or np.inf), 1 / np.log2(best.rank + 1), 0.0))
            values = gained / lengths * discounts / dcg(best, most, exponential)
        else:
            values = np.array([_expected(name, passages, right, most) for passages, right in sizes.tolist()])[
                which.ravel()
            ]
        expected.append(float(values.mean()))
    return expected


def _expected(name: str, passages: int, right: int, most: int | None) -> float:
    """Return the expected map, mrr (cut at rank ``most``) or r of a number of passages, some of them right.

    Each rank holds a right passage with probability right / passages; given that, each earlier one with
    (right − 1) / (passages − 1). The first right one is at rank r where the r − 1 before it are wrong.
    """
    ranks = np.arange(1, passages + 1)
    if name == "map":
        return float(((1 + (ranks - 1) * (right - 1) / (passages - 1)) / ranks).mean())
    if name == "r":
        return min(most or passages, passages) / passages
    wrong = np.maximum(passages - right - np.arange(passages - 1), 0) / (passages - np.arange(passages - 1))
    none_before = np.cumprod([1.0, *wrong])  # [ranks]
    first = none_before * np.minimum(right / (passages - ranks + 1), 1)
    return float((first / ranks)[: most or passages].sum())
