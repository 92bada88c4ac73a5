"""Inner states: the ones asked for, the same whatever the padding, and a clear no where they cannot be read."""

import pytest
import torch
from transformers import GPT2Config, GPT2Model

from tmkd import choices
from tmkd.data.readers import READERS
from tmkd.errors import ModelError
from tmkd.losses import transfer
from tmkd.losses.mapping import layer_pairs
from tmkd.losses.online import ONLINE_LOSSES
from tmkd.losses.response import RESPONSE_LOSSES
from tmkd.models.classifier import PairClassifier
from tmkd.models.encoder import load_encoder
from tmkd.models.states import attention_maps, check_attention
from tmkd.teachers.registry import SOURCES

POOLED = [("first", 2), ("mean", 2), ("last", 2)]
EVERY = [("hidden", 0), ("hidden", 2), *POOLED, ("scores", 1), ("queries", 1), ("keys", 1), ("values", 2)]


@pytest.fixture
def model():
    torch.manual_seed(0)
    encoder = load_encoder(source="tiny", layers=2, width=16, dropout=0.0, attention="eager")
    return PairClassifier(encoder, ["gold"], ["wrong", "right"], max_length=48).eval()


def forward(model, ids, states):
    ids = torch.tensor(ids)
    return model(ids, (ids != 0).long(), states=states)


def test_only_the_states_asked_for_come_back_with_their_shapes(model):
    found = forward(model, [[5, 6, 7], [5, 6, 0]], EVERY).states
    shapes = {state: tuple(tensor.shape) for state, tensor in found.items()}
    assert shapes == {
        ("hidden", 0): (2, 3, 16), ("hidden", 2): (2, 3, 16), **dict.fromkeys(POOLED, (2, 16)),
        ("scores", 1): (2, 2, 3, 3), ("queries", 1): (2, 2, 3, 8), ("keys", 1): (2, 2, 3, 8),
        ("values", 2): (2, 2, 3, 8),
    }  # fmt: skip
    assert forward(model, [[5, 6, 7]], []).states == {}


def test_last_state_is_the_one_that_the_heads_read(model):
    output = forward(model, [[5, 6, 7]], [("first", 2), ("hidden", 2)])
    assert torch.equal(output.states["first", 2], output.states["hidden", 2][:, 0])
    assert torch.equal(model.heads(output.states["first", 2]), output.logits)


@pytest.mark.parametrize("heads_read", ["first", "mean", "last"])
def test_a_pairs_vector_is_the_one_named_whatever_the_heads_read(model, heads_read):
    model.pooling = heads_read
    states = forward(model, [[5, 6, 7, 0]], [*POOLED, ("hidden", 2)]).states
    hidden = states["hidden", 2][0]
    for state, expected in zip(POOLED, (hidden[0], hidden[:3].mean(0), hidden[2]), strict=True):
        assert torch.allclose(states[state][0], expected, atol=1e-6)


@pytest.mark.parametrize("pooling", ["first", "mean", "last"])
@pytest.mark.parametrize("name", choices.POOLED)
def test_teachers_own_weights_cost_nothing_though_the_heads_read_another_vector(model, name, pooling):
    # or a student whose heads read the mean would learn to make it a copy of the teacher's first token
    shape = transfer.Shape(layers=2, width=16, heads=2)
    term = transfer.StateLoss(name, shape, [shape], pooling=pooling)
    ids = [[5, 6, 7, 8], [9, 6, 0, 0], [7, 7, 5, 0], [4, 8, 0, 0]]
    (wanted,) = term.teacher_states
    theirs = forward(model, ids, wanted)
    model.pooling = "mean"
    ours = forward(model, ids, term.student_states)
    batch = {"teacher_states": [theirs.states], "attention_mask": (torch.tensor(ids) != 0).long()}
    assert term(ours, batch).item() == pytest.approx(0, abs=1e-7)


def test_queries_and_keys_make_the_scores(model):
    states = forward(model, [[5, 6, 7]], EVERY).states
    product = states["queries", 1] @ states["keys", 1].transpose(-1, -2) / 8**0.5
    assert torch.allclose(product, states["scores", 1], atol=1e-6)


def test_scores_are_those_that_the_encoder_attends_with(model):
    # or a loss would pull at numbers that the encoder never uses
    output = forward(model, [[5, 6, 7, 8]], [("scores", 1)])
    seen = model.encoder(torch.tensor([[5, 6, 7, 8]]), output_attentions=True).attentions[0]
    assert torch.allclose(output.states["scores", 1].softmax(-1), seen, atol=1e-6)


