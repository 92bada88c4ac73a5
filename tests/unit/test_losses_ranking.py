"""Losses over the passages of a question: their values by hand, what they are blind to, and where they push."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from tmkd import choices
from tmkd.losses.combine import gold_term, soft_term
from tmkd.losses.questions import Questions, gains, score
from tmkd.losses.ranking import GOLD_RANKING, SOFT_RANKING, adr_mse, margin_mse

GOLD, SOFT = sorted(GOLD_RANKING), sorted(SOFT_RANKING)
LN2 = math.log(2)
WHOLE = torch.ones(1, 3, dtype=torch.bool)


def one(loss: Any, scores: list[float], target: list[float], *more: Any) -> float:
    """The mean of one question's loss."""
    mask = torch.ones(1, len(scores), dtype=torch.bool)
    value: float = loss(torch.tensor([scores]), torch.tensor([target]), mask, *more).mean().item()
    return value


def two_logits(scores: Tensor) -> Tensor:
    """Logits of two classes with these margins, and another constant in each."""
    constant = torch.linspace(-3, 5, scores.numel()).reshape(scores.shape)
    return torch.stack([constant, constant + scores], dim=-1)


def gold(loss: str, scores: Tensor, labels: Tensor, questions: Tensor) -> Tensor:
    output = SimpleNamespace(gold=two_logits(scores))
    return gold_term(1.0, loss)(output, {"labels": labels, "questions": questions})


def soft(loss: str, scores: Tensor, teacher: Tensor, questions: Tensor, **more: Any) -> Tensor:
    """Of scores [batch, teachers]; ``more`` is of the batch, and the term's ``temperature`` and ``pairs``."""
    term = soft_term(1.0, loss, more.pop("temperature", 1.0), pairs=more.pop("pairs", "all"))
    batch = {"soft_targets": two_logits(teacher), "questions": questions, **more}
    return term(SimpleNamespace(soft=two_logits(scores)), batch)


