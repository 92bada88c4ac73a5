"""Token types: what marks question and passage in BERT, and what DistilBERT does without (Sanh et al. 2019)."""

from __future__ import annotations

import inspect

import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tmkd.errors import ModelError

TYPES = "token_type_ids"


def fit_token_types(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Let the tokenizer give no types where the encoder knows at most one: a RoBERTa with a tokenizer like BERT's."""
    takes = TYPES in inspect.signature(model.forward).parameters
    if TYPES in tokenizer.model_input_names and (not takes or getattr(model.config, "type_vocab_size", 0) <= 1):
        _give_none(tokenizer)


def drop_token_types(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Do away with an encoder's token types, in place; nothing changes for input of one segment.

    Type 0 is added to the position embeddings. transformers builds no BERT without a table of types, so one row of
    zeros is left, which does not learn and is saved as ``type_vocab_size`` 1; the tokenizer gives no types any more.

    Raises:
        ModelError: an encoder whose token types are no embeddings beside those of positions.
    """
    _give_none(tokenizer)
    if getattr(model.config, "type_vocab_size", 1) <= 1:
        return  # it has none
    embeddings = getattr(model, "embeddings", None)
    types, positions = (getattr(embeddings, f"{name}_embeddings", None) for name in ("token_type", "position"))
    if not isinstance(types, nn.Embedding) or not isinstance(positions, nn.Embedding):
        raise ModelError(
            f"Cannot do away with the token types of {type(model).__name__}; set student.token_types=true."
        )
    with torch.no_grad():
        positions.weight += types.weight[0]
        left = nn.Embedding(1, types.embedding_dim, device=types.weight.device, dtype=types.weight.dtype)
        left.weight.zero_()
    left.requires_grad_(False)
    embeddings.token_type_embeddings = left  # type: ignore[union-attr]
    model.config.type_vocab_size = 1


def _give_none(tokenizer: PreTrainedTokenizerBase) -> None:
    tokenizer.model_input_names = [name for name in tokenizer.model_input_names if name != TYPES]
    tokenizer.init_kwargs["model_input_names"] = tokenizer.model_input_names  # or it would not be saved
