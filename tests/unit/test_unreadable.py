"""Folders without weights to train, or with others than they seem: one sentence says what is there and what to do."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertModel, T5Config, T5EncoderModel, ViTConfig, ViTModel

from tmkd.errors import ModelError
from tmkd.models.encoder import inspect_encoder, load_encoder
from tmkd.models.tiny import letter_tokenizer

SIZE = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}


@pytest.fixture
def folder(tmp_path):
    """A whole checkpoint in several files."""
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=109, **SIZE)).save_pretrained(tmp_path, max_shard_size="16KB")
    letter_tokenizer().save_pretrained(tmp_path)
    return tmp_path


def refused(folder, said):
    with pytest.raises(ModelError, match=said) as caught:
        load_encoder(name=str(folder), attention="eager")
    assert str(folder) in str(caught.value)


def test_missing_shard_is_named(folder):
    load_encoder(name=str(folder), attention="eager")
    sorted(folder.glob("model-*.safetensors"))[1].unlink()
    refused(folder, r"1 of \d files of its weights are missing \(model-00002-of-\d+\.safetensors\); copy them too")


def test_missing_list_of_shards_is_named(folder):
    (folder / "model.safetensors.index.json").unlink()
    refused(folder, r"in several files, but model\.safetensors\.index\.json, which lists them, is missing; copy it too")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("pytorch_model-00001-of-00002.bin", "any code.*save it as safetensors"),
        ("best.pt", "any code"),
        ("tf_model.h5", "TensorFlow"),
        ("flax_model.msgpack", "Flax"),
        ("onnx/model.onnx", "a graph that cannot be trained; choose the checkpoint that it was made from"),
        ("model-Q4_K_M.gguf", "llama.cpp"),
    ],
)
def test_weights_in_another_format_are_named_with_the_way_out(folder, name, said):
    for file in folder.glob("model*"):
        file.unlink()
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"weights")
    refused(folder, f"expected weights in safetensors but found {name} alone, .*{said}")


def test_folder_without_weights_or_config_says_what_to_name(folder):
    for file in folder.glob("model*"):
        file.unlink()
    refused(folder, r"expected weights in model\.safetensors but found none; copy them beside config\.json")
    (folder / "0_Transformer").mkdir()
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text("{}")
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (folder / name).rename(folder / "0_Transformer" / name)
    refused(folder, r"found no config\.json; one is in '0_Transformer', so name that folder")


@pytest.mark.parametrize("kind", [torch.int8, torch.uint8, torch.float8_e4m3fn])
def test_quantised_weights_are_no_other_numbers_in_silence(folder, kind):
    # transformers casts 8-bit integers to floats without their scale, and trains on
    shard = sorted(folder.glob("model-*.safetensors"))[0]
    save_file({name: (value * 100).to(kind) for name, value in load_file(shard).items()}, shard, {"format": "pt"})
    refused(folder, r"in model-00001-of-\d+\.safetensors is (I8|U8|F8_E4M3), a quantised one whose scale would be lost")


def test_quantised_config_is_refused_before_its_library_is_missed(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps(config | {"quantization_config": {"quant_method": "gptq", "bits": 4}})
    )
    refused(folder, r"config\.json says that they are quantised \(gptq\); choose the checkpoint that it was made from")


def test_value_of_the_config_that_nobody_knows_is_told(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_act": "swisher"}))
    refused(folder, r"does not know a value in its config\.json \('swisher'\); mend it")


def test_half_of_an_encoder_decoder_is_called_by_its_name(tmp_path):
    # its own config does not say that it is one, and the other half's weights are missing
    T5EncoderModel(T5Config(vocab_size=109, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)).save_pretrained(
        tmp_path
    )
    letter_tokenizer().save_pretrained(tmp_path)
    refused(tmp_path, r"got an encoder-decoder \(t5\)")


def test_image_model_is_called_by_what_it_reads(tmp_path):
    ViTModel(ViTConfig(image_size=16, patch_size=8, **SIZE)).save_pretrained(tmp_path)
    refused(tmp_path, r"expected the checkpoint of a text model, got one that reads pixel_values \(vit\)")
    with pytest.raises(ModelError, match="pixel_values"):
        inspect_encoder(name=str(tmp_path))