def randn(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


QUESTIONS = torch.tensor([7, 3, 7, 7, 3, 9, 3, 7])  # 7 has four passages, 3 three, 9 one
LABELS = torch.tensor([1, 0, 0, 1, 1, 1, 0, 0])


def test_score_is_the_log_odds_of_the_last_class() -> None:
    logits = torch.tensor([[1.0, 2.0, 4.0]])
    assert score(logits).item() == pytest.approx(4 - math.log(math.e + math.e**2))
    assert score(logits[:, :2]).item() == 1.0
    assert score(logits[:, :1]).item() == 1.0


def test_gain_is_of_the_last_class_or_the_grade_itself() -> None:
    assert gains(torch.tensor([0, 1, 2]), 3).tolist() == [0, 0, 1]
    assert gains(torch.tensor([0, 1]), 1).tolist() == [0, 1]
    assert gains(torch.tensor([0.5, 3.0]), 2).tolist() == [0.5, 3.0]


def test_pairs_that_stand_anywhere_are_grouped_by_question() -> None:
    questions = Questions.of(QUESTIONS)
    assert questions.mask.sum(-1).tolist() == [3, 4, 1]
    dense = questions.dense(torch.arange(8))
    assert [row[mask].tolist() for row, mask in zip(dense, questions.mask)] == [[1, 4, 6], [0, 2, 3, 7], [5]]
    assert questions.mean(torch.arange(8.0)[:, None]).squeeze(1).tolist() == pytest.approx([11 / 3, 3, 5])
    with pytest.raises(ValueError, match=r"\[batch\]"):
        Questions.of(QUESTIONS[None])


def test_listwise_readings_of_several_right_passages_worked_out_by_hand() -> None:
    # e^s = 2, 1, 1; the first two are right: softmax 1/2, 1/4; each against the wrong one: 2/3, 1/2
    scores, target = [LN2, 0.0, 0.0], [1.0, 1.0, 0.0]
    assert one(GOLD_RANKING["listwise"], scores, target) == pytest.approx((math.log(2) + math.log(4)) / 2)
    assert one(GOLD_RANKING["listwise_each"], scores, target) == pytest.approx((math.log(1.5) + math.log(2)) / 2)


def test_listwise_readings_of_grades_worked_out_by_hand() -> None:
    # shares 2/3, 1/3, 0; for each the second grade competes with those below alone: e^s = 2, 1, 1
    scores, target = [LN2, 0.0, 0.0], [2.0, 1.0, 0.0]
    assert one(GOLD_RANKING["listwise"], scores, target) == pytest.approx(2 / 3 * math.log(2) + math.log(4) / 3)
    assert one(GOLD_RANKING["listwise_each"], scores, target) == pytest.approx(2 / 3 * math.log(2) + math.log(2) / 3)


def test_ranknet_worked_out_by_hand() -> None:
    # pairs (0, 1), (0, 2): ln(1 + e^-ln2), ln(1 + e^0); the equal ones are none
    expected = (math.log(1.5) + math.log(2)) / 2
    assert one(SOFT_RANKING["ranknet"], [LN2, 0.0, LN2], [5.0, 1.0, 1.0]) == pytest.approx(expected)


def test_lambda_worked_out_by_hand() -> None:
    # Ranks 1 (wrong), 2 (right); G = 1, the ideal DCG too. Discounts 1 and 1/log2(3) differ as those at distance 1.
    change = 1 - 1 / math.log2(3)
    assert one(GOLD_RANKING["lambda"], [LN2, 0.0], [0.0, 1.0]) == pytest.approx(11 * change * math.log2(3), rel=1e-6)


@pytest.mark.parametrize(("loss", "times"), [("listwise", 1.0), ("listwise_each", 1.0), ("lambda", 5.857)])
def test_gold_losses_of_one_right_and_one_wrong_passage_are_ranknets_but_for_a_factor(loss: str, times: float) -> None:
    for scores in ([LN2, 0.0], [0.0, LN2], [-2.0, 3.0]):
        expected = times * one(GOLD_RANKING["ranknet"], scores, [0.0, 1.0])
        assert one(GOLD_RANKING[loss], scores, [0.0, 1.0]) == pytest.approx(expected, rel=1e-4)


def test_margin_mse_worked_out_by_hand() -> None:
    # margins of the student 1, 3, 2, of the teacher 1, 1, 0
    assert one(margin_mse, [3.0, 2.0, 0.0], [1.0, 0.0, 0.0]) == pytest.approx((0 + 4 + 4) / 3)
    right = torch.tensor([[1.0, 0.0, 0.0]])
    value = margin_mse(torch.tensor([[3.0, 2.0, 0.0]]), torch.tensor([[1.0, 0.0, 0.0]]), WHOLE, 1.0, right)
    assert value.mean().item() == pytest.approx((0 + 4) / 2)


def test_listwise_kl_worked_out_by_hand() -> None:
    # at T = 2 the teacher is (3/4, 1/4), the student (1/2, 1/2)
    expected = 4 * (0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    assert one(SOFT_RANKING["listwise_kl"], [1.0, 1.0], [2 * math.log(3), 0.0], 2.0) == pytest.approx(expected)


def test_adr_mse_worked_out_by_hand() -> None:
    # Ranks 1, 2.5, 2.5. Scores 0, 0, ln 3, at T = 1: r̂ = 1 + 1/2 + 3/4, the same, 1 + 1/4 + 1/4.
    errors = (1.25**2 / 1 + 0.25**2 / math.log2(3.5) + 1 / math.log2(3.5)) / 3
    assert one(adr_mse, [0.0, 0.0, math.log(3)], [4.0, 1.0, 1.0]) == pytest.approx(errors)
    # divided by T = 2, ln 9 is ln 3
    assert one(adr_mse, [0.0, 0.0, math.log(9)], [4.0, 1.0, 1.0], 2.0) == pytest.approx(errors)


@pytest.mark.parametrize("loss", ["margin_mse", "listwise_kl"])
def test_soft_loss_is_zero_where_scores_differ_by_a_constant_of_the_question(loss: str) -> None:
    teacher = randn(1, 8, 2)
    student = teacher + QUESTIONS[:, None]
    assert soft(loss, student, teacher, QUESTIONS, temperature=2.0).item() == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("loss", [*GOLD, "adr_mse"])
def test_loss_of_an_order_goes_to_zero_where_the_order_is_right_and_the_margins_are_wide(loss: str) -> None:
    scores = torch.tensor([90.0, 0.0, -90.0])
    labels = torch.tensor([1, 0, 0])
    if loss == "adr_mse":
        value = soft(loss, scores[:, None], torch.tensor([[3.0], [2.0], [1.0]]), torch.zeros(3, dtype=torch.int64))
    else:
        value = gold(loss, scores, labels, torch.zeros(3, dtype=torch.int64))
    assert value.item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("loss", GOLD)
def test_gold_loss_pushes_right_passages_up_and_wrong_ones_down(loss: str) -> None:
    scores = randn(2, 8).requires_grad_()
    gold(loss, scores, LABELS, QUESTIONS).backward()
    assert scores.grad is not None
    several = QUESTIONS != 9
    right = LABELS == 1
    assert (scores.grad[several & ~right] > 0).all() and scores.grad[~several].item() == 0
    if loss == "listwise":  # right passages compete: the better one of two may be held back
        assert (scores.grad[several & right] < 0).any()
    else:
        assert (scores.grad[several & right] < 0).all()


@pytest.mark.parametrize("loss", SOFT)
def test_soft_loss_moves_the_student_towards_the_order_of_the_teacher(loss: str) -> None:
    student, teacher = torch.zeros(8, 1, requires_grad=True), randn(3, 8, 1)
    optimizer = torch.optim.Adam([student], lr=0.1)
    first = soft(loss, student, teacher, QUESTIONS).item()
    for _ in range(100):
        optimizer.zero_grad()
        soft(loss, student, teacher, QUESTIONS).backward()
        optimizer.step()
    assert soft(loss, student, teacher, QUESTIONS).item() < first / 2
    for question in (3, 7):
        mine = torch.eq(QUESTIONS, question)
        assert student[mine, 0].argsort().tolist() == teacher[mine, 0].argsort().tolist()


@pytest.mark.parametrize("loss", [f"gold {name}" for name in GOLD] + [f"soft {name}" for name in SOFT])
def test_loss_knows_neither_the_order_of_passages_nor_the_numbers_of_questions_nor_the_padding(loss: str) -> None:
    side, _, name = loss.partition(" ")
    scores, teacher = randn(4, 8, 2), randn(5, 8, 2)
    order = torch.tensor([1, 5, 7, 0, 3, 6, 2, 4])  # begins with a wrong passage: padding repeats the first pair

    def value(at: Tensor, questions: Tensor) -> float:
        if side == "gold":
            return gold(name, scores[at, 0], LABELS[at], questions[at]).item()
        return soft(name, scores[at], teacher[at], questions[at]).item()

    everything = torch.arange(8)
    expected = value(everything, QUESTIONS)
    assert value(order, 1000 - QUESTIONS) == pytest.approx(expected, rel=1e-5)
    alone = torch.nonzero(QUESTIONS == 3).squeeze(1)  # by itself it has no padding
    padded = torch.nonzero(QUESTIONS != 7).squeeze(1)
    wider = torch.cat([alone, torch.nonzero(QUESTIONS == 9).squeeze(1).expand(6)])
    apart = torch.cat([QUESTIONS[alone], torch.full((6,), 9)])
    assert value(padded, QUESTIONS) == pytest.approx(value(alone, QUESTIONS), rel=1e-5)
    if side == "gold":  # six passages of one label: nothing to tell apart, but three columns more
        widened = gold(name, scores[wider, 0], LABELS[wider], apart).item()
        assert widened == pytest.approx(value(alone, QUESTIONS), rel=1e-5)


def test_equal_scores_rank_wrong_passages_first_whatever_their_order() -> None:
    values = [one(GOLD_RANKING["lambda"], [0.0, 0.0, 0.0], target) for target in ([1.0, 0.0, 0.0], [0.0, 0.0, 1.0])]
    assert values[0] == pytest.approx(values[1])


@pytest.mark.parametrize("loss", [f"gold {name}" for name in GOLD] + [f"soft {name}" for name in SOFT])
def test_batch_in_which_nothing_can_be_compared_gives_a_zero_with_a_gradient(loss: str) -> None:
    side, _, name = loss.partition(" ")
    scores, apart = randn(6, 4).requires_grad_(), torch.arange(4)
    if side == "gold":
        values = [gold(name, scores, LABELS[:4], apart), gold(name, scores, torch.ones(4).long(), apart // 2)]
    else:
        values = [soft(name, scores[:, None], randn(7, 4, 1), apart)]
    for value in values:
        scores.grad = None
        value.backward()
        assert value.item() == 0 and scores.grad is not None and scores.grad.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("loss", SOFT)
def test_weight_of_a_teacher_is_its_mean_over_the_pairs_of_a_question(loss: str) -> None:
    scores, teacher, questions = randn(8, 4, 2), randn(9, 4, 2), torch.tensor([0, 0, 1, 1])
    each = [
        [soft(loss, scores[at, k : k + 1], teacher[at, k : k + 1], questions[at]).item() for k in (0, 1)]
        for at in (slice(0, 2), slice(2, 4))
    ]
    weights = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.2, 0.8], [0.4, 0.6]])
    expected = (0.75 * each[0][0] + 0.25 * each[0][1] + 0.3 * each[1][0] + 0.7 * each[1][1]) / 2
    value = soft(loss, scores, teacher, questions, teacher_weights=weights)
    assert value.item() == pytest.approx(expected, rel=1e-5)
    alike = soft(loss, scores, teacher, questions, teacher_weights=torch.full((4, 2), 0.5))
    assert alike.item() == pytest.approx(soft(loss, scores, teacher, questions).item(), rel=1e-6)


def test_margins_of_right_and_wrong_passages_alone_can_be_learnt() -> None:
    student, teacher = torch.tensor([[3.0], [2.0], [0.0]]), torch.tensor([[1.0], [0.0], [0.0]])
    batch = {"labels": torch.tensor([1, 0, 0]), "questions": torch.zeros(3, dtype=torch.int64), "pairs": "right_wrong"}
    assert soft("margin_mse", student, teacher, **batch).item() == pytest.approx(2.0)


def test_order_of_right_and_wrong_passages_alone_can_be_learnt() -> None:
    """The teacher prefers a wrong passage to the right one, which counts, and one wrong passage to the other."""
    student, teacher = torch.tensor([[3.0], [2.0], [0.0]]), torch.tensor([[1.0], [2.0], [0.0]])
    batch = {"labels": torch.tensor([1, 0, 0]), "questions": torch.zeros(3, dtype=torch.int64), "pairs": "right_wrong"}
    expected = (math.log1p(math.exp(3 - 2)) + math.log1p(math.exp(0 - 3))) / 2
    assert soft("ranknet", student, teacher, **batch).item() == pytest.approx(expected)


@pytest.mark.parametrize("loss", sorted(SOFT_RANKING))
def test_pairs_of_right_and_wrong_leave_a_loss_the_one_that_it_is(loss: str) -> None:
    student, teacher = torch.tensor([[3.0], [2.0]]), torch.tensor([[1.0], [0.5]])
    batch = {"labels": torch.tensor([1, 0]), "questions": torch.zeros(2, dtype=torch.int64)}
    expected = soft(loss, student, teacher, **batch)
    assert soft(loss, student, teacher, pairs="right_wrong", **batch).item() == pytest.approx(expected.item())


def test_one_head_can_learn_both_labels_over_the_passages() -> None:
    output = SimpleNamespace(gold=two_logits(torch.tensor([3.0, 2.0, 0.0])))
    batch = {"soft_targets": two_logits(torch.tensor([[1.0], [0.0], [0.0]])), "questions": torch.zeros(3).long()}
    assert soft_term(1.0, "margin_mse", 1.0, "gold")(output, batch).item() == pytest.approx(8 / 3)


def test_batch_without_questions_is_refused() -> None:
    with pytest.raises(ValueError, match="questions"):
        gold_term(1.0, "lambda")(SimpleNamespace(gold=randn(1, 2, 2)), {"labels": torch.tensor([0, 1])})


def test_grades_are_the_gains_of_lambda_and_the_order_of_ranknet() -> None:
    grades, questions = torch.tensor([2.0, 1.0, 0.0]), torch.zeros(3).long()
    scores = torch.tensor([0.0, 1.0, 2.0], requires_grad=True)
    for name in GOLD:
        scores.grad = None
        gold(name, scores, grades, questions).backward()
        assert scores.grad is not None and scores.grad[0] < 0 < scores.grad[2], name


def test_names_are_those_of_the_settings() -> None:
    assert set(GOLD_RANKING) == set(choices.GOLD_RANKING_LOSSES)
    assert set(SOFT_RANKING) == set(choices.RANKING_LOSSES)
