"""Weights of teachers: values by hand, formulas in loops, sums of one, what a single teacher gets."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tmkd.losses.response import kl_divergence, per_teacher
from tmkd.losses.weighting import agreement, confidence, fixed, mean, weighted
from tmkd.results.soft_targets import TeacherWeights

LABELS = torch.tensor([0, 2, 1, 0])


def logits(seed=1, batch=4, teachers=3, classes=3):
    return torch.randn(batch, teachers, classes, generator=torch.Generator().manual_seed(seed))


KINDS = {
    "mean": mean,
    "fixed": lambda teacher: fixed(teacher, [3.0, 2.0, 5.0][: teacher.shape[1]]),
    "confidence": confidence,
    "agreement": lambda teacher: agreement(teacher, LABELS),
}


def test_mean_weights_are_equal():
    assert torch.equal(mean(logits(teachers=4)), torch.full((4, 4), 0.25))


def test_fixed_weights_are_shares_of_their_sum():
    assert fixed(logits(batch=2), [1, 2, 5]).tolist() == [[0.125, 0.25, 0.625]] * 2


def test_confidence_has_the_value_worked_out_by_hand():
    # Entropies ln 2 (undecided) and 0 (sure): exp(−ln 2) = 1/2 against 1, so 1/3 and 2/3.
    teacher = torch.tensor([[[0.0, 0.0], [100.0, 0.0]]])
    assert confidence(teacher).tolist() == [pytest.approx([1 / 3, 2 / 3], abs=1e-6)]


def test_teachers_that_are_all_sure_share_alike_however_they_round():
    teacher = torch.tensor([[[40.0, 0.0], [0.0, 90.0]]])
    assert confidence(teacher).tolist() == [pytest.approx([0.5, 0.5], abs=1e-6)]


def test_agreement_has_the_value_worked_out_by_hand():
    # Label 0. Probabilities 1/2 and 1/4, so exp(CE) = 2 and 4: weights 1 − 2/6 and 1 − 4/6.
    teacher = torch.tensor([[[0.0, 0.0], [0.0, math.log(3.0)]]])
    assert agreement(teacher, torch.tensor([0])).tolist() == [pytest.approx([2 / 3, 1 / 3], abs=1e-6)]


def test_agreement_follows_the_label():
    teacher = torch.tensor([[[3.0, 0.0], [0.0, 3.0]]])
    assert agreement(teacher, torch.tensor([0]))[0, 0] > 0.5 > agreement(teacher, torch.tensor([1]))[0, 0]


def test_weights_agree_with_their_formulas_in_loops():
    teacher = logits()
    by_label, by_entropy = [], []
    for example, label in zip(teacher, LABELS.tolist(), strict=True):
        p = [F.softmax(row, -1).tolist() for row in example]
        errors = [-math.log(row[label]) for row in p]
        total = sum(math.exp(e) for e in errors)
        by_label.append([(1 - math.exp(e) / total) / (len(p) - 1) for e in errors])
        entropies = [-sum(x * math.log(x) for x in row) for row in p]
        by_entropy.append([math.exp(-h) / sum(math.exp(-g) for g in entropies) for h in entropies])
    assert torch.allclose(agreement(teacher, LABELS), torch.tensor(by_label), atol=1e-6)
    assert torch.allclose(confidence(teacher), torch.tensor(by_entropy), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_positive_and_sum_to_one_even_for_hopeless_teachers(kind):
    weights = KINDS[kind](1000 * logits())
    assert weights.shape == (4, 3)
    assert weights.dtype == torch.float32
    assert (weights >= 0).all()
    assert torch.allclose(weights.sum(-1), torch.ones(4), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_one_teacher_has_all_the_weight(kind):
    assert torch.equal(KINDS[kind](logits(teachers=1)), torch.ones(4, 1))


@pytest.mark.parametrize("kind", ["mean", "fixed", "confidence"])
def test_order_of_the_batch_moves_weights_along(kind):
    order = torch.tensor([2, 0, 3, 1])
    assert torch.allclose(KINDS[kind](logits()[order]), KINDS[kind](logits())[order])
    assert torch.allclose(agreement(logits()[order], LABELS[order]), agreement(logits(), LABELS)[order])


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_logits_are_weighed_in_float32(kind):
    teacher = logits().bfloat16()
    assert torch.equal(KINDS[kind](teacher), KINDS[kind](teacher.float()))


def test_no_gradient_passes_through_a_weight():
    # A student could otherwise lower its loss by preferring the teacher that it matches.
    teacher = logits().requires_grad_()
    assert not any(kind(teacher).requires_grad for kind in KINDS.values())
    assert not weighted(torch.ones(4, 3), torch.softmax(teacher.sum(-1), -1)).requires_grad


def test_weighted_loss_has_the_value_worked_out_by_hand():
    losses, weights = torch.tensor([[1.0, 3.0], [2.0, 4.0]]), torch.tensor([[0.5, 0.5], [0.25, 0.75]])
    assert weighted(losses, weights).item() == pytest.approx((2.0 + 3.5) / 2)


def test_mean_weights_give_the_unweighted_loss():
    student, teacher = logits(1), logits(2)
    value = weighted(per_teacher(kl_divergence, student, teacher, 2.0), mean(teacher))
    assert value.item() == pytest.approx(kl_divergence(student, teacher, 2.0).item(), rel=1e-5)


def test_weighted_gradient_moves_the_student_towards_the_teacher_that_counts():
    student, teacher = logits(1).requires_grad_(), logits(2)
    before = per_teacher(kl_divergence, student, teacher)
    weighted(before, fixed(teacher, [0, 1, 0])).backward()
    after = per_teacher(kl_divergence, student - 0.5 * student.grad, teacher)
    assert (after[:, 1] < before[:, 1]).all()
    assert torch.equal(after[:, [0, 2]], before[:, [0, 2]])


@pytest.mark.parametrize("shares", [[1, 1], [1, -1, 1], [0, 0, 0]])
def test_shares_that_are_not_one_a_teacher_or_no_shares_are_rejected(shares):
    with pytest.raises(ValueError, match="expected a share for each of 3 teachers"):
        fixed(logits(), shares)


@pytest.mark.parametrize("kind", ["fixed", "confidence", "agreement"])
def test_rows_that_are_read_together_may_all_be_left_out(kind):
    # teachers.missing=skip, of a file of scores that begins late: torch took no label for labels that are no classes
    weights = TeacherWeights(kind, (1.0, 2.0) if kind == "fixed" else ())
    assert weights.of_each(np.empty((0, 2, 3), dtype=np.float32), [], None).shape == (0, 2)


def test_losses_without_a_teacher_axis_are_rejected():
    with pytest.raises(ValueError, match=r"\[4, 1\] and \[4, 3\]"):
        weighted(torch.ones(4, 1), mean(logits()))


def test_logits_without_a_teacher_axis_are_rejected():
    with pytest.raises(ValueError, match=r"\[batch, teachers, classes\], but found \[4, 3\]"):
        confidence(logits()[:, 0])


def test_labels_of_another_batch_are_rejected():
    with pytest.raises(ValueError, match=r"of shape \[4\], but found \[1\]"):
        agreement(logits(), LABELS[:1])
