"""What an encoder cannot do is known from one forward pass, before anything is trained."""

import copy
from dataclasses import replace

import pytest
import torch
from transformers import (
    BertConfig,
    BertModel,
    DebertaConfig,
    DebertaModel,
    GPT2Config,
    GPT2Model,
    LongformerConfig,
    LongformerModel,
    MPNetConfig,
    MPNetModel,
    RobertaConfig,
    RobertaModel,
)

from tmkd.data.batching import MULTIPLE, Collator
from tmkd.data.encoding import encode_pairs
from tmkd.errors import ModelError
from tmkd.models.bilstm import word_tokenizer
from tmkd.models.classifier import PairClassifier
from tmkd.models.encoder import load_encoder
from tmkd.models.positions import positions_of
from tmkd.models.tiny import letter_tokenizer
from tmkd.training.predict import predict
from tmkd.training.trial import try_out

SIZE = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
PADDED = {"max_position_embeddings": 66, "pad_token_id": 1, **SIZE}  # so that 64 positions are of use
COUNTED = {
    "roberta": lambda n: RobertaModel(RobertaConfig(vocab_size=n, **PADDED)),
    "mpnet": lambda n: MPNetModel(MPNetConfig(vocab_size=n, **PADDED)),
    "longformer": lambda n: LongformerModel(LongformerConfig(vocab_size=n, attention_window=16, **PADDED)),
}


def classifier(folder, model=None, max_length=64, **how):
    if model is not None:
        model.save_pretrained(folder)
        letter_tokenizer().save_pretrained(folder)
    return PairClassifier(load_encoder(name=str(folder), attention="eager", **how), ["gold"], ["a", "b"], max_length)


@pytest.mark.parametrize("family", COUNTED)
def test_positions_that_count_from_the_padding_token_are_fewer(family, tmp_path, runtime):
    model = classifier(tmp_path, COUNTED[family](109))
    assert positions_of(model.encoder) == 64
    try_out(model, runtime)
    model.max_length = 65
    with pytest.raises(ModelError, match=r"max_length: expected at most 64 \(the encoder's positions\), got 65"):
        try_out(model, runtime)


def test_length_that_is_no_multiple_is_padded_to_the_positions_there_are(tmp_path, runtime, pairs):
    model = classifier(tmp_path, BertModel(BertConfig(vocab_size=109, max_position_embeddings=61, **SIZE)), 61)
    try_out(model, runtime)
    row = {"input_ids": [5] * 61}
    assert Collator(0, 61)([row])["input_ids"].shape == (1, 61)
    assert Collator(0)([row])["input_ids"].shape == (1, 64)
    assert Collator(0, 61)([{"input_ids": [5] * 3}])["input_ids"].shape == (1, MULTIPLE)
    from datasets import Dataset

    long = Dataset.from_dict(encode_pairs(["why? " * 40], ["so " * 40], model.tokenizer, 61))
    assert predict(model, long, runtime).shape == (1, 1, 2)


def test_encoder_that_bf16_is_too_small_for_is_asked_to_run_in_float32(tmp_path, runtime):
    # DeBERTa fills its masks with the least float32, which is beyond bf16
    model = classifier(tmp_path, DebertaModel(DebertaConfig(vocab_size=109, relative_attention=True, **SIZE)))
    try_out(model, runtime)
    with pytest.raises(ModelError, match=r"in bf16 it cannot read two pairs .*set runtime\.precision=fp32"):
        try_out(model, replace(runtime, bf16=True))


def test_state_that_no_pair_changes_is_refused(tmp_path, runtime):
    # a decoder's first token has seen nothing of the pair, so that its scores would be constant
    model = classifier(tmp_path, GPT2Model(GPT2Config(vocab_size=109, n_embd=16, n_layer=1, n_head=2)))
    try_out(model, runtime)
    with pytest.raises(ModelError, match=r"\(pooling: first\) is the same whatever the pair"):
        try_out(classifier(tmp_path, pooling="first"), runtime)


def test_encoder_whose_code_fails_is_told_in_one_sentence(encoder, runtime, monkeypatch):
    model = PairClassifier(encoder, ["gold"], ["a", "b"], 64)

    def fail(**_):
        raise KeyError("decoder_input_ids")

    monkeypatch.setattr(model.encoder, "forward", fail)
    with pytest.raises(ModelError, match=r"cannot read two pairs \(KeyError: 'decoder_input_ids'\); choose another"):
        try_out(model, runtime)


def test_weights_that_are_not_finite_are_told(encoder, runtime):
    model = PairClassifier(encoder, ["gold"], ["a", "b"], 64)
    with torch.no_grad():
        model.encoder.embeddings.LayerNorm.weight[0] = float("nan")
    with pytest.raises(ModelError, match="what it makes of two pairs is not finite"):
        try_out(model, runtime)


def test_trial_reads_as_many_tokens_as_training_will(encoder, runtime, monkeypatch):
    # or an encoder that fails at full length alone would be seen too late
    model = PairClassifier(encoder, ["gold"], ["a", "b"], 60)
    seen, forward = [], model.encoder.forward
    monkeypatch.setattr(model.encoder, "forward", lambda **batch: seen.append(batch) or forward(**batch))
    try_out(model, runtime)
    assert {tuple(batch["input_ids"].shape) for batch in seen} == {(2, 64)}
    assert seen[0]["attention_mask"].sum(1).tolist()[0] == 60 > seen[0]["attention_mask"].sum(1).tolist()[1]


def test_trial_leaves_nothing_behind(encoder, runtime):
    # or the training that follows would not be what it is without it
    model = PairClassifier(encoder, ["gold"], ["a", "b"], 64)
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    try_out(model, runtime)
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


def test_tokenizer_that_knows_no_word_of_the_trial_is_no_failure(tmp_path, runtime):
    # a vocabulary of the data's own words, or of another language
    tokenizer = word_tokenizer(["сколько будет дважды два"], 60)
    BertModel(BertConfig(vocab_size=len(tokenizer), **SIZE)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    for pooling in ("first", "last", "mean"):
        encoder = load_encoder(name=str(tmp_path), attention="eager", pooling=pooling)
        try_out(PairClassifier(encoder, ["gold"], ["a", "b"], 12), runtime)
