"""Adapters: what is trained is small, the rest stays as it was, and merging changes no prediction."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from datasets import load_from_disk
from safetensors.torch import load_file, save_file
from transformers import (
    AlbertConfig,
    AlbertModel,
    DebertaConfig,
    DebertaModel,
    FalconConfig,
    FalconModel,
    GPT2Config,
    GPT2Model,
)

from tmkd.data.batching import PairDataset, tokenise
from tmkd.distributed import Processes
from tmkd.errors import ConfigError, ModelError
from tmkd.losses.combine import gold_term
from tmkd.models import lora
from tmkd.models.classifier import PairClassifier
from tmkd.models.encoder import Encoder, load_encoder
from tmkd.models.lora import Adapters, adapted_layers, learnable
from tmkd.models.tiny import letter_tokenizer
from tmkd.training.fit import fit
from tmkd.training.predict import predict
from tmkd.training.runtime import Runtime

ROOT = Path(__file__).parents[2]
SETTINGS = {
    "what": "test", "seed": 3, "learning_rate": 3e-2, "batch_size": 8, "epochs": 3,
    "warmup": 0.1, "weight_decay": 0.01, "max_grad_norm": 1.0, "schedule": "linear",
}  # fmt: skip
SIZE = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
FAMILIES = {
    "bert": lambda: load_encoder(source="tiny", layers=2, width=16).model,
    "deberta": lambda: DebertaModel(
        DebertaConfig(vocab_size=109, relative_attention=True, pos_att_type=["c2p", "p2c"], **SIZE)
    ),
    "gpt2": lambda: GPT2Model(GPT2Config(vocab_size=109, n_embd=16, n_layer=2, n_head=2)),  # its layers are Conv1D
    "albert": lambda: AlbertModel(AlbertConfig(vocab_size=109, embedding_size=8, **SIZE)),  # its layers are one
}


def adapted(family="bert", dropout=0.1, rank=4, targets=None):
    """Return a classifier and its adapters."""
    torch.manual_seed(1)
    if family == "bert":
        encoder = load_encoder(source="tiny", layers=2, width=16, dropout=dropout, attention="eager")
    else:
        pooling = "last" if family == "gpt2" else "first"
        encoder = Encoder(FAMILIES[family]().float(), letter_tokenizer(), pooling)
    model = PairClassifier(encoder, ["gold"], ["wrong", "right"], max_length=48)
    return model, Adapters(model.encoder, rank, 8.0, targets)


@pytest.fixture
def tokens(pairs, encoder):
    return tokenise(pairs, encoder.tokenizer, 48)


def train(model, tokens, scratch, runtime, **changes):
    return fit(model, PairDataset(tokens), [gold_term(1.0)], scratch=scratch, runtime=runtime, **(SETTINGS | changes))


@pytest.mark.parametrize("family", FAMILIES)
def test_merged_encoder_predicts_as_the_adapted_one(family, tokens, runtime, tmp_path):
    model, adapters = adapted(family)
    before = predict(model, tokens, runtime)
    train(model, tokens, tmp_path / "scratch", runtime)
    learnt = predict(model, tokens, runtime)
    assert np.abs(learnt - before).max() > 0.01, "or nothing is compared"
    adapters.merge()
    np.testing.assert_allclose(predict(model, tokens, runtime), learnt, atol=1e-5)
    if family == "bert":
        model.save(tmp_path / "model")
        loaded = PairClassifier.load(tmp_path / "model", attention="eager")
        np.testing.assert_array_equal(predict(loaded, tokens, runtime), predict(model, tokens, runtime))


@pytest.mark.parametrize("family", FAMILIES)
def test_merged_encoder_has_the_weights_of_one_that_never_had_adapters(family):
    plain = FAMILIES[family]()
    names = list(plain.state_dict())
    Adapters(plain, 2, 4.0).merge()
    assert list(plain.state_dict()) == names
    assert not hasattr(plain, "peft_config")


def test_only_adapters_and_heads_change(tokens, runtime, tmp_path):
    model, _ = adapted()
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    train(model, tokens, tmp_path, runtime)
    changed = {name for name, weight in model.named_parameters() if not torch.equal(weight, before[name])}
    assert changed == {name for name in before if "lora_" in name or name.startswith("heads.")}


def test_new_adapters_change_no_prediction(tokens, runtime):
    torch.manual_seed(1)
    encoder = load_encoder(source="tiny", layers=2, width=16, dropout=0.0, attention="eager")
    model = PairClassifier(encoder, ["gold"], ["wrong", "right"], max_length=48)
    before = predict(model, tokens, runtime)
    Adapters(model.encoder, 4, 8.0)
    np.testing.assert_array_equal(predict(model, tokens, runtime), before)


def test_learnable_parameters_are_those_of_adapters_and_heads():
    model, _ = adapted(rank=3, targets=["query", "value"])
    assert learnable(model) == 2 * 2 * 3 * (16 + 16) + 2 * 16 + 2  # layers, targets, rank, A and B; the head


def test_checkpoints_and_best_weights_have_no_frozen_weight(tokens, runtime, tmp_path):
    """Three checkpoints and the best epochs of a large encoder would fill a disk with what never changes."""
    model, _ = adapted()
    judged = {"validate": lambda model: {"map": 0.5}}
    train(model, tokens, tmp_path, replace(runtime, checkpoint_seconds=0), **judged)
    files = [*tmp_path.glob("checkpoint-*/model.safetensors"), *tmp_path.glob("best-*.safetensors")]
    assert len(files) == 3
    for file in files:
        assert all("lora_" in name or ".heads." in name for name in load_file(file))


@pytest.mark.thorough
@pytest.mark.parametrize("die_at", [4, 9, 17])
def test_killed_training_ends_with_the_weights_of_one_that_was_not(tokens, runtime, tmp_path, killed_at, die_at):
    def validate(model):
        return {"map": -float(np.abs(predict(model, tokens, runtime)[:, 0, 1] - 0.4).mean())}

    def weights(model, adapters):
        adapters.merge()
        return torch.cat([weight.detach().flatten() for weight in model.parameters()])

    whole = adapted()
    facts = train(whole[0], tokens, tmp_path / "whole", runtime, validate=validate)
    with killed_at(die_at) as every_step:
        train(adapted()[0], tokens, tmp_path / "killed", every_step, validate=validate)
    assert list((tmp_path / "killed").glob("checkpoint-*"))
    resumed = adapted()
    torch.manual_seed(99)  # whatever state the new process is in
    again = train(resumed[0], tokens, tmp_path / "killed", every_step, validate=validate)
    del again["cost"], facts["cost"]
    assert again.pop("loss") == pytest.approx(facts.pop("loss"), rel=1e-6)  # summed in other portions
    assert again == facts
    assert torch.equal(weights(*resumed), weights(*whole))


def test_adapters_learn_in_bf16(tokens, runtime, tmp_path):
    model, adapters = adapted(dropout=0.0)
    half = replace(runtime, bf16=True)
    before = predict(model, tokens, half)
    train(model, tokens, tmp_path, half)
    learnt = predict(model, tokens, half)
    assert np.abs(learnt - before).max() > 0.1
    assert all(weight.dtype == torch.float32 for weight in model.parameters())
    adapters.merge()
    np.testing.assert_allclose(predict(model, tokens, half), learnt, atol=0.1)


def test_target_that_is_no_linear_layer_is_named_with_those_that_are():
    encoder = FAMILIES["bert"]()
    for wrong in ("qurey", "uery", "word_embeddings", "LayerNorm", "attention"):
        with pytest.raises(
            ConfigError,
            match=rf"^lora\.targets: expected names of linear layers of BertModel \(query, key, value, dense\), got "
            rf"'{wrong}'\.$",
        ):
            adapted_layers(encoder, ["query", wrong])


def test_target_may_be_the_longer_end_of_a_name():
    names = adapted_layers(FAMILIES["bert"](), ["attention.output.dense", "encoder.layer.1.attention.self.query"])
    assert names == [
        "encoder.layer.0.attention.output.dense",
        "encoder.layer.1.attention.self.query",
        "encoder.layer.1.attention.output.dense",
    ]


def test_encoder_without_linear_layers_is_refused():
    encoder = FAMILIES["bert"]()
    encoder.encoder.layer = torch.nn.ModuleList()
    with pytest.raises(ModelError, match=r"lora: BertModel has no linear layers"):
        Adapters(encoder, 2, 4.0)


def test_layer_that_adapters_cannot_be_merged_into_is_refused():
    falcon = FalconModel(FalconConfig(vocab_size=109, hidden_size=16, num_hidden_layers=1, num_attention_heads=2))
    with pytest.raises(ModelError, match=r"lora: .*query_key_value of FalconModel is a FalconLinear"):
        Adapters(falcon, 2, 4.0)


def test_missing_package_is_one_sentence(monkeypatch):
    monkeypatch.setattr(lora, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"^lora: its package, peft, is not installed; install it with: pip install"):
        Adapters(FAMILIES["bert"](), 2, 4.0)


@pytest.mark.thorough
def test_divided_training_of_adapters_ends_as_a_whole_one_and_goes_on_from_its_checkpoint(tokens, runtime, tmp_path):
    # by itself: a process group cannot be left again
    tokens.save_to_disk(tmp_path / "tokens")
    code = f"import tests.unit.test_lora as here; here.divided({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=300)
    model, adapters = adapted(dropout=0.0)
    train(model, tokens, tmp_path / "whole", runtime)
    adapters.merge()
    for number in range(2):
        for name, weight in load_file(tmp_path / f"{number}.safetensors").items():
            torch.testing.assert_close(weight, model.encoder.state_dict()[name], rtol=0, atol=1e-5)


def divided(folder):
    """Train in a group of one process, twice: the second training goes on from the first one's checkpoint."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/group", rank=0, world_size=1)
    processes = Processes(0, 1, 0)
    runtime = Runtime(torch.device("cpu"), False, "eager", 8, 10, checkpoint_seconds=0, processes=processes, fsdp=True)
    tokens = load_from_disk(f"{folder}/tokens")
    for number in range(2):
        model, adapters = adapted(dropout=0.0)
        train(model, tokens, Path(folder) / "scratch", runtime)
        assert list(Path(folder).glob("scratch/checkpoint-*"))
        adapters.merge()
        save_file(model.encoder.state_dict(), f"{folder}/{number}.safetensors")
