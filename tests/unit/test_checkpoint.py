"""Weights and tokens that are not the checkpoint's are an error: transformers would make them up in silence."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BartConfig,
    BartModel,
    BertConfig,
    BertForSequenceClassification,
    CanineConfig,
    CanineModel,
    CLIPConfig,
    CLIPModel,
    FunnelConfig,
    FunnelModel,
    GPT2Config,
    GPT2Model,
    GPT2Tokenizer,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3Model,
    RobertaConfig,
    RobertaModel,
    XLNetConfig,
    XLNetModel,
)

from tmkd.data.encoding import encode_pairs
from tmkd.errors import ModelError
from tmkd.models.encoder import inspect_encoder, load_encoder
from tmkd.models.tiny import letter_tokenizer

BERT = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}


@pytest.fixture
def folder(tmp_path):
    """A whole checkpoint of a BERT of two layers."""
    encoder = load_encoder(source="tiny", layers=2, width=16)
    encoder.model.save_pretrained(tmp_path)
    encoder.tokenizer.save_pretrained(tmp_path)
    return tmp_path


def load(folder, **how):
    return load_encoder(name=str(folder), attention="eager", **how)


def rename(folder, name):
    weights = load_file(folder / "model.safetensors")
    save_file({name(key): value for key, value in weights.items()}, folder / "model.safetensors", {"format": "pt"})


def configure(folder, **changes):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


@pytest.mark.parametrize("prefix", ["module.", "model.", "module.bert.", "student.encoder."])
def test_weights_under_a_wrappers_names_are_refused(folder, prefix):
    # of the 37 weights none would be read, and the "pre-trained" encoder be a random one
    rename(folder, lambda key: prefix + key)
    with pytest.raises(ModelError, match=rf"37 of 37 weights are missing .*there with '{prefix}' before their names"):
        load(folder)


def test_weights_of_a_task_model_are_read_without_its_head(tmp_path, caplog):
    caplog.set_level("INFO")
    tokenizer = letter_tokenizer()
    torch.manual_seed(0)
    whole = BertForSequenceClassification(BertConfig(vocab_size=len(tokenizer), **BERT))
    whole.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    read = load(tmp_path).model
    torch.testing.assert_close(read.embeddings.word_embeddings.weight, whole.bert.embeddings.word_embeddings.weight)
    assert "2 weights of heads are left out (classifier.bias, …)" in caplog.text


def test_missing_pooler_is_no_harm(folder):
    # an encoder here has none, so nothing is drawn in its place
    assert not any("pooler" in key for key in load_file(folder / "model.safetensors"))
    assert load(folder).pooling == "first"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"num_hidden_layers": 3}, r"16 of \d+ weights are missing \(encoder\.layer\.2\."),
        ({"num_hidden_layers": 1}, r"16 are not the model's \(encoder\.layer\.1\."),
        ({"intermediate_size": 64}, r"6 have another shape \(encoder\.layer\.0\.\S+ is 32, expected 64\)"),
        ({"vocab_size": 200}, r"1 have another shape \(\S+word_embeddings\.weight is 109 × 16, expected 200 × 16\)"),
        ({"max_position_embeddings": 64}, r"position_embeddings\.weight is 512 × 16, expected 64 × 16"),
    ],
)
def test_config_that_disagrees_with_its_weights_is_refused(folder, changes, said):
    configure(folder, **changes)
    with pytest.raises(ModelError, match=said + ".*config.json and weights are not of one model"):
        load(folder)


@pytest.mark.parametrize("gone", [("tokenizer.json",), ("tokenizer.json", "tokenizer_config.json")])
def test_missing_tokenizer_files_are_told(folder, gone):
    # transformers makes up a BERT tokenizer of five tokens, which reads every word as [UNK]
    for name in gone:
        (folder / name).unlink()
    for look in (load, lambda place: inspect_encoder(name=str(place))):
        with pytest.raises(ModelError, match=r"its tokenizer (knows no words|cannot be read).*[Pp]ut tokenizer\.json"):
            look(folder)


@pytest.mark.parametrize("config", [RobertaConfig(), GPT2Config(), XLNetConfig(), Qwen3Config()])
def test_made_up_tokenizers_of_other_families_are_told(tmp_path, config):
    config.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="its tokenizer knows no words"):
        load(tmp_path)


def test_tokenizer_of_few_words_is_read(folder):
    # a Bi-LSTM's, or one of another script: what counts is that there are words
    state = json.loads((folder / "tokenizer.json").read_text())
    special = {piece: index for piece, index in state["model"]["vocab"].items() if index < 5}
    state["model"]["vocab"] = special | {"什": 5, "么": 6}
    (folder / "tokenizer.json").write_text(json.dumps(state))
    assert len(load(folder).tokenizer) == 7


def test_added_tokens_without_rows_of_embeddings_are_refused(folder):
    tokenizer = letter_tokenizer()
    tokenizer.add_tokens(["<question>", "<passage>"])
    tokenizer.save_pretrained(folder)
    with pytest.raises(ModelError, match=r"its tokenizer has 111 tokens but the encoder embeddings for 109; .*resize"):
        load(folder)


def test_tokenizer_that_uses_few_of_the_embeddings_is_warned_of(tmp_path, caplog):
    # it may be another model's
    RobertaModel(RobertaConfig(vocab_size=1000, **BERT)).save_pretrained(tmp_path)
    letter_tokenizer().save_pretrained(tmp_path)
    load(tmp_path)
    assert "109 tokens for 1000 rows of embeddings" in caplog.text


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_git_lfs_pointer_is_named(folder, name):
    # transformers says HeaderTooLarge, or that no JSON is there
    (folder / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 438\n")
    with pytest.raises(ModelError, match=rf"expected {name} itself but found a Git LFS pointer.*download it again"):
        load(folder)


def test_pickled_weights_alone_are_told_with_the_way_out(folder):
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"expected weights in safetensors but found pytorch_model\.bin alone"):
        load(folder)


def test_encoder_decoders_and_models_of_several_parts_are_refused(tmp_path):
    # in the middle of the first training they ask for decoder inputs, or have no hidden_size
    ends = {f"{end}_{name}": 1 for end in ("encoder", "decoder") for name in ("layers", "attention_heads", "ffn_dim")}
    BartModel(BartConfig(vocab_size=109, d_model=16, **ends)).save_pretrained(tmp_path / "bart")
    part = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = CLIPConfig(text_config=part | {"vocab_size": 109}, vision_config=part | {"image_size": 32})
    CLIPModel(config).save_pretrained(tmp_path / "clip")
    for name, said in (("bart", r"encoder-decoder \(bart\)"), ("clip", r"several parts or another kind \(clip\)")):
        letter_tokenizer().save_pretrained(tmp_path / name)
        for look in (load, lambda place: inspect_encoder(name=str(place))):
            with pytest.raises(ModelError, match=said):
                look(tmp_path / name)


def test_decoder_saved_without_its_head_is_read_at_its_last_token(tmp_path):
    # its tokenizer may have a [CLS], but its first token has seen nothing
    Qwen3Model(Qwen3Config(vocab_size=109, num_key_value_heads=1, head_dim=8, **BERT)).save_pretrained(tmp_path)
    letter_tokenizer().save_pretrained(tmp_path)
    assert load(tmp_path).pooling == "last"


def test_xlnet_is_read_at_its_last_token_and_padded_right(tmp_path):
    XLNetModel(XLNetConfig(vocab_size=109, d_model=16, n_layer=2, n_head=2, d_inner=32)).save_pretrained(tmp_path)
    tokenizer = letter_tokenizer()
    tokenizer.padding_side = "left"
    tokenizer.save_pretrained(tmp_path)
    encoder = load(tmp_path)
    assert (encoder.pooling, encoder.tokenizer.padding_side) == ("last", "right")


@pytest.mark.parametrize("types", [0, 1])
def test_types_that_the_encoder_has_not_are_left_out(tmp_path, types):
    config = RobertaConfig(vocab_size=109, type_vocab_size=max(types, 1), pad_token_id=0, **BERT)
    (RobertaModel(config) if types else GPT2Model(GPT2Config(vocab_size=109, n_embd=16, n_layer=1, n_head=2))
    ).save_pretrained(tmp_path)  # fmt: skip
    letter_tokenizer().save_pretrained(tmp_path)
    tokenizer = load(tmp_path).tokenizer
    assert "token_type_ids" not in encode_pairs(["what?"], ["this"], tokenizer, 16)
    assert "token_type_ids" in encode_pairs(["what?"], ["this"], load_encoder(source="tiny").tokenizer, 16)


def bare_tokenizer(end):
    """One that puts nothing between two texts, with or without an end-of-text token, and has no padding token."""
    backend = letter_tokenizer().backend_tokenizer
    state = json.loads(backend.to_str()) | {"post_processor": None}
    said = {"eos_token": "[SEP]"} if end else {}
    return PreTrainedTokenizerFast(tokenizer_object=type(backend).from_str(json.dumps(state)), **said)


def test_tokenizer_without_padding_or_end_tokens_is_given_one_or_refused(tmp_path):
    GPT2Model(GPT2Config(vocab_size=109, n_embd=16, n_layer=1, n_head=2)).save_pretrained(tmp_path)
    bare_tokenizer(end=True).save_pretrained(tmp_path)
    assert load(tmp_path).tokenizer.pad_token == "[SEP]"
    bare_tokenizer(end=False).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"puts nothing between question and passage.*set eos_token"):
        load(tmp_path)


def test_tokenizer_with_separators_and_no_padding_token_pads_with_any(folder):
    state = json.loads((folder / "tokenizer_config.json").read_text())
    kept = {name: value for name, value in state.items() if name not in ("pad_token", "unk_token", "eos_token")}
    (folder / "tokenizer_config.json").write_text(json.dumps(kept))
    assert load(folder).tokenizer.pad_token_id is not None


def test_whole_gpt2_is_still_read(tmp_path):
    letters = [chr(code) for code in range(33, 127)] + ["Ġ", "Ċ", "<|endoftext|>"]
    GPT2Tokenizer(vocab={piece: at for at, piece in enumerate(letters)}, merges=[]).save_pretrained(tmp_path)
    GPT2Model(GPT2Config(vocab_size=len(letters), n_embd=16, n_layer=1, n_head=2)).save_pretrained(tmp_path)
    assert load(tmp_path).tokenizer.pad_token == "<|endoftext|>"


def test_cut_weights_are_told_with_the_way_out(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(ModelError, match=r"its safetensors cannot be read .*so download it again"):
        load(folder)


def test_adapter_beside_the_weights_is_refused(folder):
    # without its library it would be left out in silence; with it, a student would be saved without its weights
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    with pytest.raises(ModelError, match=r"found an adapter \(LoRA\).*merge it first"):
        load(folder)


def test_encoder_without_word_embeddings_cannot_leave_them_alone(tmp_path):
    CanineModel(CanineConfig(**BERT)).save_pretrained(tmp_path)
    letter_tokenizer().save_pretrained(tmp_path)
    assert load(tmp_path).pooling == "first"
    with pytest.raises(ModelError, match=r"CanineModel has no word embeddings.*freeze_embeddings=false"):
        load(tmp_path, freeze_embeddings=True)


def test_encoder_whose_depth_is_no_number_of_layers_is_not_cut(tmp_path):
    size = {"block_sizes": [1, 1], "num_decoder_layers": 1, "d_model": 16, "n_head": 2, "d_head": 8, "d_inner": 32}
    FunnelModel(FunnelConfig(vocab_size=109, **size)).save_pretrained(tmp_path)
    letter_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="Cannot tell which layers of FunnelModel to keep"):
        load(tmp_path, keep=1)
