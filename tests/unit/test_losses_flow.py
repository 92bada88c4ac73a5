"""Relations between layers: values by hand, the source's formula in loops, padding, gradients, which layers."""

import itertools
from types import SimpleNamespace

import pytest
import torch

from tmkd.losses.relation import flow
from tmkd.losses.transfer import Shape, StateLoss

LENGTHS = [5, 3, 1]


def mask_of(lengths=LENGTHS, tokens=5):
    return (torch.arange(tokens) < torch.tensor(lengths)[:, None]).long()


def both(seed, batch=3, tokens=5, width=4):
    """Lower and upper layer."""
    return torch.randn(batch, 2, tokens, width, generator=torch.Generator().manual_seed(seed))


def test_flow_has_the_value_worked_out_by_hand():
    # lower (1, 0), (0, 2), upper (1, 1), (0, 1): G = ((1, 1), (0, 2)) / 2; the third token is padding
    student = torch.tensor([[[[1.0, 0.0], [0.0, 2.0], [9.0, 9.0]], [[1.0, 1.0], [0.0, 1.0], [9.0, 9.0]]]])
    # the teacher's G is 0: squares 1/4, 1/4, 0, 1; their mean 3/8
    value = flow(student, torch.zeros_like(student), torch.tensor([[1, 1, 0]]))
    assert value.item() == pytest.approx(3 / 8)


def test_flow_agrees_with_its_formula_in_loops():
    student, teacher, width = both(1), both(2), 4
    total = 0.0
    for s, t, n in zip(student.tolist(), teacher.tolist(), LENGTHS, strict=True):
        for i, j in itertools.product(range(width), repeat=2):
            g_s, g_t = (sum(x[0][k][i] * x[1][k][j] for k in range(n)) / n for x in (s, t))
            total += (g_s - g_t) ** 2 / width**2 / len(LENGTHS)
    assert flow(student, teacher, mask_of()).item() == pytest.approx(total, rel=1e-5)


def test_equal_flows_cost_nothing_though_the_states_differ():
    # G is the same where one layer is twice and the other half as large
    scaled = both(1) * torch.tensor([2.0, 0.5])[:, None, None]
    assert flow(both(1), both(1), mask_of()).item() == 0
    assert flow(scaled, both(1), mask_of()).item() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("filler", [float("nan"), float("inf"), 1e4])
def test_padding_changes_neither_the_flow_nor_its_gradient_whatever_it_holds(filler):
    alone = sum(
        flow(both(1)[i : i + 1, :, :n], both(2)[i : i + 1, :, :n], torch.ones(1, n)) for i, n in enumerate(LENGTHS)
    ) / len(LENGTHS)
    outside = (mask_of() == 0)[:, None, :, None].expand_as(both(1))
    student = both(1).masked_fill(outside, filler).requires_grad_()
    value = flow(student, both(2).masked_fill(outside, filler), mask_of())
    value.backward()
    assert value.item() == pytest.approx(alone.item(), rel=1e-5)
    assert student.grad.isfinite().all()
    assert (student.grad[outside] == 0).all()


def test_gradient_moves_the_flow_towards_the_teachers_and_leaves_the_teacher():
    student, teacher = both(1).requires_grad_(), both(2).requires_grad_()
    before = flow(student, teacher, mask_of())
    before.backward()
    assert teacher.grad is None
    assert flow(student - 0.1 * student.grad, teacher, mask_of()) < before


def test_flow_in_half_precision_and_autocast_is_computed_in_float32():
    student, teacher = both(1).bfloat16(), both(2).bfloat16()
    exact = flow(student.float(), teacher.float(), mask_of())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = flow(student, teacher, mask_of())
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(exact.item(), rel=1e-6)


def test_flows_of_other_widths_are_rejected():
    with pytest.raises(ValueError, match=r"one shape \[batch, 2 layers, tokens, width\]"):
        flow(both(1), both(2, width=7), mask_of())


def hidden(layers, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {("hidden", layer): torch.randn(3, 5, width, generator=generator) for layer in range(layers + 1)}


def value(term, mine, theirs):
    output = SimpleNamespace(states=mine, logits=torch.zeros(1))
    return term(output, {"teacher_states": [theirs], "attention_mask": mask_of()})


@pytest.mark.parametrize(
    ("layers", "flows"),
    [(None, [((0, 1), (0, 2)), ((1, 2), (2, 4)), ((2, 3), (4, 6))]), ("top", [((0, 3), (0, 6))])],
)
def test_each_layer_of_the_student_is_compared_with_the_layers_of_the_teacher_it_stands_for(layers, flows):
    term = StateLoss("fsp", Shape(3, 4, 1), [Shape(6, 4, 1)], layers)
    mine, theirs = hidden(3, 4), hidden(6, 4, seed=1)
    expected = [
        flow(*(torch.stack([of["hidden", at] for at in ends], 1) for of, ends in zip((mine, theirs), both)), mask_of())
        for both in flows
    ]
    assert value(term, mine, theirs).item() == pytest.approx(sum(expected).item() / len(flows), rel=1e-6)


def test_a_learnt_map_stands_between_widths_that_differ():
    term = StateLoss("fsp", Shape(3, 4, 1), [Shape(6, 7, 1)])
    value(term, hidden(3, 4), hidden(6, 7, seed=1)).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in term.parameters())


def test_nothing_flows_in_the_embeddings_alone():
    with pytest.raises(ValueError, match="a map of layers other than embeddings for 'fsp'"):
        StateLoss("fsp", Shape(3, 4, 1), [Shape(6, 4, 1)], "embeddings")
