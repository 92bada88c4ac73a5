"""How many positions an encoder has for the tokens of a pair."""

from __future__ import annotations

from torch import nn


def positions_of(model: nn.Module) -> int | None:
    """Return how many tokens an encoder of transformers can read at once; None: any number.

    RoBERTa and its kin (MPNet, Longformer, ...) count positions from after that of the padding token, so that of 514
    rows 512 are of use.
    """
    most = getattr(model.config, "max_position_embeddings", None)
    if not isinstance(most, int) or most <= 0:  # relative positions: XLNet
        return None
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            return int(most - module.padding_idx - 1)
    return most
