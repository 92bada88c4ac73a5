"""Exits: classifiers on the lower layers of a student, beside the deepest one (Zhang et al. 2019).

An exit reads ``h1`` of its layer through a bottleneck, whose output is its feature, and a linear gold head. Layers
count from 1, and an exit is called by the layer after which it stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tmkd.errors import ModelError
from tmkd.models.heads import GOLD, Heads
from tmkd.models.layers import layer_stack
from tmkd.models.partial_forward import parameters_up_to, rows_of, run_layers, states_of

EXIT = "exit"  # the kind of state that an exit's feature is


class Exits(nn.Module):
    """An exit after each of the given layers.

    The bottleneck lets a layer be of use to its exit and to the layers above without being like the deepest one. It is
    a linear map; GELU, because the layers that the exit does without are not linear either; and LayerNorm, because
    encoders end in one: features have the scale of the deepest ``h1``, whatever that of the states between.
    """

    def __init__(self, layers: Sequence[int], width: int, classes: int) -> None:
        super().__init__()
        self.layers = tuple(layers)
        self.bottlenecks = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width)) for _ in layers
        )
        self.heads = nn.ModuleList(Heads([GOLD], width, classes) for _ in layers)

    def forward(self, layer: int, h1: Tensor) -> tuple[Tensor, Tensor]:
        """Return the exit's feature ``[batch, width]`` and logits ``[batch, classes]`` for its layer's ``h1``."""
        at = self.layers.index(layer)
        feature = self.bottlenecks[at](h1)
        return feature, self.heads[at](feature).squeeze(1)


class WithExits(Protocol):
    """The classifier that exits are part of."""

    encoder: PreTrainedModel
    exits: Exits
    heads: Heads
    classes: tuple[str, ...]

    def h1(self, states: Tensor, mask: Tensor) -> Tensor:
        """Return what heads read, ``[batch, width]``, of a layer's ``[batch, tokens, width]``."""


def check_exits(encoder: PreTrainedModel, layers: Sequence[int]) -> None:
    """Raise ModelError for exits that an encoder cannot have."""
    depth = len(layer_stack(encoder))
    if list(layers) != sorted(set(layers)) or not 1 <= min(layers) <= max(layers) < depth:
        raise ModelError(
            f"student.exits: expected layers from 1 to {depth - 1} in rising order (the student has {depth}, and its "
            f"deepest classifier stands after the last), got {list(layers)}."
        )


def exit_parameters(model: WithExits, layer: int | None = None) -> int:
    """Return how many parameters an exit needs, its encoder's layers included; all exits' own, where none is named."""
    exits = model.exits
    if layer is None:
        return sum(parameter.numel() for parameter in exits.parameters())
    at = exits.layers.index(layer)
    own = sum(parameter.numel() for part in (exits.bottlenecks, exits.heads) for parameter in part[at].parameters())
    return parameters_up_to(model.encoder, layer) + own


def leave_at(model: WithExits, layer: int, inputs: Mapping[str, Tensor]) -> Tensor:
    """Return the probabilities ``[batch, classes]`` of one exit; the layers above it are not run."""
    if layer not in model.exits.layers:
        raise ModelError(f"There is no exit after layer {layer}: expected one of {list(model.exits.layers)}.")
    _, given = run_layers(model.encoder, inputs, 0, layer)
    return model.exits(layer, model.h1(states_of(given), inputs["attention_mask"]))[1].softmax(-1)


def leave_early(
    model: WithExits, threshold: float, inputs: Mapping[str, Tensor], heads: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Let each row leave at the first exit whose top probability reaches the threshold, and the rest go on.

    Returns:
        Probabilities ``[batch, classes]``, and ``[batch]`` the layer after which each row left.
    """
    device, depth = inputs["input_ids"].device, len(layer_stack(model.encoder))
    rows = torch.arange(len(inputs["input_ids"]), device=device)  # those that are still under way
    probabilities = torch.empty(len(rows), len(model.classes), device=device)
    left = torch.full_like(rows, depth)
    start, given = 0, None
    for layer in model.exits.layers:
        _, given = run_layers(model.encoder, inputs, start, layer, given)
        start = layer
        predicted = model.exits(layer, model.h1(states_of(given), inputs["attention_mask"]))[1].softmax(-1)
        sure = predicted.amax(-1) >= threshold
        probabilities[rows[sure]] = predicted[sure]
        left[rows[sure]] = layer
        if sure.all():
            return probabilities, left
        if sure.any():
            rows, given = rows[~sure], rows_of(given, ~sure)
            inputs = {name: tensor[~sure] for name, tensor in inputs.items()}
    last, _ = run_layers(model.encoder, inputs, start, depth, given)
    deepest = model.heads(model.h1(last, inputs["attention_mask"]))[:, list(heads)]
    probabilities[rows] = deepest.softmax(-1).mean(1)
    return probabilities, left
