"""Exits: their losses by hand and by the source's formula, what their gradients reach, and stopping part of the way."""

import math

import numpy as np
import pytest
import torch
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    AlbertConfig,
    AlbertModel,
    DistilBertConfig,
    DistilBertModel,
    GPT2Config,
    GPT2Model,
    GPT2Tokenizer,
    ModernBertConfig,
    ModernBertModel,
)

from tmkd.data.batching import Collator, PairDataset, rows_at, tokenise
from tmkd.errors import ModelError
from tmkd.losses.combine import combine, gold_term
from tmkd.losses.exits import exit_terms, features, from_deepest, gold
from tmkd.models.classifier import PairClassifier, PairOutput
from tmkd.models.encoder import Encoder, load_encoder
from tmkd.models.exits import exit_parameters
from tmkd.models.layers import keep_layers
from tmkd.models.tiny import letter_tokenizer
from tmkd.training.fit import fit
from tmkd.training.predict import INPUTS, predict

SIZE = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}


def classifier(encoder, exits=(1, 2), heads=("gold",), classes=("wrong", "right")):
    torch.manual_seed(0)
    model = PairClassifier(encoder, list(heads), list(classes), max_length=48)
    if exits:
        model.add_exits(exits)
    for parameter in model.parameters():  # or heads are so small that every exit says the same of everything
        parameter.data += 0.3 * torch.randn_like(parameter)
    return model.eval()


def batch_of(pairs, tokenizer, rows=range(10)):
    tokens = tokenise(pairs, tokenizer, 48)
    inputs = tokens.select_columns([name for name in INPUTS if name in tokens.column_names])
    return Collator(tokenizer.pad_token_id)(rows_at(inputs, list(rows)))


def gpt2(layers=3):
    pieces = [*sorted(ByteLevel.alphabet()), "<|endoftext|>"]
    tokenizer = GPT2Tokenizer(vocab={piece: index for index, piece in enumerate(pieces)}, merges=[])
    tokenizer.pad_token = tokenizer.eos_token
    return GPT2Model(GPT2Config(vocab_size=len(pieces), n_embd=16, n_layer=layers, n_head=2)), tokenizer, "last"


def distilbert():
    tokenizer = letter_tokenizer()
    config = DistilBertConfig(vocab_size=len(tokenizer), dim=16, hidden_dim=32, n_layers=3, n_heads=2)
    return DistilBertModel(config), tokenizer, "mean"


def modernbert():
    # some of its layers look at near tokens alone: which, is a matter of their place
    tokenizer = letter_tokenizer()
    config = ModernBertConfig(
        vocab_size=len(tokenizer), pad_token_id=0, global_attn_every_n_layers=2, local_attention=4, **SIZE
    )
    config._attn_implementation = "eager"
    return ModernBertModel(config), tokenizer, "first"


def tiny():
    encoder = load_encoder(source="tiny", layers=3, width=16, dropout=0.0)
    return encoder.model, encoder.tokenizer, encoder.pooling


FAMILIES = [tiny, gpt2, distilbert, modernbert]


def of_family(family, **settings):
    torch.manual_seed(0)
    model = classifier(Encoder(*family()), **settings)
    model.tokenizer.padding_side = "right"
    return model


def without_token_types(model, batch):
    known = {"input_ids", "attention_mask"} | (
        {"token_type_ids"} if model.encoder.config.model_type == "bert" else set()
    )
    return {name: tensor for name, tensor in batch.items() if name in known}


def test_gold_loss_has_the_value_worked_out_by_hand():
    logits = torch.tensor([[[0.0, math.log(3)], [math.log(4), 0.0]]])  # right with 3/4, then with 1/5
    assert gold(logits, torch.tensor([1])).item() == pytest.approx(-math.log(3 / 4) - math.log(1 / 5))


def test_loss_from_the_deepest_has_the_value_worked_out_by_hand():
    exits = torch.tensor([[[0.0, 2 * math.log(3)]]])  # at T = 2: 1/4, 3/4
    deepest = torch.tensor([[[0.0, 0.0]]])  # 1/2, 1/2
    expected = 4 * (0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75))
    assert from_deepest(exits, deepest, 2.0).item() == pytest.approx(expected)


def test_feature_loss_has_the_value_worked_out_by_hand():
    exits = torch.tensor([[[1.0, 2.0], [0.0, 0.0]]])
    assert features(exits, torch.tensor([[1.0, 4.0]])).item() == pytest.approx((0 + 4) / 2 + (1 + 16) / 2)


