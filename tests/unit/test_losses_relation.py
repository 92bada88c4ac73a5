"""Relation losses: values by hand, the sources' formulas in loops, order, gradients, duplicates, batches of one."""

import itertools
import math

import pytest
import torch

from tmkd.losses.relation import angles, distances, similarity

LOSSES = [distances, angles, similarity]


def rows(seed, batch=6, width=4):
    return torch.randn(batch, width, generator=torch.Generator().manual_seed(seed))


def huber(a, b):
    return 0.5 * (a - b) ** 2 if abs(a - b) <= 1 else abs(a - b) - 0.5


# A right angle with sides 3 and 4 (distances 3, 4, 5; mean 4), against three points on a line (1, 1, 2; mean 4/3).
RIGHT = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
LINE = torch.tensor([[1.0], [2.0], [0.0]])


def test_distances_have_the_value_worked_out_by_hand():
    # 3/4, 4/4, 5/4 against 3/4, 3/4, 6/4: halves of 0, 1/16, 1/16; mean 1/48
    assert distances(RIGHT, LINE).item() == pytest.approx(1 / 48)


def test_angles_have_the_value_worked_out_by_hand():
    # cosines 0, 3/5, 4/5 at the three corners against −1, 1, 1 on the line: halves of 1, 4/25, 1/25; mean 1/5
    assert angles(RIGHT, LINE).item() == pytest.approx(0.2)


def test_angles_are_linear_beyond_a_difference_of_one():
    # Cosines −1, 1, 1 at the three rows against 1, −1, 1: twice |−2| − 1/2 where a square would be 2, and 0
    line, other = torch.tensor([[0.0], [1.0], [-1.0]]), torch.tensor([[0.0], [1.0], [2.0]])
    assert angles(line, other).item() == pytest.approx((1.5 + 1.5 + 0) / 3)


def test_similarity_has_the_value_worked_out_by_hand():
    # Gram matrix of (1, 0), (0, 1) is the identity; of (1), (1) all ones, its rows (1, 1) / √2.
    # Four differences: twice (1 − 1/√2)² and twice 1/2; over 4.
    value = similarity(torch.eye(2), torch.ones(2, 1))
    assert value.item() == pytest.approx(((1 - 1 / math.sqrt(2)) ** 2 + 0.5) / 2)


def distances_by_loops(student, teacher):
    def relative(x):
        pairs = [math.dist(a, b) for a, b in itertools.permutations(x.tolist(), 2)]
        return [d / (sum(pairs) / len(pairs)) for d in pairs]

    costs = [huber(a, b) for a, b in zip(relative(student), relative(teacher), strict=True)]
    return sum(costs) / len(costs)


def angles_by_loops(student, teacher):
    def cosine(i, j, k):
        a, b = i - j, k - j
        return (a @ b / a.norm() / b.norm()).item()

    triplets = list(itertools.permutations(range(len(student)), 3))
    costs = [huber(cosine(*student[list(t)]), cosine(*teacher[list(t)])) for t in triplets]
    return sum(costs) / len(costs)


def similarity_by_loops(student, teacher):
    total, batch = 0.0, len(student)
    for i in range(batch):
        s = [(student[i] @ student[j]).item() for j in range(batch)]
        t = [(teacher[i] @ teacher[j]).item() for j in range(batch)]
        s_length, t_length = math.hypot(*s), math.hypot(*t)
        total += sum((a / s_length - b / t_length) ** 2 for a, b in zip(s, t, strict=True))
    return total / batch**2


@pytest.mark.parametrize(
    ("loss", "by_loops"),
    [(distances, distances_by_loops), (angles, angles_by_loops), (similarity, similarity_by_loops)],
)
def test_losses_agree_with_their_formula_in_loops(loss, by_loops):
    student, teacher = rows(1), rows(2, width=7)
    assert loss(student, teacher).item() == pytest.approx(by_loops(student, teacher), rel=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_equal_relations_cost_nothing_though_rows_are_turned_and_scaled(loss):
    turn = torch.linalg.qr(rows(3, batch=4)).Q
    assert loss(rows(1), 5 * rows(1) @ turn).item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("loss", [distances, angles])
def test_a_common_shift_changes_nothing_between_rows(loss):
    assert loss(rows(1), rows(1) + 2).item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_order_of_the_batch_changes_nothing(loss):
    order = torch.tensor([3, 0, 5, 1, 2, 4])
    assert loss(rows(1)[order], rows(2)[order]).item() == pytest.approx(loss(rows(1), rows(2)).item(), rel=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradient_moves_the_student_towards_the_teacher_and_leaves_the_teacher(loss):
    student, teacher = rows(1).requires_grad_(), rows(2).requires_grad_()
    before = loss(student, teacher)
    before.backward()
    assert teacher.grad is None
    assert loss(student - 0.1 * student.grad, teacher) < before


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("noise", [0.0, 1e-7])
def test_duplicates_in_a_batch_leave_the_gradient_small(loss, noise):
    # One over a distance of nothing would swamp every other gradient, or be not a number.
    student = rows(1)
    student[1] = student[0] + noise
    student.requires_grad_()
    loss(student, rows(2)).backward()
    assert student.grad.abs().max() < 10
    assert student.grad.abs().sum() > 0


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("student", [torch.ones(4, 3), torch.zeros(4, 3)])
def test_a_batch_of_one_row_again_and_again_has_a_finite_value_and_gradient(loss, student):
    student = student.clone().requires_grad_()
    value = loss(student, rows(2, batch=4))
    value.backward()
    assert value.isfinite()
    assert student.grad.isfinite().all()


@pytest.mark.parametrize("loss", LOSSES)
def test_a_batch_of_one_costs_exactly_nothing(loss):
    student = rows(1, batch=1).requires_grad_()
    value = loss(student, rows(2, batch=1))
    value.backward()
    assert value.item() == 0.0
    assert student.grad.isfinite().all()
    assert student.grad.abs().max() < 1e-6


def test_two_rows_make_no_angle():
    student = rows(1, batch=2).requires_grad_()
    value = angles(student, rows(2, batch=2))
    value.backward()
    assert value.item() == 0.0
    assert (student.grad == 0).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_half_precision_and_autocast_are_computed_in_float32(loss):
    student, teacher = rows(1).bfloat16(), rows(2).bfloat16()
    exact = loss(student.float(), teacher.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(student, teacher)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(exact.item(), rel=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_another_batch_is_rejected(loss):
    with pytest.raises(ValueError, match=r"of one batch, but found \[6, 4\] and \[1, 4\]"):
        loss(rows(1), rows(2)[:1])


@pytest.mark.parametrize("loss", LOSSES)
def test_states_of_tokens_are_not_taken_for_rows(loss):
    with pytest.raises(ValueError, match=r"\[batch, width\]"):
        loss(rows(1).unsqueeze(1), rows(2))
