"""Hand-worked values of the metrics, and what a library would get wrong in silence."""

import math
from collections.abc import Callable, Hashable

import numpy as np
import pytest

from tmkd.choices import CLASSES, FLOAT
from tmkd.errors import DataError
from tmkd.evaluation.ensemble import average_probabilities
from tmkd.evaluation.metrics import evaluate, per_question
from tmkd.measures import main_metric


def binary(scores: list[float]) -> np.ndarray:
    return np.stack([1 - np.array(scores), np.array(scores)], axis=1)


# Question a: order 0 1 1 -> AP (1/2 + 2/3) / 2, RR 1/2. Question b: order 1 0 -> 1. Question c has no right passage,
# d no wrong one.
QUESTIONS = ["a", "b", "a", "c", "b", "a", "c", "d"]
LABELS = np.array([1, 0, 0, 0, 1, 1, 0, 1])
SCORES = binary([0.2, 0.3, 0.9, 0.6, 0.8, 0.7, 0.1, 0.4])
NDCG_A = (1 / math.log2(3) + 1 / math.log2(4)) / (1 + 1 / math.log2(3))


def test_ranking_metrics_equal_values_worked_out_by_hand_over_interleaved_questions() -> None:
    metrics = evaluate(SCORES, LABELS, QUESTIONS, ranking=True)
    assert metrics["map"] == pytest.approx((7 / 12 + 1) / 2)
    assert metrics["mrr"] == pytest.approx((1 / 2 + 1) / 2)
    assert metrics["ndcg"] == pytest.approx((NDCG_A + 1) / 2)
    assert metrics["accuracy"] == pytest.approx(4 / 8)
    # Right 0.2 0.8 0.7 0.4 against wrong 0.3 0.9 0.6 0.1: they win 1 + 3 + 3 + 2 of 16 comparisons.
    assert metrics["auc"] == pytest.approx(9 / 16)


def test_questions_without_a_right_or_a_wrong_passage_do_not_dilute_the_mean() -> None:
    questions, values = per_question(SCORES, LABELS, QUESTIONS, ranking=True)
    assert questions == ["a", "b"]
    assert values == pytest.approx([7 / 12, 1.0])


@pytest.mark.parametrize("labels", [[1, 0, 0, 0], [0, 0, 0, 1]])
def test_constant_scorer_is_not_rewarded_by_the_row_order(labels: list[int]) -> None:
    metrics = evaluate(binary([0.5] * 4), np.array(labels), [7] * 4, ranking=True)
    assert metrics["map"] == metrics["mrr"] == 0.25
    assert metrics["ndcg"] == pytest.approx(1 / math.log2(5))
    assert metrics["auc"] == 0.5


def test_right_passage_with_zero_probability_still_has_a_rank() -> None:
    # torchmetrics alone gives 0: it ignores right passages whose score is not positive.
    assert evaluate(binary([0.5, 0.0]), np.array([0, 1]), ["q", "q"], ranking=True)["map"] == 0.5


def test_scores_that_differ_only_beyond_float32_are_not_tied() -> None:
    scores = np.array([[1e-12, 1 - 1e-12], [2e-12, 1 - 2e-12]])
    assert evaluate(scores, np.array([1, 0]), ["q", "q"], ranking=True)["map"] == 1.0


@pytest.mark.parametrize("classes", [2, 3])
def test_passages_that_a_teacher_is_sure_of_are_not_tied(classes: int) -> None:
    margins = np.array([700.0, 52.1, 47.3, 44.0])  # marks out of 100, or BM25's: of the last three 1 - p is 0
    answers = average_probabilities([np.stack([*[-margins / 2] * (classes - 1), margins / 2], axis=1)])
    labels = np.array([0, 1, 0, 0]) * (classes - 1)
    assert evaluate(answers, labels, [0] * 4, ranking=True)["mrr"] == 1 / 2
    assert evaluate(answers, labels, [0] * 4, ranking=True).get("auc", 2 / 3) == pytest.approx(2 / 3)


def test_three_classes_have_accuracy_alone() -> None:
    probabilities = np.array([[0.6, 0.3, 0.1], [0.2, 0.3, 0.5], [0.1, 0.8, 0.1]])
    assert evaluate(probabilities, np.array([0, 2, 0]), ["q"] * 3, ranking=False) == {"accuracy": pytest.approx(2 / 3)}


@pytest.mark.parametrize("ranking", [True, False])
@pytest.mark.parametrize(
    "name", [str, lambda each: ord(each), lambda each: (each, 1), lambda each: None if each == "a" else each]
)
def test_ids_of_any_type_give_the_same_values(name: Callable[[str], Hashable], ranking: bool) -> None:
    ids = [name(each) for each in QUESTIONS]
    objects = np.fromiter(ids, dtype=object, count=len(ids))
    expected = evaluate(SCORES, LABELS, QUESTIONS, ranking, PARTS)
    for given in (ids, objects):
        assert evaluate(SCORES, LABELS, given, ranking, PARTS) == expected
        questions, values = per_question(SCORES, LABELS, given, ranking)
        assert set(questions) <= set(ids)
        assert sorted(values) == sorted(per_question(SCORES, LABELS, QUESTIONS, ranking)[1])