def test_padding_changes_no_state_of_a_real_token(model):
    alone, padded = (forward(model, [ids], EVERY).states for ids in ([5, 6, 7], [5, 6, 7, 0, 0]))
    assert torch.allclose(alone["hidden", 2], padded["hidden", 2][:, :3], atol=1e-6)
    for state in POOLED:
        assert torch.allclose(alone[state], padded[state], atol=1e-6)
    assert torch.allclose(alone["values", 2], padded["values", 2][:, :, :3], atol=1e-6)
    assert torch.allclose(alone["scores", 1], padded["scores", 1][:, :, :3, :3], atol=1e-6)


def test_no_hook_stays_behind_even_after_an_error(model):
    def broken():
        with attention_maps(model.encoder, [("values", 1)]):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken()
    assert not any(module._forward_hooks for module in model.encoder.modules() if isinstance(module, torch.nn.Linear))


def test_encoder_with_fused_attention_maps_is_refused_by_name():
    gpt2 = GPT2Model(GPT2Config(n_layer=2, n_embd=8, n_head=2, vocab_size=11))
    with pytest.raises(ModelError, match="Cannot read the attention of GPT2Model"):
        check_attention(gpt2)


@pytest.mark.parametrize("name", ["scores", "attention", "values"])
def test_attention_of_the_embeddings_is_refused(name):
    # or layer 0, less one, would be the last layer
    shape = transfer.Shape(layers=2, width=16, heads=2)
    with pytest.raises(ValueError, match=f"other than embeddings for '{name}'"):
        transfer.StateLoss(name, shape, [shape], layers="embeddings")


@pytest.mark.parametrize(("mine", "theirs"), [(16, 12), (12, 16)])
def test_relation_heads_that_do_not_divide_a_width_are_refused(mine, theirs):
    # or the first step would, once the teachers are trained
    student, teacher = (transfer.Shape(layers=2, width=width, heads=2) for width in (mine, theirs))
    with pytest.raises(ValueError, match=r"relation_heads that divide the widths .* but found 8"):
        transfer.StateLoss("values", student, [teacher], relation_heads=8)
    assert transfer.StateLoss("values", student, [teacher], relation_heads=4).extra == {"relation_heads": 4}


def test_what_settings_may_name_is_what_the_code_knows():
    # the names lie below, without torch: a function that is missing would be found only where it is called
    assert {*transfer.TRANSFERS, choices.SELF_ATTENTION} == set(choices.TERMS)
    assert {*RESPONSE_LOSSES, *choices.RANKING_LOSSES} == set(choices.LOSSES)
    assert set(ONLINE_LOSSES) == set(choices.ONLINE_LOSSES)
    assert set(READERS) == {*choices.CORPUS_READERS, *choices.TASK_READERS}
    assert {choices.FINE_TUNED, *SOURCES} == set(choices.TEACHER_KINDS)
    assert {*choices.POOLED, *choices.ALWAYS_MAPPED} <= set(transfer.TRANSFERS)
    assert all(layer_pairs(kind, 3, 12) for kind in choices.LAYER_MAPS)


@pytest.mark.parametrize("name", transfer.TRANSFERS)
def test_transfer_reads_half_precision_states_where_the_student_learns_in_bf16(model, name):
    # teachers' states are float16, stored or not, and autocast refuses some operations on both precisions at once
    shape = transfer.Shape(layers=2, width=16, heads=model.encoder.config.num_attention_heads)
    term = transfer.StateLoss(name, shape, [shape])
    batch = {"attention_mask": torch.tensor([[1] * 6, [1] * 6, [1, 1, 1, 1, 0, 0]])}
    ids = torch.tensor([[1, 5, 9, 2, 7, 2], [1, 6, 8, 4, 3, 2], [1, 9, 4, 2, 0, 0]])
    (wanted,) = term.teacher_states
    with torch.no_grad():
        taught = model(ids.flip(0), batch["attention_mask"], states=wanted).states
    batch["teacher_states"] = [{state: values.half() for state, values in taught.items()}]
    with torch.autocast("cpu", torch.bfloat16):
        loss = term(model(ids, batch["attention_mask"], states=term.student_states), batch)
    loss.backward()
    assert torch.isfinite(loss) and loss > 0
    learnt = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    assert any(gradient.abs().sum() > 0 for gradient in learnt)
    assert all(torch.isfinite(gradient).all() for gradient in learnt)
