"""Answers that are scores: metrics, chance, means, gold loss and scale, worked out by hand."""

from itertools import permutations
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from tmkd.data.labels import Numbers
from tmkd.errors import DataError
from tmkd.evaluation.calibration import Calibration
from tmkd.evaluation.chance import chance
from tmkd.evaluation.correlation import spearman
from tmkd.evaluation.ensemble import average_probabilities, fidelity, teaching_logits
from tmkd.evaluation.metrics import evaluate, per_question
from tmkd.losses.combine import gold_term
from tmkd.measures import RECORDED, is_possible, main_metric, own_choice, possible, usual_metric
from tmkd.models.classifier import PairClassifier
from tmkd.reranker import Reranker
from tmkd.teachers.source import margin_logits

# Two questions; the third has one grade alone and cannot be ranked.
GRADES = np.array([0, 1, 3, 2, 0, 1, 1], dtype=np.float32)
QUESTIONS = ["a", "a", "a", "b", "b", "c", "c"]
SCORES = np.array([0.5, 2.0, 1.0, 3.0, -1.0, 0.0, 0.0])[:, None]
LOG3 = np.log2(3)


def test_ndcg_has_2_to_the_grade_minus_1_as_gain() -> None:
    # a: order 1, 3, 0 of gains 1, 7, 0, ideal 7, 1, 0; b: as it should be.
    first = (1 + 7 / LOG3) / (7 + 1 / LOG3)
    found = evaluate(SCORES, GRADES, QUESTIONS, True, kind="graded")
    assert found["ndcg"] == pytest.approx((first + 1) / 2)
    assert found["mse"] == pytest.approx(np.mean((SCORES[:, 0] - GRADES) ** 2))
    assert found["spearman"] == pytest.approx(spearmanr(SCORES[:, 0], GRADES).statistic)
    assert set(found) == {"mse", "spearman", *RECORDED}


def test_ndcg_of_numbers_has_the_numbers_as_gains() -> None:
    first = (1 + 3 / LOG3) / (3 + 1 / LOG3)
    assert evaluate(SCORES, GRADES, QUESTIONS, True, kind="float")["ndcg"] == pytest.approx((first + 1) / 2)


def test_equal_scores_put_the_lower_grade_first() -> None:
    # or a constant score would be rewarded, by the order of the rows
    found = evaluate(np.zeros((3, 1)), np.array([3, 0, 1]), ["q"] * 3, True, kind="graded")
    assert found["ndcg"] == pytest.approx((1 / LOG3 + 7 / 2) / (7 + 1 / LOG3))
    assert found["spearman"] == 0.0


@pytest.mark.parametrize("kind", ["graded", "float"])
@pytest.mark.parametrize("ranking", [True, False])
@pytest.mark.parametrize("parts", [None, ["x"] * 3 + ["y"] * 4])
def test_values_of_questions_have_the_main_metric_as_their_mean(
    kind: str, ranking: bool, parts: list[str] | None
) -> None:
    found = evaluate(SCORES, GRADES, QUESTIONS, ranking, parts, kind=kind)
    values = per_question(SCORES, GRADES, QUESTIONS, ranking, parts, kind=kind)[1]
    assert values.mean() == pytest.approx(found[main_metric(ranking, kind=kind)])


def test_grades_above_0_are_right_for_metrics_without_gains() -> None:
    # a: 1, 3, 0 in this order, b: 2, 0; right ones come first in both
    found = evaluate(SCORES, GRADES, QUESTIONS, True, metric="r@1", kind="graded")
    assert (found["map"], found["mrr"], found["r@1"]) == pytest.approx((1, 1, (1 / 2 + 1) / 2))
    values = per_question(SCORES, GRADES, QUESTIONS, True, metric="r@1", kind="graded")[1]
    assert values.tolist() == [0.5, 1]


def test_tasks_of_grades_are_judged_by_ndcg_or_spearman_and_never_by_accuracy() -> None:
    assert [main_metric(ranking, kind=kind) for ranking in (True, False) for kind in ("graded", "float")] == [
        "ndcg", "ndcg", "spearman", "spearman",
    ]  # fmt: skip
    asked = ("ndcg@10", "map", "mrr@3", "r@5", "spearman", "accuracy", "auc", "mse")  # a lower mse is the better one
    assert [is_possible(metric, True, 1) for metric in asked] == [True] * 5 + [False] * 3
    assert [metric for metric in asked if is_possible(metric, False, 1)] == ["spearman"]
    assert not is_possible("spearman", True, 2)
    assert possible(False, 1) == "null or one of spearman, as data.ranking is false and labels are grades or numbers"
    assert own_choice(True, "ndcg", "graded") is None and own_choice(True, "ndcg", "classes") == "ndcg"
    assert [usual_metric(found) for found in ({"map", "spearman"}, {"spearman"})] == ["ndcg", "spearman"]
    assert [usual_metric(found) for found in ({"map", "accuracy"}, {"accuracy"})] == ["map", "accuracy"]


