"""Metrics of a ranking by hand, and beside torchmetrics."""

import math

import numpy as np
import pytest
import torch
from torchmetrics.functional import retrieval as theirs

from tmkd.errors import DataError
from tmkd.evaluation.metrics import evaluate, per_question
from tmkd.evaluation.retrieval import rankable, retrieval

SECOND, THIRD, FOURTH = 1 / math.log2(3), 1 / math.log2(4), 1 / math.log2(5)
# One question, best first by score: gains 0 2 1 0 3; a second one, in between: 1 0.
SCORES = np.array([0.9, 0.5, 0.8, 0.4, 0.7, 0.6, 0.5])
GAINS = np.array([0.0, 1.0, 2.0, 0.0, 1.0, 0.0, 3.0])
QUESTION = np.array([0, 1, 0, 1, 0, 0, 0])
FIFTH = 1 / math.log2(6)


def found(metric: str, exponential: bool = False) -> list[float]:
    values: list[float] = retrieval(SCORES, GAINS, QUESTION, [metric], exponential)[:, 0].tolist()
    return values


@pytest.mark.parametrize(
    ("metric", "first"),
    [
        ("map", (1 / 2 + 2 / 3 + 3 / 5) / 3),
        ("mrr", 1 / 2),
        ("mrr@1", 0),
        ("mrr@2", 1 / 2),
        ("r@1", 0),
        ("r@2", 1 / 3),
        ("r@4", 2 / 3),
        ("r@99", 1),
        ("ndcg", (2 * SECOND + THIRD + 3 * FIFTH) / (3 + 2 * SECOND + THIRD)),
        ("ndcg@1", 0),
        ("ndcg@2", 2 * SECOND / (3 + 2 * SECOND)),
        ("ndcg@3", (2 * SECOND + THIRD) / (3 + 2 * SECOND + THIRD)),
    ],
)
def test_graded_passages_are_judged_as_by_hand(metric: str, first: float) -> None:
    assert found(metric) == pytest.approx([first, 1])


def test_exponential_gains_are_those_of_burges() -> None:
    ideal = 7 + 3 * SECOND + THIRD
    assert found("ndcg", exponential=True) == pytest.approx([(3 * SECOND + THIRD + 7 * FIFTH) / ideal, 1])
    binary = [retrieval(SCORES, GAINS.clip(max=1), QUESTION, ["ndcg@3"], each).tolist() for each in (True, False)]
    assert binary[0] == binary[1]


def test_less_relevant_of_equal_scores_comes_first_whatever_the_order_of_the_rows() -> None:
    for gains in ([2.0, 1.0, 0.0], [0.0, 1.0, 2.0], [1.0, 2.0, 0.0]):
        values = retrieval(np.full(3, 0.5), np.array(gains), np.zeros(3, int), ["ndcg", "map", "mrr", "r@1"])[0]
        ideal = 2 + SECOND
        assert values == pytest.approx([(SECOND + 2 * THIRD) / ideal, (1 / 2 + 2 / 3) / 2, 1 / 2, 0])


def test_question_whose_passages_are_all_right_is_ranked_where_one_is_more_so() -> None:
    gains, question = np.array([1.0, 2.0, 1.0, 1.0]), np.array([0, 0, 1, 1])
    assert rankable(gains, question).tolist() == [True, False]
    assert retrieval(np.array([0.9, 0.1]), gains[:2], question[:2], ["map", "ndcg"])[0] == pytest.approx(
        [1, (1 + 2 * SECOND) / (2 + SECOND)]
    )


@pytest.mark.parametrize("bad", [-1.0, float("nan"), float("inf")])
def test_gain_that_is_none_is_refused(bad: float) -> None:
    with pytest.raises(
        DataError, match=f"labels that are finite and not negative where passages are ranked, got {bad} at row 1"
    ):
        rankable(np.array([0.0, bad]), np.zeros(2, int))


def test_all_questions_at_once_are_as_torchmetrics_has_them_one_by_one() -> None:
    draw = np.random.default_rng(0)
    question = np.sort(draw.integers(0, 40, 400))
    scores, gains = draw.permutation(400).astype(float), draw.integers(0, 2, 400).astype(float)
    kept = rankable(gains, question)
    assert 30 < kept.sum() < 40
    at = kept[question]
    scores, gains, question = scores[at], gains[at], (np.cumsum(kept) - 1)[question[at]]
    functions = {
        "map": theirs.retrieval_average_precision,
        "mrr": theirs.retrieval_reciprocal_rank,
        "ndcg": theirs.retrieval_normalized_dcg,
        "ndcg@3": lambda score, target: theirs.retrieval_normalized_dcg(score, target, top_k=3),
        "r@3": lambda score, target: theirs.retrieval_recall(score, target, top_k=3),
    }
    values = retrieval(scores, gains, question, list(functions))
    for place in range(int(kept.sum())):
        at = question == place
        score, target = torch.from_numpy(scores[at]), torch.from_numpy(gains[at]).long()
        expected = [function(score, target).item() for function in functions.values()]
        assert values[place] == pytest.approx(expected, abs=1e-6)


def test_scores_of_one_number_a_pair_are_judged_by_graded_labels() -> None:
    metrics = evaluate(SCORES[:, None], GAINS, QUESTION, True, metric="ndcg@3", kind="graded")
    assert metrics["ndcg@3"] == pytest.approx(np.mean(found("ndcg@3", exponential=True)))
    assert "accuracy" not in metrics and "auc" not in metrics
    questions, values = per_question(SCORES[:, None], GAINS, QUESTION, True, metric="ndcg@3", kind="graded")
    assert (questions, values.tolist()) == ([0, 1], pytest.approx(found("ndcg@3", exponential=True)))
