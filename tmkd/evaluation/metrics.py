"""How good predictions are: accuracy and AUC over pairs; MAP, MRR and nDCG over questions.

Where labels are grades or numbers, predictions are scores: squared error and Spearman's correlation over pairs, and
nDCG with gains over questions.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any

import numpy as np

from tmkd.choices import CLASSES, GRADED
from tmkd.errors import DataError

RETRIEVAL = {
    "map": "retrieval_average_precision",
    "mrr": "retrieval_reciprocal_rank",
    "ndcg": "retrieval_normalized_dcg",
}  # our names, and torchmetrics'


def main_metric(ranking: bool, kind: str = CLASSES) -> str:
    """Name the metric that a task is judged by: "map" where passages are ranked, "accuracy" elsewhere.

    Where labels are grades or numbers (``kind``, of ``tmkd.choices.LABEL_KINDS``): "ndcg" and "spearman".
    """
    if kind != CLASSES:
        return "ndcg" if ranking else "spearman"
    return "map" if ranking else "accuracy"


def evaluate(
    probabilities: np.ndarray,
    labels: np.ndarray,
    question_ids: Sequence[Hashable] | np.ndarray,
    ranking: bool,
    parts: Sequence[str] | np.ndarray | None = None,
    kind: str = CLASSES,
) -> dict[str, float]:
    """Score predictions; every value is a fraction between 0 and 1, but for mse and spearman.

    Args:
        probabilities: [pairs, classes]; the last class is "relevant", and its probability is the score. Of grades and
            numbers [pairs, 1], the score.
        labels: [pairs], indices of classes, grades or numbers.
        question_ids: [pairs], texts, numbers or anything that can be hashed; the rows of a question need not be
            adjacent.
        ranking: also give map, mrr and ndcg, over the questions with at least one right and one wrong passage, as
            WikiQA's authors do (Yang et al., EMNLP 2015). Among equal scores wrong passages come first, so neither
            the order of the rows nor a constant score is rewarded.
        parts: [pairs], the part of the split that each pair is in, where there are several (MNLI, matched and
            mismatched): every metric is then the mean over the parts of the metric within each.
        kind: what labels are, of ``tmkd.choices.LABEL_KINDS``.

    Returns:
        accuracy; auc where there are two classes (NaN if the labels are all one class; ties count one half);
        map, mrr and ndcg where ``ranking``. Of grades and numbers: mse and spearman, of all pairs; ndcg where
        ``ranking``, with the gains of ``gains_of``, over the questions with at least two different ones.

    Raises:
        DataError: shapes that disagree, probabilities that are not finite, or no question that can be ranked.
    """
    probabilities, labels, question_ids = _checked(probabilities, labels, question_ids, parts, kind)
    if parts is not None:
        each = [
            evaluate(probabilities[at], labels[at], question_ids[at], ranking, None, kind) for at in _members(parts)
        ]
        return {name: float(np.mean([metrics[name] for metrics in each])) for name in each[0]}
    if kind != CLASSES:
        scores = probabilities[:, 0]
        metrics = {"mse": float(np.mean((scores - labels) ** 2)), "spearman": spearman(scores, labels)}
        if ranking:
            _, values = _retrieval(scores, gains_of(labels, kind), question_ids, ("ndcg",))
            metrics["ndcg"] = float(values.mean())
        return metrics
    classes = probabilities.shape[1]
    metrics = {"accuracy": float(np.mean(probabilities.argmax(axis=1) == labels))}
    if classes == 2:
        from sklearn.metrics import roc_auc_score

        one_class = len(np.unique(labels)) < 2
        metrics["auc"] = float("nan") if one_class else float(roc_auc_score(labels, probabilities[:, 1]))
    if ranking:
        relevant = labels == classes - 1
        _, values = _retrieval(probabilities[:, -1], relevant, question_ids, tuple(RETRIEVAL))
        metrics |= dict(zip(RETRIEVAL, values.mean(axis=0).tolist(), strict=True))
    return metrics


def per_question(
    probabilities: np.ndarray,
    labels: np.ndarray,
    question_ids: Sequence[Hashable] | np.ndarray,
    ranking: bool,
    parts: Sequence[str] | np.ndarray | None = None,
    kind: str = CLASSES,
) -> tuple[list[Hashable], np.ndarray]:
    """Split the main metric over questions, for paired tests; the mean of the values is the main metric.

    Args and Raises: as for ``evaluate``.

    Returns:
        The ids of the questions, and one value each [questions]: average precision where ``ranking`` (sorted by id if
        ids can be compared, else in the order in which they come;
        only questions with a right and a wrong passage); else how many of the question's pairs are classified rightly,
        divided by the pairs of a mean question: the pairs of one premise are not independent, so that a test must
        draw them together. Of grades and numbers: nDCG where ``ranking``; else what the question's pairs add to
        Spearman's correlation, the sum of the products of their standardised ranks, by the pairs of a mean question (a
        test that draws questions takes the ranks as given). With ``parts`` they come part by part, and the values of a
        small part weigh more: times all questions, by the number of parts, by the part's questions.
    """
    probabilities, labels, question_ids = _checked(probabilities, labels, question_ids, parts, kind)
    if parts is not None:
        each = [
            per_question(probabilities[at], labels[at], question_ids[at], ranking, None, kind) for at in _members(parts)
        ]
        total = sum(len(values) for _, values in each)
        weighted = [values * total / (len(each) * len(values)) for _, values in each]
        return [question for questions, _ in each for question in questions], np.concatenate(weighted)
    if not ranking:
        asked, question = _grouped(question_ids)
        if kind == CLASSES:
            each_pair = probabilities.argmax(axis=1) == labels
        else:
            each_pair = _standard_ranks(probabilities[:, 0]) * _standard_ranks(labels)
        return asked, np.bincount(question, weights=each_pair) * len(asked) / len(labels)
    gains = labels == probabilities.shape[1] - 1 if kind == CLASSES else gains_of(labels, kind)
    questions, values = _retrieval(probabilities[:, -1], gains, question_ids, (main_metric(ranking, kind),))
    return questions, values[:, 0]


def gains_of(labels: np.ndarray, kind: str) -> np.ndarray:
    """Return the gains of nDCG [pairs]: 2^grade − 1 (Burges et al., ICML 2005); of numbers, themselves."""
    return np.exp2(labels) - 1 if kind == GRADED else labels


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Return Spearman's rank correlation of [pairs] and [pairs].

    It is not defined where one of the two is constant. Here it is 0 then, that of an order that says nothing.
    """
    return float(np.mean(_standard_ranks(a) * _standard_ranks(b)))


