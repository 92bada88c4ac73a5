"""The Bi-LSTM student: its words, its vectors, and that it is a transformers model like any other."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_model, save_file, save_model

from tmkd.data.batching import tokenise
from tmkd.errors import ConfigError, DataError, ModelError
from tmkd.models.bilstm import BiLstmConfig, BiLstmModel, make_bilstm, word_tokenizer
from tmkd.models.classifier import PairClassifier
from tmkd.models.encoder import check_encoder, load_encoder
from tmkd.training.predict import predict

TEXTS = ["What is amber?", "Amber is resin, resin of trees.", "what is birch", "Birch is a tree."]
SHAPE = {"words": 100, "vectors": None, "dimensions": 6, "layers": 2, "width": 5, "seed": 1}


def saved(folder, texts=TEXTS, **changes):
    model, tokenizer, facts = make_bilstm(texts, **{**SHAPE, **changes})
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return facts


@pytest.fixture
def bilstm(tmp_path, pairs):
    """A loaded Bi-LSTM over the words of ``pairs``."""
    saved(tmp_path / "bilstm", [pairs["question"][:], pairs["passage"][:]])
    return load_encoder(name=str(tmp_path / "bilstm"), pooling="mean", attention="eager")


def classifier(encoder):
    torch.manual_seed(0)
    return PairClassifier(encoder, ["gold", "a"], ["wrong", "right"], max_length=48)


def test_vocabulary_is_the_most_frequent_words_and_equals_are_in_alphabetical_order():
    vocabulary = word_tokenizer(TEXTS, 5).get_vocab()
    ordered = sorted(vocabulary, key=vocabulary.__getitem__)
    assert ordered == ["[PAD]", "[UNK]", "[SEP]", "is", ".", "amber", "birch", "resin"]


def test_pair_is_one_sequence_of_lower_cased_words():
    tokenizer = word_tokenizer(TEXTS, 5)
    ids = tokenizer("IS amber", "resin nowhere.")["input_ids"]
    assert tokenizer.convert_ids_to_tokens(ids) == ["is", "amber", "[SEP]", "resin", "[UNK]", "."]


def test_padding_does_not_change_a_score(bilstm, pairs, runtime):
    model = classifier(bilstm)
    tokens = tokenise(pairs, model.tokenizer, 48)
    together = predict(model, tokens, runtime)
    alone = np.concatenate([predict(model, tokens.select([row]), runtime) for row in range(len(tokens))])
    assert len(set(tokens["length"])) > 3  # or padding was never tried
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert np.ptp(together[:, 0, 0]) > 1e-3  # or everything would be equal anyhow


def test_state_holds_what_was_read_from_either_side(bilstm):
    model = bilstm.model.eval()
    mask = torch.ones(1, 4, dtype=torch.long)
    before = model(torch.tensor([[3, 4, 5, 6]]), mask).last_hidden_state[0]
    after = model(torch.tensor([[3, 4, 5, 7]]), mask).last_hidden_state[0]
    assert not torch.allclose(before[0], after[0])  # the first word's state knows the last word
    one_layer = load_encoder(name=model.name_or_path, keep=1).model.eval()
    before = one_layer(torch.tensor([[3, 4, 5, 6]]), mask).last_hidden_state[0]
    after = one_layer(torch.tensor([[3, 4, 5, 7]]), mask).last_hidden_state[0]
    assert torch.equal(before[:3, :5], after[:3, :5])  # forward: what came before alone
    assert not torch.allclose(before[0, 5:], after[0, 5:])  # backward: what comes after


def test_number_of_weights_is_the_papers_for_its_size():
    # a layer: 2 directions × 4 gates × 256 units × (inputs + 256 + 2 biases); inputs are 300, then 512
    model = BiLstmModel(BiLstmConfig(vocab_size=10))
    assert sum(weight.numel() for weight in model.parameters()) == 10 * 300 + 1_142_784 + 1_576_960


def test_every_weight_learns(bilstm, pairs):
    model = classifier(bilstm)
    tokens = tokenise(pairs.select([0]), model.tokenizer, 48)
    ids = torch.tensor(tokens["input_ids"][:])
    model(ids, torch.ones_like(ids)).logits.square().sum().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in model.parameters())


def test_frozen_embeddings_are_not_learnt(tmp_path):
    saved(tmp_path)
    model = load_encoder(name=str(tmp_path), freeze_embeddings=True).model
    assert [name for name, weight in model.named_parameters() if not weight.requires_grad] == ["embed_tokens.weight"]


@pytest.mark.parametrize("pooling", ["auto", "mean"])
def test_its_h1_is_the_mean_unless_another_is_named(tmp_path, pooling):
    # neither end of a pair has been read from both sides
    saved(tmp_path)
    assert load_encoder(name=str(tmp_path), pooling=pooling).pooling == "mean"
    assert load_encoder(name=str(tmp_path), pooling="last").pooling == "last"


def test_bf16_autocast_is_survived_and_changes_nothing(bilstm):
    model = bilstm.model.eval()
    ids = torch.tensor([[3, 4, 5], [6, 7, 0]])
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]])
    plain = model(ids, mask).last_hidden_state
    with torch.autocast("cpu", torch.bfloat16):
        states = model(ids, mask).last_hidden_state
    assert states.dtype == torch.float32
    torch.testing.assert_close(states, plain)


def test_hidden_states_are_the_words_vectors_and_each_layers(bilstm):
    output = bilstm.model(torch.tensor([[3, 4, 5]]), torch.ones(1, 3, dtype=torch.long), output_hidden_states=True)
    assert [tuple(states.shape) for states in output.hidden_states] == [(1, 3, 6), (1, 3, 10), (1, 3, 10)]
    assert torch.equal(output.hidden_states[-1], output.last_hidden_state)


def test_attentions_are_refused(bilstm):
    with pytest.raises(ModelError, match="A Bi-LSTM has no attention"):
        bilstm.model(torch.tensor([[3]]), torch.ones(1, 1, dtype=torch.long), output_attentions=True)


@pytest.mark.parametrize("attention", [None, "eager", "sdpa"])
def test_any_setting_of_the_attention_kernel_is_taken(tmp_path, attention):
    saved(tmp_path)
    assert load_encoder(name=str(tmp_path), attention=attention).model.config.model_type == "tmkd_bilstm"


def test_dropout_setting_reaches_it(tmp_path):
    saved(tmp_path)
    assert load_encoder(name=str(tmp_path), dropout=0.37).model.dropout.p == 0.37


def test_bottom_layer_can_be_kept_and_no_more_than_there_are(tmp_path):
    saved(tmp_path)
    whole, cut = load_encoder(name=str(tmp_path)).model, load_encoder(name=str(tmp_path), keep=1).model
    assert len(cut.layers) == 1
    assert torch.equal(cut.layers[0].weight_ih_l0, whole.layers[0].weight_ih_l0)
    with pytest.raises(ConfigError, match="expected at most 2"):
        check_encoder(source="bilstm", name=None, layers=2, keep=3)


@pytest.mark.thorough
def test_saved_classifier_scores_as_before_in_another_process(bilstm, pairs, runtime, tmp_path):
    model = classifier(bilstm)
    ids = torch.tensor(tokenise(pairs.select([0]), model.tokenizer, 48)["input_ids"][:])
    model.save(tmp_path / "model")
    program = (
        "import json, pathlib, torch; from tmkd.models.classifier import PairClassifier; "
        f"model = PairClassifier.load(pathlib.Path({str(tmp_path / 'model')!r}), attention='eager').eval(); "
        f"ids = torch.tensor({ids.tolist()}); print(json.dumps(model(ids, torch.ones_like(ids)).logits.tolist()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    expected = model.eval()(ids, torch.ones_like(ids)).logits.detach().numpy()
    np.testing.assert_allclose(json.loads(done.stdout.splitlines()[-1]), expected, atol=1e-6)


def test_weights_that_lie_in_one_buffer_can_be_saved(bilstm, tmp_path):
    # as cuDNN lays them out; on a GPU the best epoch could not be kept
    model = classifier(bilstm)
    for layer in model.encoder.layers:
        buffer, at = torch.cat([weight.detach().flatten() for weight in layer.parameters()]), 0
        for weight in layer.parameters():
            weight.data = buffer[at : at + weight.numel()].view_as(weight)
            at += weight.numel()
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    save_model(model, str(tmp_path / "best.safetensors"))
    save_file(model.state_dict(), tmp_path / "checkpoint.safetensors")
    model.save(tmp_path)
    torch.nn.init.zeros_(model.encoder.layers[0].weight_hh_l0)
    load_model(model, str(tmp_path / "best.safetensors"))
    for again in (model, PairClassifier.load(tmp_path)):
        assert all(torch.equal(before[name], weight) for name, weight in again.named_parameters())


def write(path, rows):
    path.write_text("".join(f"{word} {' '.join(map(str, numbers))}\n" for word, numbers in rows))
    return str(path)


def test_words_of_the_file_have_its_vectors_and_the_others_random_ones_as_wide(tmp_path):
    random = np.random.default_rng(0)
    vectors = {word: random.normal(scale=0.4, size=6).round(3) for word in ("amber", "birch", "is", "zebra")}
    file = write(tmp_path / "glove.txt", [*vectors.items(), (". . .", np.ones(6))])
    many = " ".join(f"word{number}" for number in range(2000))
    model, tokenizer, facts = make_bilstm([*TEXTS, many], **{**SHAPE, "words": 3000, "vectors": file})
    table = model.embed_tokens.weight.detach()
    for word in ("amber", "birch", "is"):
        np.testing.assert_allclose(table[tokenizer.convert_tokens_to_ids(word)], vectors[word], atol=1e-6)
    assert "zebra" not in tokenizer.get_vocab()
    words = len(tokenizer) - 3
    assert facts == {"words": words, "found": 3, "random": words - 3}
    drawn = table[tokenizer.convert_tokens_to_ids([f"word{number}" for number in range(2000)])]
    spread = np.std([vectors[word] for word in ("amber", "birch", "is")])
    assert abs(float(drawn.std()) - spread) < 0.1 * spread
    assert not table[tokenizer.pad_token_id].any()


def test_without_a_file_all_vectors_are_drawn_from_the_seed():
    (a, _, facts), (b, _, _), (c, _, _) = (make_bilstm(TEXTS, **{**SHAPE, "seed": seed}) for seed in (1, 1, 2))
    assert facts["found"] == 0 and facts["random"] == facts["words"]
    assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters()))
    assert not torch.equal(a.embed_tokens.weight, c.embed_tokens.weight)
    assert not torch.equal(a.layers[0].weight_ih_l0, c.layers[0].weight_ih_l0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("amber 1 2 3\n", "line 1: expected a word and 6 numbers, but found 3 numbers"),
        ("amber 1 2 3 4 5 6 7\n", "line 1: expected a word and 6 numbers, but found 7 numbers"),
        ("400000 6\namber 1 2 3 4 5 6\n", "line 1: expected a word and 6 numbers"),
        ("birch 1 2 3 4 5 6\namber 1 2 3\n", "line 2: expected a word and 6 numbers, but found 3"),
        ("amber 1 2 3 4 5 x\n", "line 1: expected a word and 6 numbers, but found could not convert"),
        ("amber 1 2 3 4 5 nan\n", "not finite"),
        ("zebra 1 2 3 4 5 6\n", "found none of"),
        ("", "the file is empty"),
        (None, "encoder.vectors: .* cannot be read"),
        (b"amber 1 2 3 4 5 6\n\xff\xfe\n", "expected UTF-8"),
    ],
)
def test_file_that_holds_no_vectors_of_this_width_is_named(tmp_path, text, said):
    # the silent failure: a Bi-LSTM whose vectors are all random, though a file was given
    path = tmp_path / "glove.txt"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=said):
        make_bilstm(TEXTS, **{**SHAPE, "vectors": str(path)})


def test_vectors_of_another_width_are_refused_before_anything_is_trained(tmp_path):
    path = write(tmp_path / "glove.txt", [("amber", [1, 2, 3])])
    with pytest.raises(DataError, match="but found 3 numbers"):
        check_encoder(source="bilstm", name=None, vectors=path, dimensions=6)
