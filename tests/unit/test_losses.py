"""Every loss is pinned by a value worked out by hand, by zero where the formula says zero, and by its gradient."""

import math

import pytest
import torch
from torch.nn import functional as F

from tmkd.losses.combine import binary_cross_entropy, combine, gold_term, soft_term
from tmkd.losses.response import RESPONSE_LOSSES, kl_divergence, soft_cross_entropy, squared_error
from tmkd.models.classifier import PairOutput

LOSSES = list(RESPONSE_LOSSES.values())


def logits(*rows):
    return torch.tensor(rows, dtype=torch.float32).unsqueeze(1)  # [batch, 1 teacher, classes]


def test_squared_error_is_the_mean_over_classes_heads_and_batch():
    student = torch.tensor([[[1.0, 3.0], [0.0, 0.0]]])  # one pair, two teachers
    teacher = torch.tensor([[[0.0, 1.0], [2.0, 0.0]]])
    # teacher 1: (1 + 4) / 2 = 2.5; teacher 2: (4 + 0) / 2 = 2; mean 2.25
    assert squared_error(student, teacher).item() == pytest.approx(2.25)


def test_kl_divergence_has_the_value_worked_out_by_hand():
    # p = (3/4, 1/4), q = (1/2, 1/2): KL = 3/4 ln(3/2) + 1/4 ln(1/2)
    value = kl_divergence(logits([0.0, 0.0]), logits([math.log(3.0), 0.0]))
    assert value.item() == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5), abs=1e-6)


def test_kl_divergence_keeps_its_squared_temperature():
    # T = 2 halves the logits: teacher log 9 becomes log 3, so the divergence is that of the test above, times 4
    value = kl_divergence(logits([0.0, 0.0]), logits([math.log(9.0), 0.0]), temperature=2.0)
    assert value.item() == pytest.approx(4 * (0.75 * math.log(1.5) + 0.25 * math.log(0.5)), abs=1e-6)


def test_soft_cross_entropy_differs_from_kl_by_the_teachers_entropy():
    student, teacher, temperature = logits([0.3, -1.0]), logits([1.2, 0.1]), 3.0
    p = F.softmax(teacher / temperature, -1)
    entropy = -(p * p.log()).sum()
    difference = soft_cross_entropy(student, teacher, temperature) - kl_divergence(student, teacher, temperature)
    assert difference.item() == pytest.approx(temperature**2 * entropy.item(), abs=1e-5)


@pytest.mark.parametrize("loss", [squared_error, kl_divergence])
def test_equal_logits_cost_nothing(loss):
    same = torch.randn(5, 3, 4)
    assert loss(same, same.clone(), 2.0).item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradient_moves_the_student_towards_the_teacher(loss):
    torch.manual_seed(0)
    student, teacher = torch.randn(6, 2, 3, requires_grad=True), torch.randn(6, 2, 3)
    before = loss(student, teacher, 2.0)
    before.backward()
    after = loss(student - 0.1 * student.grad, teacher, 2.0)
    assert after < before


@pytest.mark.parametrize("loss", LOSSES)
def test_order_of_the_batch_changes_nothing(loss):
    student, teacher, order = torch.randn(7, 2, 3), torch.randn(7, 2, 3), torch.randperm(7)
    assert loss(student, teacher, 2.0).item() == pytest.approx(
        loss(student[order], teacher[order], 2.0).item(), rel=1e-5
    )


@pytest.mark.parametrize("loss", LOSSES)
def test_a_missing_teacher_is_not_broadcast_over_the_others(loss):
    # Broadcasting [batch, 1, classes] over three heads would train, silently, on the wrong targets.
    with pytest.raises(ValueError, match="expected student and teacher logits of one shape"):
        loss(torch.zeros(2, 3, 2), torch.zeros(2, 1, 2), 1.0)


def test_mean_over_heads_of_squared_error_has_the_gradient_of_the_average_for_a_shared_head():
    # Why an averaged target loses nothing when all heads are one: the losses differ by a constant.
    student = torch.randn(4, 1, 2, requires_grad=True)
    teachers = torch.randn(4, 3, 2)
    squared_error(student.expand(4, 3, 2), teachers).backward()
    several = student.grad.clone()
    student.grad = None
    squared_error(student, teachers.mean(1, keepdim=True)).backward()
    assert torch.allclose(several, student.grad, atol=1e-6)


def test_combined_loss_weighs_gold_by_one_minus_alpha():
    logits = torch.tensor([[[0.0, 0.0], [1.0, 3.0]]])
    output = PairOutput(logits=logits, gold=logits[:, 0], soft=logits[:, 1:])
    batch = {"labels": torch.tensor([1]), "soft_targets": torch.tensor([[[0.0, 1.0]]])}
    total, parts = combine([gold_term(0.1), soft_term(0.9, "mse", 1.0)], output, batch)
    assert parts["gold"].item() == pytest.approx(math.log(2))
    assert parts["soft"].item() == pytest.approx(2.5)
    assert total.item() == pytest.approx(0.1 * math.log(2) + 0.9 * 2.5)


def test_binary_cross_entropy_has_the_value_and_gradient_worked_out_by_hand():
    scores = torch.tensor([[math.log(3.0)], [0.0]], requires_grad=True)  # σ: 3/4 and 1/2
    labels = torch.tensor([0.5, 1.0])
    value = gold_term(1.0, "bce")(PairOutput(scores.unsqueeze(1), scores, torch.empty(2, 0, 1)), {"labels": labels})
    # −½ ln ¾ − ½ ln ¼ and ln 2, over two
    assert value.item() == pytest.approx((-0.5 * math.log(3 / 16) + math.log(2)) / 2, abs=1e-6)
    value.backward()
    assert scores.grad.flatten().tolist() == pytest.approx([(0.75 - 0.5) / 2, (0.5 - 1.0) / 2])


def test_binary_cross_entropy_of_certain_right_scores_is_zero():
    assert binary_cross_entropy(torch.tensor([[40.0], [-40.0]]), torch.tensor([1.0, 0.0])).item() < 1e-12


def test_binary_cross_entropy_is_of_one_logit():
    with pytest.raises(ValueError, match=r"expected logits \[batch, 1\], but found \[3, 2\]"):
        binary_cross_entropy(torch.zeros(3, 2), torch.zeros(3))