def _standard_ranks(values: np.ndarray) -> np.ndarray:
    """Return the ranks of values [pairs], ties sharing theirs, with mean 0 and variance 1; 0 where all are equal."""
    from scipy.stats import rankdata

    ranks = rankdata(values)
    ranks -= ranks.mean()
    deviation = ranks.std()
    standard: np.ndarray = ranks / deviation if deviation else ranks
    return standard


def _members(parts: Sequence[str] | np.ndarray) -> list[np.ndarray]:
    """Return the pairs of each part, as a mask [pairs]."""
    return [np.asarray(parts) == part for part in np.unique(parts)]


def _checked(
    probabilities: np.ndarray,
    labels: np.ndarray,
    question_ids: Sequence[Hashable] | np.ndarray,
    parts: Sequence[str] | np.ndarray | None,
    kind: str,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    probabilities, labels = np.asarray(probabilities, dtype=np.float64), np.asarray(labels)
    # one Python object each: numpy would make one type of them all, and an axis more of tuples
    each = question_ids.tolist() if isinstance(question_ids, np.ndarray) else list(question_ids)
    question_ids = np.fromiter(each, dtype=object, count=len(each))
    if probabilities.ndim != 2 or not len(probabilities) == len(labels) == len(question_ids) > 0:
        raise DataError(
            "Metrics: expected probabilities [pairs, classes] with a label and a question id for each pair, but found "
            f"shapes {probabilities.shape}, {labels.shape} and {question_ids.shape}; score and label the same pairs."
        )
    if (kind == CLASSES) != (probabilities.shape[1] > 1):
        expected = "probabilities of two classes or more" if kind == CLASSES else "one score a pair"
        raise DataError(
            f"Metrics: expected {expected}, as labels are {kind}, but found {probabilities.shape[1]} columns; score "
            "this task with a model of it."
        )
    if parts is not None and len(parts) != len(labels):
        raise DataError(
            f"Metrics: expected the part of each of {len(labels)} pairs but found {len(parts)} parts; take both from "
            "the same rows."
        )
    not_finite = np.flatnonzero(~np.isfinite(probabilities).all(axis=1))
    if len(not_finite):
        raise DataError(
            f"Metrics: expected finite probabilities, but {len(not_finite)} of {len(probabilities)} pairs have NaN or "
            f"infinity, the first at row {not_finite[0]}; the model has diverged: train it again with a lower "
            "learning rate."
        )
    return probabilities, labels, question_ids


def _grouped(question_ids: np.ndarray) -> tuple[list[Hashable], np.ndarray]:
    """Return the different ids, and which of them each pair has [pairs]."""
    different: list[Any] = list(dict.fromkeys(question_ids.tolist()))
    with suppress(TypeError):  # ids of several types cannot be compared
        different = sorted(different)
    places = {name: place for place, name in enumerate(different)}
    return different, np.array([places[name] for name in question_ids.tolist()])


def _retrieval(
    scored: np.ndarray, gains: np.ndarray, question_ids: np.ndarray, names: Sequence[str]
) -> tuple[list[Hashable], np.ndarray]:
    """Return the rankable questions, and their values [questions, names], of scores and gains [pairs]."""
    questions, question = _grouped(question_ids)
    order = np.lexsort((gains, -scored, question))
    import torch
    from torchmetrics.functional import retrieval

    # torchmetrics is given ranks, not probabilities: it rounds to float32 (which makes ties), breaks ties by the order
    # of the rows, and drops right passages whose score is 0. Ranks are distinct, positive and exact.
    scores = torch.arange(len(order), 0, -1, dtype=torch.float32)
    targets = torch.from_numpy(gains[order].astype(np.int64 if gains.dtype == bool else np.float64))
    ends = np.cumsum(np.bincount(question)).tolist()

    kept, values = [], []
    for index, (start, end) in enumerate(pairwise([0, *ends])):
        target = targets[start:end]
        if target.min() < target.max():
            kept.append(questions[index])
            values.append([getattr(retrieval, RETRIEVAL[name])(scores[start:end], target).item() for name in names])
    if not kept:
        raise DataError(
            f"Metrics: none of the {len(questions)} questions has both a right and a wrong passage, so nothing can be "
            "ranked; choose a split with such questions, or declare the task as one without ranking."
        )
    return kept, np.array(values)
