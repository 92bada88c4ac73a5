"""Chance worked out by hand, and against answers drawn at random."""

from itertools import combinations, permutations

import numpy as np
import pytest

from tmkd.evaluation.chance import chance, lift, majority_class
from tmkd.evaluation.metrics import evaluate
from tmkd.measures import recorded

QUESTIONS = np.repeat(np.arange(5), [4, 6, 3, 2, 5])
# The third question has no wrong passage, the last no right one.
LABELS = np.array([1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0])
TRAINING = np.array([0, 0, 0, 1])


def test_one_right_passage_of_four_is_expected_as_by_hand() -> None:
    # Equally often at rank 1 to 4: (1 + 1/2 + 1/3 + 1/4) / 4; gains 1, 1/log2 3, 1/2, 1/log2 5.
    found = chance(LABELS[:4], QUESTIONS[:4], TRAINING, 2, True)
    assert found["map"] == found["mrr"] == pytest.approx(25 / 48)
    assert found["ndcg"] == pytest.approx((1 + 1 / np.log2(3) + 1 / 2 + 1 / np.log2(5)) / 4)


def test_two_right_passages_of_three_are_expected_as_by_hand() -> None:
    # Orders RRW, RWR, WRR: AP 1, (1 + 2/3) / 2, (1/2 + 2/3) / 2; RR 1, 1, 1/2.
    found = chance(np.array([1, 0, 1]), np.zeros(3), TRAINING, 2, True)
    assert found["map"] == pytest.approx((1 + 5 / 6 + 7 / 12) / 3)
    assert found["mrr"] == pytest.approx(5 / 6)


@pytest.mark.parametrize(("passages", "right"), [(2, 1), (5, 2), (6, 1), (6, 3), (6, 5)])
def test_expected_metrics_are_the_means_over_all_orders(passages: int, right: int) -> None:
    places = list(combinations(range(passages), right))
    labels = np.array([[place in chosen for place in range(passages)] for chosen in places], dtype=int)
    scores = np.tile(np.linspace(0.9, 0.1, passages), len(places))
    orders = np.repeat(np.arange(len(places)), passages)  # a question for each order
    found = evaluate(np.stack([1 - scores, scores], axis=1), labels.ravel(), orders, True)
    expected = chance(labels[0], np.zeros(passages), TRAINING, 2, True)
    assert [expected[name] for name in ("map", "mrr", "ndcg")] == pytest.approx(
        [found[name] for name in ("map", "mrr", "ndcg")], abs=1e-6
    )


@pytest.mark.parametrize("gains", [[0, 1], [1, 0, 0, 1], [3, 0, 1, 1, 0], [2, 1, 1], [0, 0, 0, 0, 2]])
@pytest.mark.parametrize("kind", ["float", "graded"])
def test_expected_metrics_of_graded_passages_are_the_means_over_all_permutations(gains: list[int], kind: str) -> None:
    orders = np.array(list(permutations(gains)), dtype=float)
    scores = np.tile(np.linspace(0.9, 0.1, len(gains)), len(orders))
    questions = np.repeat(np.arange(len(orders)), len(gains))  # a question for each order
    labels, asked = np.array(gains, dtype=float), np.zeros(len(gains))
    for metric in ("ndcg@2", "mrr@2", "r@2", "ndcg@3", "mrr@9"):
        found = evaluate(scores[:, None], orders.ravel(), questions, True, None, metric, kind)
        expected = chance(labels, asked, labels, 1, True, None, metric, kind)
        of_rankings = recorded(metric)
        assert [expected[name] for name in of_rankings] == pytest.approx([found[name] for name in of_rankings])


def test_questions_of_several_sizes_count_alike() -> None:
    found = chance(LABELS, QUESTIONS, TRAINING, 2, True, metric="r@2")
    assert found["r@2"] == pytest.approx((2 / 4 + 2 / 6 + 2 / 2) / 3)
    each = [chance(LABELS[at], QUESTIONS[at], TRAINING, 2, True) for at in (slice(0, 4), slice(4, 10), slice(13, 15))]
    assert found["mrr@10"] == pytest.approx(np.mean([one["mrr@10"] for one in each]))


def test_questions_that_cannot_be_ranked_do_not_count() -> None:
    found, without = (chance(LABELS[:at], QUESTIONS[:at], TRAINING, 2, True) for at in (20, 15))
    ranked = ~np.isin(QUESTIONS, [2, 4])
    assert found["map"] == without["map"] == chance(LABELS[ranked], QUESTIONS[ranked], TRAINING, 2, True)["map"]


def test_accuracy_is_that_of_the_training_splits_majority_on_the_test_split() -> None:
    # The test split's own majority would have 0.6.
    labels = np.array([1, 1, 1, 0, 0])
    assert chance(labels, np.arange(5), TRAINING, 2, False) == {"accuracy": 0.4, "auc": 0.5}
    assert chance(labels, np.arange(5), np.array([2, 2, 0]), 3, False) == {"accuracy": 0.0}
    assert majority_class(np.array([1, 0, 2, 2, 0])) == 0


def test_parts_of_a_split_count_alike() -> None:
    labels, parts = np.array([0, 0, 0, 1]), ["matched"] * 3 + ["mismatched"]
    assert chance(labels, np.arange(4), TRAINING, 2, False, parts)["accuracy"] == 0.5
    ranked = chance(LABELS[:10], QUESTIONS[:10], TRAINING, 2, True, ["a"] * 4 + ["b"] * 6)
    each = [chance(LABELS[at], QUESTIONS[at], TRAINING, 2, True)["map"] for at in (slice(0, 4), slice(4, 10))]
    assert ranked["map"] == pytest.approx(np.mean(each))


def test_lift_is_nothing_at_chance_and_all_at_the_ensemble() -> None:
    assert [lift(value, 0.9, 0.5) for value in (0.5, 0.8, 0.9)] == pytest.approx([0.0, 0.75, 1.0])
    assert lift(0.4, 0.9, 0.5) == pytest.approx(-0.25)
    assert lift(0.8, 0.5, 0.5) is None  # an ensemble at chance: there is nothing to have a share of
    assert lift(None, 0.9, 0.5) is None
