"""What goes on inside an encoder, for losses that look there: hidden states, attention scores and what makes them.

They are named as ``tmkd.states`` says.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tmkd.errors import ModelError
from tmkd.states import State

ROLES = {"queries": "query", "keys": "key", "values": "value"}
ATTENTION_KINDS = ("scores", *ROLES)
TOKEN_KINDS = ("hidden", *ATTENTION_KINDS)  # one for each token: of use only to models with the same tokenizer
# What BERT and its kin call the three maps of self-attention. Families with other names (q_proj, ...) turn queries and
# keys after the map (rotary positions) or share keys among heads: the maps' products are not what they attend by.
# T5, which has MPNet's names and does not scale, is no encoder alone (``checkpoint.read_config``).
NAMES = {"query": ("query", "q_lin", "q"), "key": ("key", "k_lin", "k"), "value": ("value", "v_lin", "v")}
# MPNet's, one for all layers: what two tokens' distance adds to their score, [tokens, tokens, heads]
DISTANCE = "relative_attention_bias"


@contextmanager
def attention_maps(encoder: PreTrainedModel, wanted: Collection[State]) -> Iterator[dict[State, Tensor]]:
    """Yield a dictionary that holds the wanted states of attention once the encoder has run inside the context.

    Raises:
        ModelError: an encoder whose attention has no separate query, key and value maps, such as GPT-2.
    """
    layers = {layer for kind, layer in wanted if kind in ATTENTION_KINDS}
    found: dict[State, Tensor] = {}
    if not layers:
        yield found
        return
    seen: dict[tuple[str, int], Tensor] = {}
    maps = _maps(encoder)
    handles = [
        maps[role][layer - 1].register_forward_hook(_keep(seen, (role, layer))) for layer in layers for role in NAMES
    ]
    shared = [module for name, module in encoder.named_modules() if name.rpartition(".")[2] == DISTANCE]
    handles += [module.register_forward_hook(_keep(seen, (DISTANCE, 0))) for module in shared]
    try:
        yield found
        for kind, layer in wanted:
            if kind in ROLES:
                found[kind, layer] = _split(seen[ROLES[kind], layer], encoder.config)
            elif kind == "scores":
                query, key = (_split(seen[role, layer], encoder.config) for role in ("query", "key"))
                scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
                found[kind, layer] = scores + seen[DISTANCE, 0].permute(2, 0, 1) if shared else scores
    finally:
        for handle in handles:
            handle.remove()


def check_attention(encoder: PreTrainedModel) -> None:
    """Raise ModelError where ``attention_maps`` would."""
    _maps(encoder)


def pooled(states: Tensor, mask: Tensor, pooling: str) -> Tensor:
    """Return one vector a pair, ``[batch, width]``, of hidden states ``[batch, tokens, width]`` padded on the right.

    Args:
        mask: ``[batch, tokens]``, 1 where a token is real.
        pooling: first, last or mean.
    """
    if pooling == "first":
        return states[:, 0]
    if pooling == "mean":
        weight = mask.unsqueeze(-1).float()  # and so the mean: bfloat16 would round it
        return (states * weight).sum(dim=1) / weight.sum(dim=1)
    last = mask.sum(dim=1) - 1
    rows = torch.arange(states.shape[0], device=states.device)  # len() would be a constant of an exported graph
    return states[rows, last]


def _keep(seen: dict[tuple[str, int], Tensor], name: tuple[str, int]) -> Any:
    def hook(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
        seen[name] = output

    return hook


def _maps(encoder: PreTrainedModel) -> dict[str, list[nn.Linear]]:
    """Return the query, key and value maps, one of each a layer, from the bottom."""
    depth = encoder.config.num_hidden_layers
    maps = {
        role: [
            module
            for name, module in encoder.named_modules()
            if name.rpartition(".")[2] in names and isinstance(module, nn.Linear)
        ]
        for role, names in NAMES.items()
    }
    if any(len(found) != depth for found in maps.values()):
        raise ModelError(
            f"Cannot read the attention of {type(encoder).__name__}: expected one query, key and value map in each of "
            f"its {depth} layers; choose terms that do not look at attention."
        )
    return maps


def _split(states: Tensor, config: Any) -> Tensor:
    """``[batch, tokens, width]`` to ``[batch, heads, tokens, head width]``."""
    return torch.unflatten(states, -1, (config.num_attention_heads, -1)).transpose(1, 2)