def test_terms_add_up_to_the_sources_formula():
    generator = torch.Generator().manual_seed(1)

    def draw(*shape):
        return torch.randn(*shape, generator=generator)

    output = PairOutput(
        logits=draw(5, 3, 3),
        gold=None,
        soft=draw(5, 3, 3),
        states={("exit", 1): draw(5, 6), ("exit", 4): draw(5, 6)},
        h1=draw(5, 6),
        exits={1: draw(5, 3), 4: draw(5, 3)},
    )
    labels = torch.tensor([0, 2, 1, 1, 0])
    terms = exit_terms([1, 4], [1, 2], weight=0.7, alpha=0.3, temperature=2.5, feature_weight=0.2)
    total, parts = combine(terms, output, {"labels": labels})

    expected = 0.0
    for layer in (1, 4):
        for row in range(5):
            z, feature = output.exits[layer][row].double(), output.states["exit", layer][row].double()
            taught = sum((output.logits[row, head].double() / 2.5).softmax(0) for head in (1, 2)) / 2
            said = (z / 2.5).softmax(0)
            cost = 0.7 * -math.log(z.softmax(0)[labels[row]])
            cost += 0.3 * 2.5**2 * sum(float(p * (p.log() - q.log())) for p, q in zip(taught, said))
            cost += 0.2 * sum(float((a - b) ** 2) for a, b in zip(feature, output.h1[row].double())) / 6
            expected += 0.7 * cost / 5
    assert total.item() == pytest.approx(expected, rel=1e-5)
    assert set(parts) == {"exits_gold", "exits_soft", "exits_features"}


def test_what_exits_learn_reaches_their_layers_and_never_those_above(pairs):
    model = of_family(tiny, exits=(1,))
    batch = batch_of(pairs, model.tokenizer)
    terms = exit_terms([1], [0], weight=1.0)
    total, _ = combine(terms, model(**batch, states=terms[0].states), {"labels": torch.arange(10) % 2})
    total.backward()
    lowest, *above = model.encoder.encoder.layer
    assert all(parameter.grad.abs().sum() > 0 for parameter in [*lowest.parameters()][:2])
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.exits.parameters())
    for part in (*above, model.heads):
        assert all(parameter.grad is None or not parameter.grad.any() for parameter in part.parameters())


def train(exits, pairs, runtime, scratch, terms=(), **changes):
    """The classifier after two epochs of gold labels and the given terms."""
    torch.manual_seed(1)
    encoder = load_encoder(source="tiny", layers=3, width=16, dropout=0.1, attention="eager")
    model = PairClassifier(encoder, ["gold"], ["wrong", "right"], max_length=48)
    if exits:
        model.add_exits(exits)
    settings = {
        "what": "test", "seed": 3, "learning_rate": 3e-3, "batch_size": 8, "epochs": 2,
        "warmup": 0.1, "weight_decay": 0.01, "max_grad_norm": 1.0, "schedule": "linear",
    }  # fmt: skip
    tokens = PairDataset(tokenise(pairs, model.tokenizer, 48))
    fit(model, tokens, [gold_term(1.0), *terms], scratch=scratch, runtime=runtime, **settings | changes)
    return model


# the norm of the gradients, zeros and all, is not summed in one order, so that clipping is equal up to rounding only
@pytest.mark.parametrize(("max_grad_norm", "rounding"), [(1e9, 0.0), (1.0, 1e-6)])
def test_exits_without_weight_leave_the_deepest_classifier_as_it_is_without_exits(
    pairs, runtime, tmp_path, max_grad_norm, rounding
):
    plain = train((), pairs, runtime, tmp_path / "plain", max_grad_norm=max_grad_norm)
    terms = exit_terms([1, 2], [0], weight=0.0)
    exits = train((1, 2), pairs, runtime, tmp_path / "exits", terms, max_grad_norm=max_grad_norm)
    for part in ("encoder", "heads"):
        for a, b in zip(getattr(plain, part).parameters(), getattr(exits, part).parameters(), strict=True):
            assert torch.allclose(a, b, rtol=0, atol=rounding)
    taught = train((1, 2), pairs, runtime, tmp_path / "taught", exit_terms([1, 2], [0]), max_grad_norm=max_grad_norm)
    moved = [(a - b).abs().max() for a, b in zip(plain.encoder.parameters(), taught.encoder.parameters(), strict=True)]
    assert max(moved) > 1e-3


def test_exits_draw_no_random_number_that_others_would_have_drawn():
    model = of_family(tiny, exits=())
    torch.manual_seed(5)
    model.add_exits([1, 2])
    drawn = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(3))


def test_killed_training_ends_with_the_exits_of_one_that_was_not(pairs, runtime, tmp_path, killed_at):
    terms = exit_terms([1, 2], [0])
    whole = train((1, 2), pairs, runtime, tmp_path / "whole", terms)
    with killed_at(9) as every_step:
        train((1, 2), pairs, every_step, tmp_path / "killed", terms)
    assert list((tmp_path / "killed").glob("checkpoint-*"))
    resumed = train((1, 2), pairs, runtime, tmp_path / "killed", terms)
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("family", FAMILIES)
def test_stopping_at_an_exit_says_what_the_whole_model_says_there(family, pairs):
    model = of_family(family)
    batch = without_token_types(model, batch_of(pairs, model.tokenizer))
    whole = model.answers(**batch).softmax(-1)
    ran = []
    for number, layer in enumerate(model.encoder.modules()):
        if type(layer).__name__ in ("BertAttention", "GPT2Attention", "DistilBertSelfAttention", "ModernBertAttention"):
            layer.register_forward_hook(lambda *_, number=number: ran.append(number))
    for place, layer in enumerate((1, 2), start=1):
        ran.clear()
        assert torch.allclose(model.predict_exit(layer, **batch), whole[:, place], atol=1e-5)
        assert len(ran) == layer, "layers above the exit were run"
    assert torch.allclose(model.answers(**batch).softmax(-1), whole), "the model is no longer whole"


