"""AUC as a mean over questions, so that questions can be resampled."""

import numpy as np
import pytest

from tmkd.errors import DataError
from tmkd.evaluation.auc import auc, auc_by_question
from tmkd.evaluation.metrics import evaluate, per_question


def test_questions_values_are_as_by_hand() -> None:
    # Right 0.9 0.4, wrong 0.5 0.4 0.1: placements of the right ones 1 and (1/2 + 1)/3, of the wrong ones 1/2, 3/4, 1.
    scores, right = np.array([0.9, 0.4, 0.5, 0.4, 0.1]), np.array([True, True, False, False, False])
    assert auc(scores, right) == pytest.approx(3 / 4)
    values = auc_by_question(scores, right, np.array([0, 1, 0, 1, 1]))
    first = (1 - 3 / 4) / 2 + (1 / 2 - 3 / 4) / 3
    assert values == pytest.approx([3 / 4 + 2 * first, 3 / 4 - 2 * first])


def test_variance_of_the_mean_is_delongs_where_each_pair_is_a_question() -> None:
    draw = np.random.default_rng(1)
    right = draw.random(300) < 0.3
    scores = draw.normal(size=300) + right
    values = auc_by_question(scores, right, np.arange(300))
    assert values.mean() == pytest.approx(auc(scores, right))
    wins = np.greater.outer(scores[right], scores[~right]).astype(float)
    delong = wins.mean(axis=1).var() / right.sum() + wins.mean(axis=0).var() / (~right).sum()
    assert values.var() / 300 == pytest.approx(delong)


def test_per_question_values_follow_the_metric() -> None:
    answers = np.array([[0.1, 0.9], [0.6, 0.4], [0.5, 0.5], [0.6, 0.4], [0.9, 0.1]])
    labels, questions = np.array([1, 1, 0, 0, 0]), ["x", "y", "x", "y", "y"]
    for metric in ("auc", "accuracy", "r@1", "mrr@10", "map"):
        _, values = per_question(answers, labels, questions, True, metric=metric)
        assert values.mean() == pytest.approx(evaluate(answers, labels, questions, True, metric=metric)[metric])
        parts = ["a", "b", "a", "b", "b"]
        _, values = per_question(answers, labels, questions, True, parts, metric)
        assert values.mean() == pytest.approx(evaluate(answers, labels, questions, True, parts, metric)[metric])


def test_task_judged_by_auc_needs_both_classes() -> None:
    answers = np.array([[0.1, 0.9], [0.6, 0.4]])
    with pytest.raises(DataError, match="judged by auc, got 2 of one class"):
        evaluate(answers, np.array([1, 1]), [0, 1], False, metric="auc")
