"""How good predictions are: accuracy and AUC over pairs; metrics of ``tmkd.evaluation.retrieval`` over questions.

Where labels are grades or numbers, predictions are scores: squared error and Spearman's correlation over pairs.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from tmkd.choices import CLASSES, GRADED
from tmkd.errors import DataError
from tmkd.evaluation.auc import auc, auc_by_question
from tmkd.evaluation.correlation import spearman, standard_ranks
from tmkd.evaluation.ensemble import log_odds, scores_of
from tmkd.evaluation.retrieval import rankable, retrieval
from tmkd.measures import main_metric, of_ranking, recorded


def evaluate(
    answers: np.ndarray,
    labels: np.ndarray,
    question_ids: Sequence[Hashable] | np.ndarray,
    ranking: bool,
    parts: Sequence[str] | np.ndarray | None = None,
    metric: str | None = None,
    kind: str = CLASSES,
) -> dict[str, float]:
    """Score predictions; every value is a fraction between 0 and 1, but for mse and spearman.

    Args:
        answers: probabilities [pairs, classes], of which the last, "relevant", is the score; or scores [pairs, 1] of
            grades and numbers.
        labels: [pairs], indices of classes, whose last is relevant by 1 and all others by 0; or grades or numbers, how
            relevant each passage is: where passages are ranked 0 (not at all) or more.
        question_ids: [pairs], texts, numbers or anything that can be hashed; the rows of a question need not be
            adjacent.
        ranking: also give ``RECORDED`` of ``tmkd.measures``, means over the questions that can be ranked: those with
            passages of two different relevances. Among equal scores the less relevant passage comes first.
        parts: [pairs], the part of the split that each pair is in, where there are several (MNLI, matched and
            mismatched): every metric is then the mean over the parts of the metric within each.
        metric: what the task is judged by, which is given in any case.
        kind: what labels are, of ``tmkd.choices.LABEL_KINDS``. nDCG's gain is 2^grade − 1, or the number itself.

    Returns:
        accuracy where there are classes; auc where there are two (NaN if the labels are all one class; ties count one
        half); mse and spearman, of all pairs, of grades and numbers; those of the ranking.

    Raises:
        DataError: shapes that disagree, answers that are not finite, no question that can be ranked, or labels of one
            class where the task is judged by auc.
    """
    answers, labels, question_ids = _checked(answers, labels, question_ids, parts, kind)
    if parts is not None:
        each = [
            evaluate(answers[at], labels[at], question_ids[at], ranking, None, metric, kind) for at in _members(parts)
        ]
        return {name: float(np.mean([metrics[name] for metrics in each])) for name in each[0]}
    metrics = {}
    classes = answers.shape[1]
    if kind == CLASSES:
        metrics["accuracy"] = float(np.mean(answers.argmax(axis=1) == labels))
    else:
        metrics["mse"] = float(np.mean((answers[:, 0] - labels) ** 2))
        metrics["spearman"] = spearman(answers[:, 0], labels)
    if classes == 2:
        metrics["auc"] = auc(log_odds(answers)[:, 1], labels == 1, needed=metric == "auc")
    if ranking:
        names = recorded(metric)
        _, values = _retrieval(answers, labels, question_ids, names, kind)
        metrics |= dict(zip(names, values.mean(axis=0).tolist(), strict=True))
    return metrics


def per_question(
    answers: np.ndarray,
    labels: np.ndarray,
    question_ids: Sequence[Hashable] | np.ndarray,
    ranking: bool,
    parts: Sequence[str] | np.ndarray | None = None,
    metric: str | None = None,
    kind: str = CLASSES,
) -> tuple[list[Hashable], np.ndarray]:
    """Split the main metric over questions, for paired tests; the mean of the values is the main metric.

    Args and Raises: as for ``evaluate``.

    Returns:
        The ids of the questions, and one value each [questions] (sorted by id if ids can be compared, else in the order
        in which they come). Of a metric of rankings it is the question's own, and only questions that can be ranked
        have one. Of accuracy it is the accuracy, and by how much more of the question's pairs are classified rightly
        than that share of them, divided by the pairs of a mean question: the pairs of one premise are not independent,
        so that a test must draw them together, and that some have more pairs than others says nothing of how sure the
        mean is (the linear form of a ratio's variance: Cochran 1977, section 6.4). Of spearman it is
        likewise, with what a pair adds to the correlation of the standardised ranks, its influence (Devlin et al. 1975;
        the ranks are taken as given). Of auc it is that of ``auc_by_question``. With ``parts`` they come
        part by part: what they differ from their part's mean weighs more in a small part, times all questions, by the
        number of parts, by the part's questions.
    """
    answers, labels, question_ids = _checked(answers, labels, question_ids, parts, kind)
    if parts is not None:
        each = [
            per_question(answers[at], labels[at], question_ids[at], ranking, None, metric, kind)
            for at in _members(parts)
        ]
        total = sum(len(values) for _, values in each)
        whole = np.mean([values.mean() for _, values in each])
        weighted = [whole + (values - values.mean()) * total / (len(each) * len(values)) for _, values in each]
        return [question for questions, _ in each for question in questions], np.concatenate(weighted)
    name = main_metric(ranking, metric, kind)
    if of_ranking(name):
        questions, values = _retrieval(answers, labels, question_ids, [name], kind)
        return questions, values[:, 0]
    asked, question = grouped(question_ids)
    if name == "auc":
        return asked, auc_by_question(log_odds(answers)[:, 1], labels == 1, question)
    if name == "spearman":
        x, y = standard_ranks(answers[:, 0]), standard_ranks(labels)
        each_pair = x * y + np.mean(x * y) * (1 - (x**2 + y**2) / 2)
    else:
        each_pair = answers.argmax(axis=1) == labels
    sums, pairs, whole = np.bincount(question, weights=each_pair), np.bincount(question), np.mean(each_pair)
    return asked, whole + (sums - whole * pairs) * len(asked) / len(labels)


def scores_and_gains(answers: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what passages are ordered by, and how relevant they are, [pairs] each; arguments as for ``evaluate``."""
    classes = answers.shape[1]
    gains = labels if classes == 1 else labels == classes - 1
    return scores_of(answers), np.asarray(gains, dtype=np.float64)


def _members(parts: Sequence[str] | np.ndarray) -> list[np.ndarray]:
    """Return the pairs of each part, as a mask [pairs]."""
    return [np.asarray(parts) == part for part in np.unique(parts)]


def _checked(
    answers: np.ndarray,
    labels: np.ndarray,
    question_ids: Sequence[Hashable] | np.ndarray,
    parts: Sequence[str] | np.ndarray | None,
    kind: str,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    answers, labels = np.asarray(answers, dtype=np.float64), np.asarray(labels)
    # one Python object each: numpy would make one type of them all, and an axis more of tuples
    each = question_ids.tolist() if isinstance(question_ids, np.ndarray) else list(question_ids)
    question_ids = np.fromiter(each, dtype=object, count=len(each))
    if answers.ndim != 2 or not len(answers) == len(labels) == len(question_ids) > 0:
        raise DataError(
            "Metrics: expected probabilities [pairs, classes] with a label and a question id for each pair, but found "
            f"shapes {answers.shape}, {labels.shape} and {question_ids.shape}; score and label the same pairs."
        )
    if (kind == CLASSES) != (answers.shape[1] > 1):
        expected = "probabilities of two classes or more" if kind == CLASSES else "one score a pair"
        raise DataError(
            f"Metrics: expected {expected}, as labels are {kind}, but found {answers.shape[1]} columns; score "
            "this task with a model of it."
        )
    if parts is not None and len(parts) != len(labels):
        raise DataError(
            f"Metrics: expected the part of each of {len(labels)} pairs but found {len(parts)} parts; take both from "
            "the same rows."
        )
    not_finite = np.flatnonzero(~np.isfinite(answers).all(axis=1))
    if len(not_finite):
        raise DataError(
            f"Metrics: expected finite probabilities, but {len(not_finite)} of {len(answers)} pairs have NaN or "
            f"infinity, the first at row {not_finite[0]}; the model has diverged: train it again with a lower "
            "learning rate."
        )
    return answers, labels, question_ids


def grouped(question_ids: np.ndarray) -> tuple[list[Hashable], np.ndarray]:
    """Return the different ids, and which of them each pair has [pairs]."""
    different: list[Any] = list(dict.fromkeys(question_ids.tolist()))
    with suppress(TypeError):  # ids of several types cannot be compared
        different = sorted(different)
    places = {name: place for place, name in enumerate(different)}
    return different, np.array([places[name] for name in question_ids.tolist()])


def _retrieval(
    answers: np.ndarray, labels: np.ndarray, question_ids: np.ndarray, names: Sequence[str], kind: str
) -> tuple[list[Hashable], np.ndarray]:
    """Return the questions that can be ranked, and their values [questions, names]."""
    scores, gains = scores_and_gains(answers, labels)
    asked, question = grouped(question_ids)
    kept = rankable(gains, question)
    at = kept[question]
    number = (np.cumsum(kept) - 1)[question[at]]
    questions = [asked[place] for place in np.flatnonzero(kept)]
    return questions, retrieval(scores[at], gains[at], number, names, exponential=kind == GRADED)