@pytest.mark.parametrize("family", FAMILIES)
def test_leaving_early_gives_each_pair_the_answer_of_its_own_exit(family, pairs):
    model = of_family(family)
    batch = without_token_types(model, batch_of(pairs, model.tokenizer, range(20)))
    whole = model.answers(**batch).softmax(-1).detach()
    deepest, first, second = whole.unbind(1)
    assert (first - deepest).abs().max() > 0.01 < (second - deepest).abs().max()  # or any exit would do
    threshold = float(torch.quantile(torch.cat([first, second]).amax(-1), 0.6))
    expected = torch.where(first.amax(-1, True) >= threshold, first, deepest)
    places = torch.where(first.amax(-1) >= threshold, 1, 3)
    goes_on = (first.amax(-1) < threshold) & (second.amax(-1) >= threshold)
    expected[goes_on], places[goes_on] = second[goes_on], 2
    found, left = model.predict_early(threshold, **batch)
    assert len(set(left.tolist())) > 1
    assert torch.equal(left, places)
    assert torch.allclose(found, expected, atol=1e-5)


def test_threshold_0_leaves_at_the_first_exit_and_above_1_at_the_deepest(pairs):
    model = of_family(tiny, heads=("gold", "a", "b"))
    batch = batch_of(pairs, model.tokenizer)
    whole = model.answers(**batch).softmax(-1)
    found, left = model.predict_early(0.0, **batch)
    assert torch.allclose(found, whole[:, 3], atol=1e-6) and left.tolist() == [1] * 10
    found, left = model.predict_early(1.1, **batch)
    assert torch.allclose(found, whole[:, :3].mean(1), atol=1e-6) and left.tolist() == [3] * 10
    assert torch.allclose(model.predict_early(1.1, heads=[1, 2], **batch)[0], whole[:, 1:3].mean(1), atol=1e-6)


@pytest.mark.parametrize("pooling", ["first", "mean"])
def test_padding_does_not_change_what_an_exit_says(pairs, runtime, pooling):
    encoder = load_encoder(source="tiny", layers=3, width=16, dropout=0.0, pooling=pooling)
    model = classifier(encoder)
    tokens = tokenise(pairs, model.tokenizer, 48)
    for answer in (
        lambda **batch: model.predict_exit(1, **batch).unsqueeze(1),
        lambda **batch: model.predict_early(0.7, **batch)[0].unsqueeze(1),
    ):
        together = predict(model, tokens, runtime, answer=answer)
        alone = [predict(model, tokens.select([row]), runtime, answer=answer) for row in range(len(tokens))]
        np.testing.assert_allclose(together, np.concatenate(alone), atol=1e-5)


def test_saved_and_loaded_exits_say_the_same(pairs, tmp_path):
    model = of_family(tiny)
    batch = batch_of(pairs, model.tokenizer)
    model.save(tmp_path)
    again = PairClassifier.load(tmp_path, attention="eager").eval()
    assert again.exits.layers == (1, 2)
    assert torch.equal(again.answers(**batch), model.answers(**batch))


def test_classifier_without_exits_is_saved_as_ever(tmp_path):
    of_family(tiny, exits=()).save(tmp_path)
    assert "exits" not in (tmp_path / "classifier.json").read_text()
    assert not (tmp_path / "exits.safetensors").exists()


@pytest.mark.parametrize("family", FAMILIES[:2])
def test_exit_counts_its_layers_and_itself_alone(family):
    model = of_family(family)
    width, classes = 16, 2
    own = width * width + width + 2 * width + width * classes + classes
    cut = family()[0]
    keep_layers(cut, 2)
    assert exit_parameters(model, 2) == sum(parameter.numel() for parameter in cut.parameters()) + own
    assert exit_parameters(model) == 2 * own
    assert model.parameter_count == of_family(family, exits=()).parameter_count


@pytest.mark.parametrize("exits", [[0], [3], [2, 1], [1, 1]])
def test_exit_that_cannot_be_is_named(exits):
    with pytest.raises(ModelError, match=r"student.exits: expected layers from 1 to 2 .* got"):
        of_family(tiny, exits=exits)


def test_encoder_whose_layers_are_one_has_no_exits():
    config = AlbertConfig(vocab_size=len(letter_tokenizer()), embedding_size=8, **SIZE)
    with pytest.raises(ModelError, match="Cannot tell the layers of AlbertModel apart"):
        classifier(Encoder(AlbertModel(config), letter_tokenizer(), "first"))


def test_exit_that_is_not_there_is_named(pairs):
    model = of_family(tiny, exits=(2,))
    with pytest.raises(ModelError, match=r"no exit after layer 1: expected one of \[2\]"):
        model.predict_exit(1, **batch_of(pairs, model.tokenizer))
