"""Reading a transformers checkpoint: its config, its tokenizer and its weights, and nothing that is not its own.

Where something is missing, transformers makes it up with at most a warning: weights at random, a tokenizer of special
tokens alone. Here that is an error.
"""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import (
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING,
    MODEL_MAPPING,
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers import PreTrainedTokenizerBase as Tokenizer

from tmkd.errors import ModelError
from tmkd.models.embedded import embedded_folder
from tmkd.models.hub import check_whole, first_sentence, folder_of
from tmkd.models.unreadable import check_numbers, unreadable
from tmkd.models.weights import check_loaded

TOKENS = "tokenizer*"  # files beside the config of a text model, but not of a part of sentence-transformers
TOKENIZER = "put tokenizer.json beside the weights: AutoTokenizer.from_pretrained(...).save_pretrained(FOLDER)."


def place_of(source: str, name: str | None) -> str:
    """Return the folder or hub name of a checkpoint; ModelError or ConfigError where there is none."""
    if source == "embedded":
        return str(embedded_folder())
    folder = folder_of(name)
    if folder is not None:
        check_whole(folder)
        _check_config(folder)
    return str(folder or name)


def _check_config(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        inside = sorted(path.parent.name for path in folder.glob("*/config.json") if any(path.parent.glob(TOKENS)))
        remedy = f"one is in '{inside[0]}', so name that folder" if inside else "name a folder of save_pretrained"
        raise ModelError(f"encoder {folder}: expected a transformers checkpoint but found no config.json; {remedy}.")


def any_config(place: str, revision: str | None, trust: bool, section: str = "encoder") -> PretrainedConfig:
    """Return the config of a checkpoint of any kind; ModelError where there is none. ``section``: see ``folder_of``."""
    try:
        return AutoConfig.from_pretrained(place, revision=revision, trust_remote_code=trust)
    except Exception as error:  # of whatever kind: each family's config checks itself, and some are code of their own
        if not trust and "trust_remote_code" in str(error):
            raise ModelError(
                f"{section}.name: '{place}' brings code of its own, which is not run unasked; if you trust it, set "
                f"{section}.trust_remote_code=true."
            ) from None
        raise ModelError(
            f"{section}.name: '{place}' is neither a folder with a transformers checkpoint nor reachable on the hub "
            f"({first_sentence(error)})"
        ) from None


def read_config(place: str, revision: str | None, trust: bool) -> PretrainedConfig:
    """Return the config of a checkpoint that can be an encoder here; else ModelError."""
    config = any_config(place, revision, trust)
    kind = config.model_type or type(config).__name__
    if config.is_encoder_decoder or type(config) in MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING:  # half of one, too
        raise ModelError(
            f"encoder {place}: expected an encoder or a decoder alone, got an encoder-decoder ({kind}); choose a "
            "checkpoint of one part, such as BERT's or Qwen's."
        )
    sizes = (getattr(config, name, None) for name in ("hidden_size", "num_hidden_layers"))
    if _nested(config) or not all(isinstance(size, int) for size in sizes):
        raise ModelError(
            f"encoder {place}: expected the checkpoint of a text model, got one of several parts or another kind "
            f"({kind}), whose config has no hidden_size and num_hidden_layers of its own; save its text model alone, "
            "with its tokenizer, and name that folder."
        )
    if (reads := _input_of(config)) != "input_ids":
        raise ModelError(
            f"encoder {place}: expected the checkpoint of a text model, got one that reads {reads} ({kind}); choose "
            "another."
        )
    if quantised := getattr(config, "quantization_config", None):
        method = quantised.get("quant_method", "") if isinstance(quantised, dict) else quantised.quant_method
        raise ModelError(
            f"encoder {place}: expected weights that can be trained but config.json says that they are quantised "
            f"({method}); choose the checkpoint that it was made from."
        )
    return config


def _input_of(config: PretrainedConfig) -> str:
    """Return what a model reads first: input_ids, pixel_values, ...; of code of its own nothing is known."""
    if type(config) not in MODEL_MAPPING:
        return "input_ids"
    model = MODEL_MAPPING[type(config)]
    return str(getattr(model[0] if isinstance(model, tuple) else model, "main_input_name", "input_ids"))


def _nested(config: PretrainedConfig) -> bool:
    try:
        return config.get_text_config() is not config
    except ValueError:  # more than one
        return True


def read_tokenizer(place: str, revision: str | None, trust: bool, what: str = "encoder") -> Tokenizer:
    """Return a checkpoint's tokenizer; ModelError where it has none, or one that knows no words."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, revision=revision, trust_remote_code=trust)
        words = set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens) - set(tokenizer.get_added_vocab())
    except Exception as error:  # the library `tokenizers` has no other class of errors
        raise ModelError(
            f"{what} {place}: its tokenizer cannot be read ({first_sentence(error).rstrip('.')}); {TOKENIZER}"
        ) from None
    if not words:
        raise ModelError(
            f"{what} {place}: its tokenizer knows no words ({len(tokenizer)} tokens, all special); files are missing, "
            f"so {TOKENIZER}"
        )
    return tokenizer


def read_model(
    place: str, config: PretrainedConfig, revision: str | None, trust: bool, attention: str | None
) -> PreTrainedModel:
    """Return the encoder with all of its weights, in float32; ModelError where the checkpoint has others."""
    extra = {} if attention is None else {"attn_implementation": attention}
    try:
        model, found = AutoModel.from_pretrained(
            place,
            config=config,
            revision=revision,
            trust_remote_code=trust,
            use_safetensors=True,
            dtype=torch.float32,  # a checkpoint in half precision would be trained in it, and lose small steps
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # and named below
            **extra,
        )
    except Exception as error:  # as above
        raise ModelError(f"encoder {place}: {unreadable(place, error)}") from None
    check_loaded(model, found, place)
    check_numbers(Path(place))
    return model