def test_number_and_its_digits_are_two_questions() -> None:
    assert len(per_question(binary([0.9, 0.2]), np.array([1, 1]), [1, "1"], ranking=False)[0]) == 2


def test_pairs_of_one_premise_are_drawn_together_and_weigh_by_their_number() -> None:
    right = binary([0.9, 0.9, 0.2, 0.7])
    questions, values = per_question(right, np.array([1, 1, 1, 1]), ["x", "x", "x", "y"], ranking=False)
    assert questions == ["x", "y"]
    assert values.tolist() == [0.625, 0.875]  # 3/4 are right; of x 1/4 of a pair fewer than that, by two a question


def test_each_pair_is_a_question_where_no_two_share_theirs() -> None:
    questions, values = per_question(binary([0.9, 0.2]), np.array([1, 1]), ["y", "x"], ranking=False)
    assert (questions, values.tolist()) == (["x", "y"], [0.0, 1.0])


def test_auc_of_one_class_is_undefined_rather_than_an_exception() -> None:
    assert math.isnan(evaluate(binary([0.1, 0.9]), np.array([1, 1]), [1, 2], ranking=False)["auc"])


@pytest.mark.parametrize("parts", [None, ["one"] * 3 + ["two"] * 7])
@pytest.mark.parametrize("metric", ["accuracy", "spearman", "map"])
def test_questions_and_parts_of_many_sizes_do_not_make_a_perfect_model_unsure(metric: str, parts: list[str]) -> None:
    labels = np.array([1, 0, 0, 1, 0, 0, 0, 1, 0, 0])
    kind, answers = (FLOAT, labels[:, None] * 1.0) if metric == "spearman" else (CLASSES, binary(labels * 0.8 + 0.1))
    questions = ["a", "a", "a", "b", "b", "b", "b", "c", "c", "d"]
    _, values = per_question(answers, labels, questions, metric == "map", parts, metric, kind)
    assert values.tolist() == pytest.approx([1.0] * len(values))


def test_spread_of_accuracy_is_that_of_a_bootstrap_of_whole_questions() -> None:
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 12, 240)
    question, right = np.repeat(np.arange(240), sizes), rng.random(sizes.sum()) < 0.9
    _, values = per_question(binary(right * 0.8 + 0.1), np.ones(len(right), int), question, ranking=False)
    sums = np.bincount(question, weights=right)
    drawn = rng.integers(240, size=(2000, 240))
    assert values.std() / 240**0.5 == pytest.approx((sums[drawn].sum(1) / sizes[drawn].sum(1)).std(), rel=0.05)


@pytest.mark.parametrize("ranking", [True, False])
def test_mean_of_per_question_values_is_the_main_metric(ranking: bool) -> None:
    metrics = evaluate(SCORES, LABELS, QUESTIONS, ranking)
    assert per_question(SCORES, LABELS, QUESTIONS, ranking)[1].mean() == pytest.approx(metrics[main_metric(ranking)])


def test_diverged_model_is_named_by_the_row_that_is_not_finite() -> None:
    with pytest.raises(DataError, match=r"1 of 2 pairs have NaN.*row 1"):
        evaluate(binary([0.1, float("nan")]), np.array([0, 1]), [1, 2], ranking=False)


def test_labels_of_other_pairs_are_refused() -> None:
    with pytest.raises(DataError, match=r"\(2, 2\), \(3,\)"):
        evaluate(binary([0.1, 0.2]), np.array([0, 1, 1]), [1, 2], ranking=False)


def test_no_question_to_rank_is_an_error_rather_than_a_map_of_zero() -> None:
    with pytest.raises(DataError, match="none of the 2 questions"):
        evaluate(binary([0.1, 0.2]), np.array([0, 1]), [1, 2], ranking=True)


PARTS = ["one", "two", "one", "one", "two", "one", "one", "one"]


def test_parts_of_a_split_count_alike_whatever_their_size() -> None:
    # One: rows 0 2 3 5 6 7, right in 5 and 6 -> and two: rows 1 and 4.
    correct = SCORES.argmax(axis=1) == LABELS
    inside = np.array(PARTS) == "one"
    metrics = evaluate(SCORES, LABELS, QUESTIONS, ranking=True, parts=PARTS)
    assert metrics["accuracy"] == pytest.approx((correct[inside].mean() + correct[~inside].mean()) / 2)
    assert metrics["accuracy"] != pytest.approx(correct.mean())
    assert metrics["map"] == pytest.approx((7 / 12 + 1) / 2)  # question a is all in one, b in two
    assert evaluate(SCORES, LABELS, QUESTIONS, True, ["all"] * 8) == evaluate(SCORES, LABELS, QUESTIONS, True)


@pytest.mark.parametrize("ranking", [True, False])
def test_mean_of_per_question_values_is_the_main_metric_over_parts(ranking: bool) -> None:
    metrics = evaluate(SCORES, LABELS, QUESTIONS, ranking, PARTS)
    questions, values = per_question(SCORES, LABELS, QUESTIONS, ranking, PARTS)
    assert len(questions) == len(values)
    assert values.mean() == pytest.approx(metrics[main_metric(ranking)])


def test_parts_of_other_pairs_are_refused() -> None:
    with pytest.raises(DataError, match="8 pairs but found 7 parts"):
        evaluate(SCORES, LABELS, QUESTIONS, ranking=False, parts=PARTS[1:])
