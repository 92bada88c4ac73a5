"""Feature losses and layer maps: values by hand, the sources' formulas in loops, padding, order, gradients."""

import math

import pytest
import torch

from tmkd.losses.feature import Projection, cosine, hidden_mse, hint, patient
from tmkd.losses.mapping import layer_pairs

LENGTHS = [5, 3, 1]
TOKEN_LOSSES = [hint, hidden_mse, cosine]


def mask_of(lengths=LENGTHS, tokens=6):
    return (torch.arange(tokens) < torch.tensor(lengths)[:, None]).long()


def states(seed, batch=3, tokens=6, width=4):
    return torch.randn(batch, tokens, width, generator=torch.Generator().manual_seed(seed))


def example():
    """One example of two real tokens and one of padding: squared errors 1 + 4 and 0 + 9, cosines 0 and 1."""
    student = torch.tensor([[[1.0, 0.0], [0.0, 3.0], [7.0, 7.0]]])
    teacher = torch.tensor([[[0.0, 2.0], [0.0, 6.0], [0.0, 1.0]]])
    return student, teacher, torch.tensor([[1, 1, 0]])


@pytest.mark.parametrize(
    ("loss", "expected"),
    # squared errors: token 1 (1 + 4) / 2, token 2 (0 + 9) / 2; mean 3.5; cosines: 0 and 1, mean of 1 − cos: 0.5
    [(hidden_mse, 3.5), (hint, 1.75), (cosine, 0.5)],
)
def test_token_losses_have_the_value_worked_out_by_hand(loss, expected):
    assert loss(*example()).item() == pytest.approx(expected)


def test_patient_loss_has_the_value_worked_out_by_hand():
    student = torch.tensor([[[3.0, 4.0], [0.0, 2.0]]])  # one example, two layers
    teacher = torch.tensor([[[5.0, 0.0], [0.0, 9.0]]])
    # layer 1: (0.6, 0.8) against (1, 0): (0.16 + 0.64) / 2 = 0.4; layer 2: the same direction, 0; mean 0.2
    assert patient(student, teacher).item() == pytest.approx(0.2)


def by_loops(loss, student, teacher, lengths):
    """The sources' formulas, written out."""
    costs = []
    for s, t, length in zip(student.tolist(), teacher.tolist(), lengths, strict=True):
        tokens = []
        for u, v in zip(s[:length], t[:length], strict=True):
            square = sum((a - b) ** 2 for a, b in zip(u, v, strict=True)) / len(u)
            dot = sum(a * b for a, b in zip(u, v, strict=True))
            cos = dot / math.sqrt(sum(a * a for a in u)) / math.sqrt(sum(b * b for b in v))
            tokens.append({hint: square / 2, hidden_mse: square, cosine: 1 - cos}[loss])
        costs.append(sum(tokens) / length)
    return sum(costs) / len(costs)


@pytest.mark.parametrize("loss", TOKEN_LOSSES)
def test_token_losses_agree_with_their_formula_in_loops(loss):
    student, teacher = states(1), states(2)
    assert loss(student, teacher, mask_of()).item() == pytest.approx(
        by_loops(loss, student, teacher, LENGTHS), rel=1e-5
    )


def test_patient_loss_agrees_with_its_formula_in_loops():
    student, teacher = states(1), states(2)  # [batch, layers, width]
    total = 0.0
    for s, t in zip(student.flatten(0, 1), teacher.flatten(0, 1), strict=True):
        total += ((s / s.norm() - t / t.norm()) ** 2).sum().item()
    assert patient(student, teacher).item() == pytest.approx(total / student.numel(), rel=1e-5)


@pytest.mark.parametrize("loss", TOKEN_LOSSES)
def test_equal_states_cost_nothing(loss):
    assert loss(states(1), states(1), mask_of()).item() == pytest.approx(0.0, abs=1e-6)


def test_patient_loss_does_not_see_the_length_of_a_state():
    assert patient(states(1), 5 * states(1)).item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("loss", TOKEN_LOSSES)
def test_padding_changes_neither_value_nor_gradient_whatever_it_holds(loss):
    # Not-a-number in padding times a mask of 0 is still not a number, in the gradient if not in the value.
    alone = sum(
        loss(states(1)[i : i + 1, :n], states(2)[i : i + 1, :n], torch.ones(1, n)) for i, n in enumerate(LENGTHS)
    ) / len(LENGTHS)
    outside = mask_of().unsqueeze(-1) == 0
    student = states(1).masked_fill(outside, float("nan")).requires_grad_()
    value = loss(student, states(2).masked_fill(outside, float("inf")), mask_of())
    value.backward()
    assert value.item() == pytest.approx(alone.item(), rel=1e-5)
    assert student.grad.isfinite().all()
    assert (student.grad.masked_select(outside) == 0).all()


@pytest.mark.parametrize("loss", TOKEN_LOSSES)
def test_order_of_the_batch_changes_nothing(loss):
    order = torch.tensor([2, 0, 1])
    value = loss(states(1), states(2), mask_of())
    assert loss(states(1)[order], states(2)[order], mask_of()[order]).item() == pytest.approx(value.item(), rel=1e-5)
    assert patient(states(1)[order], states(2)[order]).item() == pytest.approx(
        patient(states(1), states(2)).item(), rel=1e-5
    )


