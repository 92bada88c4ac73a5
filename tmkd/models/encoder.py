"""Any transformers encoder, cut to the layers that a student keeps.

Weights come from safetensors only, and a checkpoint's own code never runs unless ``trust_remote_code`` is set.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from tmkd.errors import ConfigError, ModelError
from tmkd.models import bilstm  # which makes its checkpoints known to AutoModel
from tmkd.models.embedded import embedded_folder
from tmkd.models.layers import check_depth, keep_layers
from tmkd.models.tiny import tiny_encoder
from tmkd.models.token_types import drop_token_types
from tmkd.models.vectors import check_vectors

transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()


@dataclass(frozen=True)
class Encoder:
    """An encoder, its tokenizer, where its ``h1`` is (first: the first token's state; last: a decoder's; mean), and
    whether its checkpoint's own code runs."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    pooling: str
    trust_remote_code: bool = False


def load_encoder(
    *,
    source: str = "hub",
    name: str | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
    pooling: str = "auto",
    layers: int = 3,
    width: int = 32,
    seed: int = 1,
    keep: int | None = None,
    keep_which: str = "bottom",
    token_types: bool = True,
    dropout: float | None = None,
    freeze_embeddings: bool = False,
    attention: str | None = None,
) -> Encoder:
    """Load an encoder with its tokenizer.

    Args:
        source: embedded (the wheel's), hub (``name`` there, or a folder) or tiny (random: ``layers``, ``width``,
            ``seed``).
        keep: only so many layers; None keeps all.
        keep_which: which of them, bottom or every (see ``layers.kept``).
        token_types: false does away with them (see ``token_types.drop_token_types``).
        dropout: of hidden states and attention alike; None leaves the checkpoint's.
        freeze_embeddings: the word embeddings do not learn.
        attention: attn_implementation of transformers; None lets it choose.

    Raises:
        ModelError: the checkpoint does not exist, cannot be reached, or has no safetensors weights.
        ConfigError: ``keep`` is more than the encoder has.
    """
    if source == "tiny":
        drops = {} if dropout is None else {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
        model, tokenizer = tiny_encoder(layers, width, seed, **drops)
        model.set_attn_implementation(attention or "eager")
    else:
        model, tokenizer = _pretrained(source, name, revision, trust_remote_code, dropout, attention)
    if getattr(model, "pooler", None) is not None:
        # h1 is the hidden state itself: a pooler would only hold weights that never learn
        model.register_module("pooler", None)
    if keep is not None:
        keep_layers(model, keep, keep_which)
    if not token_types:
        drop_token_types(model, tokenizer)
    if freeze_embeddings:
        model.get_input_embeddings().requires_grad_(False)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token  # GPT-2 has none; padded positions are masked, so any token serves
    tokenizer.padding_side = "right"
    if pooling == "auto":
        pooling = _pooling(model.config, tokenizer)
    return Encoder(model, tokenizer, pooling, trust_remote_code)


def check_encoder(
    *,
    keep: int | None = None,
    max_length: int = 0,
    source: str,
    name: str | None,
    revision: str | None = None,
    trust_remote_code: bool = False,
    layers: int = 3,
    vectors: str | None = None,
    dimensions: int = 300,
    **_: Any,
) -> None:
    """Raise now what would come later (missing checkpoint, too few layers or positions), reading no weights.

    ``source`` may also be bilstm, which is made from the data (``tmkd.models.bilstm``): of its ``vectors`` the first
    line is read.
    """
    positions: int | None
    if source == "tiny":
        depth, positions = layers, 512
    elif source == "bilstm":
        depth, positions = layers, None
        if vectors:
            check_vectors(vectors, dimensions)
    else:
        config = _config(_place(source, name), revision, trust_remote_code)
        depth, positions = config.num_hidden_layers, getattr(config, "max_position_embeddings", None)
        if positions is not None and config.model_type in ("roberta", "xlm-roberta", "camembert"):
            positions -= 2  # their positions are counted from after the padding token's
    check_depth(keep, depth)
    if positions is not None and max_length > positions:
        raise ConfigError(f"max_length: expected at most {positions} (the encoder's positions), got {max_length}.")


def inspect_encoder(
    *,
    source: str = "hub",
    name: str | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
    keep: int | None = None,
    keep_which: str = "bottom",
    layers: int = 3,
    width: int = 32,
    seed: int = 1,
    **_: Any,
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return what ``load_encoder`` would, without its weights, which are on the meta device; ModelError likewise."""
    if source == "tiny":
        model, tokenizer = tiny_encoder(layers, width, seed)
    else:
        place = _place(source, name)
        config = _config(place, revision, trust_remote_code)
        try:
            tokenizer = AutoTokenizer.from_pretrained(place, revision=revision, trust_remote_code=trust_remote_code)
            with torch.device("meta"):
                model = AutoModel.from_config(config, trust_remote_code=trust_remote_code)
        except (OSError, ValueError, ImportError) as error:
            raise ModelError(f"encoder {place}: {_first_sentence(error)}") from None
    if keep is not None:
        keep_layers(model, keep, keep_which)
    return model, tokenizer


def _pretrained(
    source: str, name: str | None, revision: str | None, trust: bool, dropout: float | None, attention: str | None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    place = _place(source, name)
    config = _config(place, revision, trust)
    if dropout is not None:
        for key in config.to_dict():
            # every family has its own names: hidden_dropout_prob, attn_pdrop, mlp_dropout ...
            if ("dropout" in key or key.endswith("pdrop")) and isinstance(getattr(config, key), float | int):
                setattr(config, key, dropout)
    extra = {} if attention is None else {"attn_implementation": attention}
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, revision=revision, trust_remote_code=trust)
        model = AutoModel.from_pretrained(
            place,
            config=config,
            revision=revision,
            trust_remote_code=trust,
            use_safetensors=True,
            dtype=torch.float32,  # a checkpoint in half precision would be trained in it, and lose small steps
            **extra,
        )
    except (OSError, ValueError, ImportError, SafetensorError) as error:
        raise ModelError(f"encoder {place}: {_first_sentence(error)}") from None
    return model, tokenizer


def _place(source: str, name: str | None) -> str:
    if source == "embedded":
        return str(embedded_folder())
    if name is None:
        raise ConfigError("encoder.name: expected a hub name or a folder, got nothing.")
    if (name.startswith((".", "/", "~")) or name.count("/") > 1) and not Path(name).expanduser().is_dir():
        raise ModelError(
            f"encoder.name: there is no folder {name}; expected a hub name or a folder of save_pretrained."
        )
    return str(Path(name).expanduser()) if Path(name).expanduser().is_dir() else name


def _config(place: str, revision: str | None, trust: bool) -> PretrainedConfig:
    try:
        return AutoConfig.from_pretrained(place, revision=revision, trust_remote_code=trust)
    except (OSError, ValueError, ImportError) as error:
        if not trust and "trust_remote_code" in str(error):
            raise ModelError(
                f"encoder.name: '{place}' brings code of its own, which is not run unasked; if you trust it, set "
                "encoder.trust_remote_code=true."
            ) from None
        raise ModelError(
            f"encoder.name: '{place}' is neither a folder with a transformers checkpoint nor reachable on the hub "
            f"({_first_sentence(error)})"
        ) from None


def first_stands_for_pair(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> bool:
    """Return whether the first token's state tells of the whole pair: neither in a decoder nor in a Bi-LSTM."""
    # a decoder that was saved without its language head has no other sign of what it is
    blind = any(getattr(module, "is_causal", False) is True for module in model.modules())
    return not blind and _pooling(model.config, tokenizer) == "first"


def _pooling(config: PretrainedConfig, tokenizer: PreTrainedTokenizerBase) -> str:
    if isinstance(config, bilstm.BiLstmConfig):
        return "mean"  # neither the first nor the last word has seen the pair from both sides
    return "first" if tokenizer.cls_token_id is not None and not _is_causal(config) else "last"


def _is_causal(config: PretrainedConfig) -> bool:
    architectures = config.architectures or []
    return any(name.endswith(("CausalLM", "LMHeadModel")) for name in architectures) or getattr(
        config, "is_decoder", False
    )


def _first_sentence(error: Exception) -> str:
    return " ".join(str(error).split()).split(". ")[0].rstrip(".") + "."