def test_scores_of_another_shape_than_the_labels_are_refused() -> None:
    with pytest.raises(DataError, match="expected one score a pair, as labels are graded, but found 2 columns"):
        evaluate(np.zeros((2, 2)), np.array([0, 1]), [1, 1], True, kind="graded")
    with pytest.raises(DataError, match="expected probabilities of two classes or more, as labels are classes, but fo"):
        evaluate(np.zeros((2, 1)), np.array([0, 1]), [1, 1], True)


def test_chance_of_grades_is_as_by_hand() -> None:
    # a expects the mean gain (0 + 1 + 7) / 3 at each rank, b (3 + 0) / 2.
    found = chance(GRADES, QUESTIONS, np.array([0, 1, 2, 3]), 1, True, kind="graded")
    first = 8 / 3 * (1 + 1 / LOG3 + 1 / 2) / (7 + 1 / LOG3)
    second = 1.5 * (1 + 1 / LOG3) / 3
    assert found["ndcg"] == pytest.approx((first + second) / 2)
    assert found["mse"] == pytest.approx(np.mean((GRADES - 1.5) ** 2))
    assert found["spearman"] == 0.0


def test_chance_is_the_mean_over_all_orders() -> None:
    grades = np.array([0, 1, 3, 0])
    orders = np.array(list(permutations(range(4))), dtype=float)  # a question for each
    labels, questions = np.tile(grades, len(orders)), np.repeat(np.arange(len(orders)), 4)
    found = evaluate(orders.reshape(-1, 1), labels, questions, True, kind="graded")["ndcg"]
    assert chance(grades, np.zeros(4), grades, 1, True, kind="graded")["ndcg"] == pytest.approx(found)


def test_scores_are_averaged_as_they_are() -> None:
    # a softmax over one class would make 1 of each
    logits = np.array([[[2.0], [-1.0]], [[4.0], [0.0]]])  # two members, two pairs
    assert average_probabilities(logits).tolist() == [[3.0], [-0.5]]
    taught = teaching_logits(logits.transpose(1, 0, 2).astype(np.float32))
    assert taught.tolist() == [[3.0], [-0.5]] and taught.dtype == np.float32


def test_nearness_of_scores_is_correlation_and_distance() -> None:
    mine, theirs = np.array([[1.0], [2.0], [4.0]]), np.array([[0.0], [2.0], [3.0]])
    assert fidelity(mine, theirs) == pytest.approx({"correlation": 1.0, "distance": 2 / 3})
    assert spearman(np.array([1, 2, 3]), np.array([3, 2, 1])) == pytest.approx(-1)


def test_gold_loss_of_one_logit_is_the_squared_error() -> None:
    output = SimpleNamespace(gold=torch.tensor([[1.0], [3.0]], requires_grad=True))
    loss = gold_term(1.0)(output, {"labels": torch.tensor([0.0, 1.0])})
    assert loss.item() == pytest.approx((1 + 4) / 2)
    loss.backward()
    assert output.gold.grad.tolist() == [[1.0], [2.0]]


def test_line_brings_scores_to_the_labels_and_keeps_the_order() -> None:
    scores = np.linspace(-3, 3, 20)[:, None]
    fitted = Calibration.fit("linear", scores, 0.5 * scores[:, 0] + 2)
    assert (fitted.slope, fitted.intercept, fitted.pairs) == pytest.approx((0.5, 2, 20))
    assert fitted.apply(np.array([[100.0], [np.nan]])) == pytest.approx(np.array([[52.0], [np.nan]]), nan_ok=True)
    assert Calibration.from_json(fitted.to_json()) == fitted
    with pytest.raises(DataError, match="expected scores that rise with the labels, but in 20 scored validation pairs"):
        Calibration.fit("linear", -scores, scores[:, 0])
    with pytest.raises(DataError, match="found 20 pairs with 1 different scores"):
        Calibration.fit("linear", np.ones((20, 1)), scores[:, 0])


def test_margin_of_a_teacher_is_the_score() -> None:
    assert margin_logits(np.array([2.0, -1.0]), 1).tolist() == [[2.0], [-1.0]]
    assert margin_logits(np.array([2.0]), 2).tolist() == [[-1.0, 1.0]]


def test_model_of_one_logit_answers_with_scores(encoder, runtime) -> None:
    model = PairClassifier(encoder, ["gold", "average"], ["score"], 32, heads_alike=False)
    reranker = Reranker(model, runtime)
    found = reranker.score(["what is amber"] * 2, ["amber", "birch birch"])
    assert found.shape == (2, 1) and len(np.unique(found)) == 2
    pairs = [("what is amber", "amber"), ("what is amber", "birch birch")]
    assert reranker.predict(pairs).tolist() == found[:, 0].tolist()
    assert reranker.rank("what is amber", ["amber", "birch birch"])[0]["score"] == found.max()


def test_numbers_are_shown_in_few_digits() -> None:
    assert [Numbers("label", "float", False).text(label) for label in (2.0, 0.1)] == ["2", "0.1"]