@pytest.mark.parametrize("loss", [*TOKEN_LOSSES, lambda s, t, _: patient(s, t)])
def test_gradient_moves_the_student_towards_the_teacher_and_leaves_the_teacher(loss):
    student, teacher = states(1).requires_grad_(), states(2).requires_grad_()
    before = loss(student, teacher, mask_of())
    before.backward()
    assert teacher.grad is None
    assert loss(student - 0.1 * student.grad, teacher, mask_of()) < before


@pytest.mark.parametrize("loss", [*TOKEN_LOSSES, lambda s, t, _: patient(s, t)])
def test_half_precision_states_are_compared_in_float32(loss):
    student, teacher = states(1).bfloat16(), states(2).bfloat16()
    value = loss(student, teacher, mask_of())
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(loss(student.float(), teacher.float(), mask_of()).item(), rel=1e-6)


@pytest.mark.parametrize("loss", TOKEN_LOSSES)
def test_a_width_of_one_is_not_broadcast(loss):
    with pytest.raises(ValueError, match=r"one shape \[batch, tokens, width\].*\[3, 6, 1\] and \[3, 6, 4\]"):
        loss(states(1, width=1), states(2), mask_of())


def test_patient_loss_rejects_another_number_of_layers():
    with pytest.raises(ValueError, match=r"one shape \[batch, layers, width\].*\[3, 1, 4\] and \[3, 6, 4\]"):
        patient(states(1, tokens=1), states(2))


def test_a_mask_of_another_length_is_rejected():
    with pytest.raises(ValueError, match=r"of shape \[3, 6\], but found \[3, 1\]"):
        hint(states(1), states(2), torch.ones(3, 1))


def test_an_example_of_padding_alone_is_rejected():
    with pytest.raises(ValueError, match="a real token in each of 3 examples"):
        hint(states(1), states(2), mask_of([5, 0, 1]))


def test_projection_is_the_identity_where_widths_agree_and_linear_elsewhere():
    assert not list(Projection(4, 4).parameters())
    assert torch.equal(Projection(4, 4)(states(1)), states(1))
    wider = Projection(4, 7)
    assert wider(states(1)).shape == (3, 6, 7)
    assert torch.allclose(wider(2 * states(1) + states(2)), 2 * wider(states(1)) + wider(states(2)), atol=1e-5)


def test_projection_that_is_always_learnt_starts_as_the_identity_and_moves():
    # or a hint between equal widths would have no regressor, which FitNets always has
    learnt = Projection(4, 4, always=True)
    assert torch.equal(learnt(states(1)), states(1))
    assert hint(learnt(states(1)), states(1), mask_of()).item() == 0
    hint(learnt(states(1)), states(2), mask_of()).backward()
    (weight,) = learnt.parameters()
    assert weight.grad.abs().sum() > 0


def test_projection_learns_with_the_student():
    student, projection = states(1).requires_grad_(), Projection(4, 7)
    hint(projection(student), states(2, width=7), mask_of()).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in projection.parameters())
    assert student.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("kind", "layers", "expected"),
    [
        # the layers that Sun et al. 2019 name: 2, 4, 6, 8, 10 and 7, 8, 9, 10, 11 of 12 for six layers
        ("skip", (6, 12), [(1, 2), (2, 4), (3, 6), (4, 8), (5, 10)]),
        ("last", (6, 12), [(1, 7), (2, 8), (3, 9), (4, 10), (5, 11)]),
        ("skip", (3, 12), [(1, 4), (2, 8)]),
        ("last", (3, 12), [(1, 10), (2, 11)]),
        # g(m) = 3 m of Jiao et al. 2020
        ("uniform", (4, 12), [(1, 3), (2, 6), (3, 9), (4, 12)]),
        ("uniform", (1, 6), [(1, 6)]),
        ("top", (3, 12), [(3, 12)]),
        ("top", (6, 6), [(6, 6)]),
        ("middle", (3, 12), [(2, 6)]),
        ("embeddings", (3, 12), [(0, 0)]),
    ],
)
def test_layers_are_paired_as_the_sources_pair_them(kind, layers, expected):
    assert layer_pairs(kind, *layers) == expected


@pytest.mark.parametrize("kind", ["last", "skip", "uniform", "top"])
def test_a_teacher_shallower_than_the_student_is_rejected(kind):
    with pytest.raises(ValueError, match="at least as deep, but found 6 student and 3 teacher layers"):
        layer_pairs(kind, 6, 3)


@pytest.mark.parametrize("kind", ["skip", "uniform"])
def test_depths_that_do_not_divide_are_rejected(kind):
    with pytest.raises(ValueError, match=r"divides the teacher's.*5 student and 12 teacher layers"):
        layer_pairs(kind, 5, 12)


@pytest.mark.parametrize("kind", ["last", "skip"])
def test_a_student_of_one_layer_is_not_left_without_pairs(kind):
    # An empty list of pairs would be a loss of nothing, silently.
    with pytest.raises(ValueError, match="at least 2 layers"):
        layer_pairs(kind, 1, 12)


def test_an_unknown_layer_map_is_rejected():
    with pytest.raises(ValueError, match="last, skip, uniform, top, middle, embeddings, but found 'first'"):
        layer_pairs("first", 3, 12)
