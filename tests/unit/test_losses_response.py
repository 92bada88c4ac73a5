"""Soft and gold targets together, as two losses or as one target; and losses before their mean."""

import math

import pytest
import torch
from torch.nn import functional as F

from tmkd.losses.combine import combine, gold_term, soft_term
from tmkd.losses.response import RESPONSE_LOSSES, per_teacher, weigh
from tmkd.models.classifier import PairOutput

LABELS = torch.tensor([1, 0, 2, 1, 1])


def blend(student, teacher, labels, alpha, temperature=1.0):
    """What a student with ``mix=blend`` learns by: two losses of its gold head."""
    terms = [gold_term(1 - alpha), soft_term(alpha, "kl", temperature, head="gold")]
    output = PairOutput(student[:, None], student, student[:, None][:, :0])
    return combine(terms, output, {"labels": labels, "soft_targets": teacher.detach()[:, None]})[0]


MIXED = [blend, weigh]


def logits(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def student():
    return logits(1, 5, 3)


def teacher():
    return logits(2, 5, 3)


def test_blend_has_the_value_worked_out_by_hand():
    # Gold: ln 2. At T = 2 the teacher is (3/4, 1/4): 4 (3/4 ln(3/2) + 1/4 ln(1/2)).
    value = blend(torch.zeros(1, 2), torch.tensor([[math.log(9.0), 0.0]]), torch.tensor([1]), 0.3, 2.0)
    soft = 4 * (0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    assert value.item() == pytest.approx(0.7 * math.log(2) + 0.3 * soft, abs=1e-6)


def test_weigh_has_the_value_worked_out_by_hand():
    # Target 0.6 (0, 1) + 0.4 (3/4, 1/4) = (0.3, 0.7); the student predicts (4/5, 1/5).
    value = weigh(
        torch.tensor([[math.log(4.0), 0.0]]), torch.tensor([[math.log(9.0), 0.0]]), torch.tensor([1]), 0.4, 2.0
    )
    assert value.item() == pytest.approx(-0.3 * math.log(0.8) - 0.7 * math.log(0.2), abs=1e-6)


@pytest.mark.parametrize("loss", MIXED)
def test_mixed_losses_agree_with_their_formula_in_loops(loss):
    alpha, temperature, total = 0.7, 3.0, 0.0
    for s, t, label in zip(student(), teacher(), LABELS.tolist(), strict=True):
        p, q, q_soft = F.softmax(t / temperature, -1), F.softmax(s, -1), F.softmax(s / temperature, -1)
        if loss is blend:
            divergence = sum((a * math.log(a / b)) for a, b in zip(p.tolist(), q_soft.tolist(), strict=True))
            total -= (1 - alpha) * math.log(q[label]) - alpha * temperature**2 * divergence
        else:
            target = [(1 - alpha) * (c == label) + alpha * p[c].item() for c in range(3)]
            total -= sum(a * math.log(b) for a, b in zip(target, q.tolist(), strict=True))
    assert loss(student(), teacher(), LABELS, alpha, temperature).item() == pytest.approx(total / 5, rel=1e-5)


@pytest.mark.parametrize("loss", MIXED)
def test_alpha_zero_is_the_gold_label_alone(loss):
    value = loss(student(), teacher(), LABELS, 0.0, 3.0)
    assert value.item() == pytest.approx(F.cross_entropy(student(), LABELS).item(), rel=1e-6)


def test_blend_is_zero_where_the_student_is_the_teacher_and_alpha_is_one():
    assert blend(teacher(), teacher(), LABELS, 1.0, 3.0).item() == pytest.approx(0.0, abs=1e-6)


def test_weigh_is_least_where_the_student_predicts_the_target():
    target = 0.4 * F.one_hot(LABELS, 3) + 0.6 * F.softmax(teacher() / 2, -1)
    best = target.log().requires_grad_()
    value = weigh(best, teacher(), LABELS, 0.6, 2.0)
    value.backward()
    assert best.grad.abs().max() < 1e-6
    assert value.item() == pytest.approx(-(target * target.log()).sum(-1).mean().item(), rel=1e-5)


def test_both_have_one_gradient_at_temperature_one():
    gradients = []
    for loss in MIXED:
        learner = student().requires_grad_()
        loss(learner, teacher(), LABELS, 0.7, 1.0).backward()
        gradients.append(learner.grad)
    assert torch.allclose(*gradients, atol=1e-6)


@pytest.mark.parametrize("loss", MIXED)
def test_gradient_moves_downhill_and_leaves_the_teacher(loss):
    learner, master = student().requires_grad_(), teacher().requires_grad_()
    before = loss(learner, master, LABELS, 0.7, 2.0)
    before.backward()
    assert master.grad is None
    assert loss(learner - 0.1 * learner.grad, master, LABELS, 0.7, 2.0) < before


@pytest.mark.parametrize("loss", MIXED)
def test_order_of_the_batch_changes_nothing(loss):
    order = torch.tensor([3, 0, 4, 1, 2])
    value = loss(student(), teacher(), LABELS, 0.7, 2.0)
    assert loss(student()[order], teacher()[order], LABELS[order], 0.7, 2.0).item() == pytest.approx(
        value.item(), rel=1e-5
    )


def test_several_teachers_cost_the_mean_of_each():
    students, teachers = logits(1, 5, 2, 3), logits(2, 5, 2, 3)
    each = [weigh(students[:, k], teachers[:, k], LABELS, 0.7, 2.0).item() for k in range(2)]
    assert weigh(students, teachers, LABELS, 0.7, 2.0).item() == pytest.approx(sum(each) / 2, rel=1e-5)


def test_one_hot_labels_are_labels():
    value = weigh(student(), teacher(), LABELS, 0.7, 2.0)
    assert torch.equal(weigh(student(), teacher(), F.one_hot(LABELS, 3), 0.7, 2.0), value)


def test_half_precision_logits_are_compared_in_float32():
    value = weigh(student().bfloat16(), teacher().bfloat16(), LABELS, 0.7, 2.0)
    assert value.dtype == torch.float32
    assert torch.equal(value, weigh(student().bfloat16().float(), teacher().bfloat16().float(), LABELS, 0.7, 2.0))


def test_what_does_not_fit_is_rejected():
    with pytest.raises(ValueError, match="expected student and teacher logits of one shape"):
        weigh(student(), teacher()[:1], LABELS, 0.5)
    with pytest.raises(ValueError, match="expected student and teacher logits of one shape"):
        weigh(student(), teacher().unsqueeze(1), LABELS, 0.5)
    with pytest.raises(ValueError, match=r"expected labels .* but found \[1\]"):
        weigh(student(), teacher(), LABELS[:1], 0.5)
    with pytest.raises(ValueError, match="expected α in"):
        weigh(student(), teacher(), LABELS, 1.5)


@pytest.mark.parametrize("loss", RESPONSE_LOSSES.values())
def test_losses_of_each_teacher_have_the_mean_and_the_gradient_of_their_loss(loss):
    students, teachers = logits(1, 4, 3, 2).requires_grad_(), logits(2, 4, 3, 2)
    each = per_teacher(loss, students, teachers, 2.0)
    assert each.shape == (4, 3)
    assert each[1, 2].item() == pytest.approx(loss(students[1:2, 2:], teachers[1:2, 2:], 2.0).item(), rel=1e-5)
    assert each.mean().item() == pytest.approx(loss(students, teachers, 2.0).item(), rel=1e-5)
    (mean,) = torch.autograd.grad(each.mean(), students)
    (whole,) = torch.autograd.grad(loss(students, teachers, 2.0), students)
    assert torch.allclose(mean, whole, atol=1e-6)
