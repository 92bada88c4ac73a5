"""Attention losses: values by hand, the sources' formulas in loops, padding, order, gradients."""

import itertools
import math
from types import SimpleNamespace

import pytest
import torch

from tmkd.losses.attention import attention_kl, neighbouring_maps, relation_kl, score_mse
from tmkd.losses.transfer import Shape, StateLoss

LENGTHS = [4, 2, 1]
SCORE_LOSSES = [score_mse, attention_kl]
PAIR_LOSSES = [*SCORE_LOSSES, relation_kl]


def mask_of(lengths=LENGTHS, tokens=5):
    return (torch.arange(tokens) < torch.tensor(lengths)[:, None]).long()


def tensor(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def scores(seed):
    return tensor(seed, 3, 2, 5, 5)  # values too: [batch, heads, tokens, head width]


def cut(scores, i, n, loss):
    """Example i without its padding."""
    return scores[i : i + 1, ..., :n, :] if loss is relation_kl else scores[i : i + 1, ..., :n, :n]


def softmax(row):
    total = sum(math.exp(x) for x in row)
    return [math.exp(x) / total for x in row]


def kl(p, q):
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def test_score_mse_has_the_value_worked_out_by_hand():
    student = torch.tensor([[[[1.0, 2.0, 9.0], [0.0, 0.0, 9.0], [9.0, 9.0, 9.0]]]])
    # two real tokens: errors 1, 4, 0, 9; mean 3.5
    teacher = torch.tensor([[[[0.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 0.0]]]])
    assert score_mse(student, teacher, torch.tensor([[1, 1, 0]])).item() == pytest.approx(3.5)


def test_attention_kl_has_the_value_worked_out_by_hand():
    # query 1: p = (3/4, 1/4), q = (1/2, 1/2); query 2: equal, 0; the third key, however high, is padding
    teacher = torch.tensor([[[[math.log(3.0), 0.0, 50.0], [0.0, 0.0, 50.0], [1.0, 2.0, 3.0]]]])
    value = attention_kl(torch.zeros(1, 1, 3, 3), teacher, torch.tensor([[1, 1, 0]]))
    assert value.item() == pytest.approx((0.75 * math.log(1.5) + 0.25 * math.log(0.5)) / 2, abs=1e-6)


def test_relation_kl_has_the_value_worked_out_by_hand():
    # one head of width 1; teacher's values (√ln 3, 0): products ((ln 3, 0), (0, 0)), so p = (3/4, 1/4) and (1/2, 1/2)
    teacher = torch.tensor([[[[math.sqrt(math.log(3.0))], [0.0]]]])
    value = relation_kl(torch.zeros(1, 1, 2, 1), teacher, torch.ones(1, 2))
    assert value.item() == pytest.approx((0.75 * math.log(1.5) + 0.25 * math.log(0.5)) / 2, abs=1e-6)


def test_neighbouring_maps_have_the_value_worked_out_by_hand():
    # Lower layer: (1/2, 1/2) twice; upper: (3/4, 1/4) and (1/2, 1/2). Errors 1/16, 1/16, 0, 0; mean 1/32.
    both = torch.zeros(1, 2, 1, 2, 2)
    both[0, 1, 0, 0, 0] = math.log(3.0)
    assert neighbouring_maps(both, torch.ones(1, 2)).item() == pytest.approx(1 / 32)


def test_neighbouring_maps_do_not_depend_on_the_order_of_heads():
    # Heads of one layer correspond to no particular heads of the next.
    stack = tensor(1, 2, 3, 4, 5, 5)
    shuffled = stack.clone()
    shuffled[:, 1] = stack[:, 1, [2, 0, 3, 1]]
    mask = torch.ones(2, 5)
    assert neighbouring_maps(shuffled, mask).item() == pytest.approx(neighbouring_maps(stack, mask).item(), rel=1e-5)


@pytest.mark.parametrize("loss", SCORE_LOSSES)
def test_score_losses_agree_with_their_formula_in_loops(loss):
    student, teacher = scores(1), scores(2)
    total = 0.0
    for s, t, n in zip(student.tolist(), teacher.tolist(), LENGTHS, strict=True):
        for a in range(2):
            for q in range(n):
                u, v = s[a][q][:n], t[a][q][:n]
                mse = sum((x - y) ** 2 for x, y in zip(u, v, strict=True)) / n
                total += (mse if loss is score_mse else kl(softmax(v), softmax(u))) / (2 * n * len(LENGTHS))
    assert loss(student, teacher, mask_of()).item() == pytest.approx(total, rel=1e-5)


def relation_by_loops(values, heads):
    """Softmax rows of one example: split what its heads' vectors make, joined, into ``heads`` parts."""
    joined = [[x for head in values for x in head[token]] for token in range(len(values[0]))]
    width = len(joined[0]) // heads
    rows = []
    for a in range(heads):
        parts = [vector[a * width : (a + 1) * width] for vector in joined]
        for u in parts:
            rows.append(softmax([sum(x * y for x, y in zip(u, v, strict=True)) / math.sqrt(width) for v in parts]))
    return rows


@pytest.mark.parametrize(("heads", "widths", "relation_heads"), [((2, 2), (3, 5), None), ((2, 3), (3, 4), 6)])
def test_relation_kl_agrees_with_its_formula_in_loops(heads, widths, relation_heads):
    student, teacher = tensor(1, 3, heads[0], 5, widths[0]), tensor(2, 3, heads[1], 5, widths[1])
    total = 0.0
    for s, t, n in zip(student, teacher, LENGTHS, strict=True):
        q, p = (relation_by_loops(x[:, :n].tolist(), relation_heads or heads[0]) for x in (s, t))
        total += sum(kl(a, b) for a, b in zip(p, q, strict=True)) / len(p) / len(LENGTHS)
    assert relation_kl(student, teacher, mask_of(), relation_heads).item() == pytest.approx(total, rel=1e-4)


def test_neighbouring_maps_agree_with_their_formula_in_loops():
    stack = tensor(1, 3, 3, 2, 5, 5)
    total = 0.0
    for layers, n in zip(stack.tolist(), LENGTHS, strict=True):
        maps = []
        for layer in layers:
            rows = [[softmax(head[q][:n]) for q in range(n)] for head in layer]
            maps.append([[(rows[0][q][k] + rows[1][q][k]) / 2 for k in range(n)] for q in range(n)])
        for lower, upper in itertools.pairwise(maps):
            errors = [(lower[q][k] - upper[q][k]) ** 2 for q in range(n) for k in range(n)]
            total += sum(errors) / len(errors) / 2 / len(LENGTHS)
    assert neighbouring_maps(stack, mask_of()).item() == pytest.approx(total, rel=1e-4)


@pytest.mark.parametrize("loss", PAIR_LOSSES)
def test_equal_attention_costs_nothing(loss):
    assert loss(scores(1), scores(1), mask_of()).item() == pytest.approx(0.0, abs=1e-6)


def test_equal_layers_cost_nothing():
    stack = scores(1).unsqueeze(1).expand(-1, 3, -1, -1, -1)
    assert neighbouring_maps(stack, mask_of()).item() == pytest.approx(0.0, abs=1e-7)


def test_attention_kl_does_not_see_what_softmax_does_not_see():
    assert attention_kl(scores(1) + 3, scores(1), mask_of()).item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("loss", PAIR_LOSSES)
@pytest.mark.parametrize("filler", [float("nan"), float("-inf"), 1e4])
def test_padding_changes_neither_value_nor_gradient_whatever_it_holds(loss, filler):
    alone = sum(
        loss(cut(scores(1), i, n, loss), cut(scores(2), i, n, loss), torch.ones(1, n)) for i, n in enumerate(LENGTHS)
    ) / len(LENGTHS)
    real = mask_of().bool()
    inside = real[:, None, :, None] if loss is relation_kl else real[:, None, :, None] & real[:, None, None, :]
    student = scores(1).masked_fill(~inside, filler).requires_grad_()
    value = loss(student, scores(2).masked_fill(~inside, filler), mask_of())
    value.backward()
    assert value.item() == pytest.approx(alone.item(), rel=1e-5)
    assert student.grad.isfinite().all()
    assert (student.grad.masked_select(~inside) == 0).all()


def test_padding_changes_nothing_between_layers():
    stack = tensor(1, 3, 3, 2, 5, 5)
    alone = sum(neighbouring_maps(cut(stack, i, n, None), torch.ones(1, n)) for i, n in enumerate(LENGTHS))
    real = mask_of().bool()
    inside = (real[:, :, None] & real[:, None, :])[:, None, None]
    stack = stack.masked_fill(~inside, float("-inf")).requires_grad_()
    value = neighbouring_maps(stack, mask_of())
    value.backward()
    assert value.item() == pytest.approx(alone.item() / len(LENGTHS), rel=1e-5)
    assert stack.grad.isfinite().all()


@pytest.mark.parametrize("loss", PAIR_LOSSES)
def test_order_of_the_batch_changes_nothing(loss):
    order = torch.tensor([2, 0, 1])
    value = loss(scores(1), scores(2), mask_of())
    assert loss(scores(1)[order], scores(2)[order], mask_of()[order]).item() == pytest.approx(value.item(), rel=1e-5)


@pytest.mark.parametrize("loss", PAIR_LOSSES)
def test_gradient_moves_the_student_towards_the_teacher_and_leaves_the_teacher(loss):
    student, teacher = scores(1).requires_grad_(), scores(2).requires_grad_()
    before = loss(student, teacher, mask_of())
    before.backward()
    assert teacher.grad is None
    assert loss(student - 0.1 * student.grad, teacher, mask_of()) < before


def test_lower_layers_learn_from_upper_ones_and_never_the_reverse():
    stack = tensor(1, 2, 3, 2, 4, 4).requires_grad_()
    mask = torch.ones(2, 4)
    before = neighbouring_maps(stack, mask)
    before.backward()
    assert (stack.grad[:, -1] == 0).all()
    assert (stack.grad[:, :-1].abs().sum((0, 2, 3, 4)) > 0).all()
    # two layers, so that what is learnt from does not move
    after = neighbouring_maps((stack - 0.5 * stack.grad)[:, 1:], mask)
    assert after < neighbouring_maps(stack[:, 1:], mask)


@pytest.mark.parametrize("loss", PAIR_LOSSES)
def test_half_precision_and_autocast_are_computed_in_float32(loss):
    student, teacher = scores(1).bfloat16(), scores(2).bfloat16()
    exact = loss(student.float(), teacher.float(), mask_of())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(student, teacher, mask_of())
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(exact.item(), rel=1e-6)


@pytest.mark.parametrize("loss", SCORE_LOSSES)
def test_scores_of_another_number_of_heads_are_rejected(loss):
    with pytest.raises(
        ValueError, match=r"one shape \[batch, heads, tokens, tokens\].*\[3, 1, 5, 5\] and \[3, 2, 5, 5\]"
    ):
        loss(scores(1)[:, :1], scores(2), mask_of())


def test_values_of_another_number_of_heads_ask_for_relation_heads():
    with pytest.raises(ValueError, match="or a number of relation heads"):
        relation_kl(scores(1)[:, :1], scores(2), mask_of())


def test_relation_heads_that_split_a_width_unevenly_are_rejected():
    with pytest.raises(ValueError, match="divides 2 heads × width 5, but found 3"):
        relation_kl(scores(1), scores(2), mask_of(), 3)


def test_values_of_other_tokens_are_rejected():
    with pytest.raises(ValueError, match="one batch and number of tokens"):
        relation_kl(scores(1)[:, :, :4], scores(2), mask_of())


def test_a_single_layer_has_no_neighbour():
    with pytest.raises(ValueError, match="at least 2 layers"):
        neighbouring_maps(scores(1).unsqueeze(1), mask_of())


RELATIONS = ["queries", "keys", "values"]


def relation_term(name, states, teacher, relation_heads=None):
    """The term's value and gradient, given states of one kind and layer of 2 heads, 5 tokens."""
    shape = Shape(layers=1, width=2 * states.shape[-1], heads=2)
    term = StateLoss(name, shape, [shape], relation_heads=relation_heads)
    states.requires_grad_()
    output = SimpleNamespace(states={(name, 1): states}, logits=torch.zeros(1))
    batch = {"teacher_states": [{(name, 1): teacher}], "attention_mask": mask_of()[: len(states)]}
    value = term(output, batch)
    value.backward()
    return value.item(), states.grad


@pytest.mark.parametrize("name", RELATIONS)
def test_relations_of_queries_keys_and_values_are_each_compared_among_themselves(name):
    student, teacher = tensor(1, 3, 2, 5, 4), tensor(2, 3, 2, 5, 4)
    expected = relation_kl(student, teacher, mask_of(), 4).item()
    assert relation_term(name, student, teacher, 4)[0] == pytest.approx(expected, rel=1e-6)
    assert relation_term(name, tensor(1, 3, 2, 5, 4), tensor(1, 3, 2, 5, 4))[0] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", RELATIONS)
def test_gradient_of_a_relation_moves_the_student_towards_the_teacher(name):
    student, teacher = tensor(1, 3, 2, 5, 4), tensor(2, 3, 2, 5, 4)
    before, slope = relation_term(name, student, teacher, 4)
    assert relation_term(name, (student - 0.1 * slope).detach(), teacher, 4)[0] < before


@pytest.mark.parametrize("name", RELATIONS)
def test_relation_term_has_the_value_worked_out_by_hand(name):
    # two heads of width 1 that are alike, two real tokens: as the value relations above
    teacher = torch.tensor([math.sqrt(math.log(3.0)), 0.0, 7.0, 7.0, 7.0]).view(1, 1, 5, 1).expand(1, 2, 5, 1)
    states = torch.zeros(1, 2, 5, 1)
    shape = Shape(layers=1, width=2, heads=2)
    output = SimpleNamespace(states={(name, 1): states}, logits=torch.zeros(1))
    batch = {"teacher_states": [{(name, 1): teacher}], "attention_mask": mask_of([2])}
    value = StateLoss(name, shape, [shape])(output, batch)
    assert value.item() == pytest.approx((0.75 * math.log(1.5) + 0.25 * math.log(0.5)) / 2, abs=1e-6)
