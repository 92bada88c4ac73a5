"""Run an encoder part of the way: some of its layers, from the states that those below gave out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel

from tmkd.models.layers import layer_stack


def run_layers(
    encoder: PreTrainedModel, inputs: Mapping[str, Tensor], start: int, stop: int, given: Any = None
) -> tuple[Tensor, Any]:
    """Run the layers above ``start``, up to ``stop``, alone; layers count from 1.

    The layers below answer with ``given``, those above with what layer ``stop`` gives out. So it is the model itself
    that makes masks and positions for whatever rows are left, and any family of transformers can be stopped and
    resumed; what is done twice is the embedding of the tokens.

    Args:
        inputs: of the encoder, for the rows that ``given`` has.
        given: what layer ``start`` gave out, as returned here (``start`` 0: nothing).

    Returns:
        The encoder's last hidden state ``[batch, tokens, width]``, of use where ``stop`` is its depth; and what layer
        ``stop`` gave out (see ``states_of`` and ``rows_of``).
    """
    stack = layer_stack(encoder)
    latest = given

    def answer(*_: Any, **__: Any) -> Any:
        return latest

    def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
        nonlocal latest
        latest = output

    idle = [layer for index, layer in enumerate(stack) if not start <= index < stop]
    handle = stack[stop - 1].register_forward_hook(keep)
    try:
        for layer in idle:
            layer.forward = answer  # of this object, not of its class; undone below
        last = encoder(**inputs).last_hidden_state
    finally:
        handle.remove()
        for layer in idle:
            layer.__dict__.pop("forward", None)
    return last, latest


@contextmanager
def layer_outputs(encoder: PreTrainedModel, layers: Collection[int]) -> Iterator[dict[int, Tensor]]:
    """Yield a dictionary that holds the layers' states ``[batch, tokens, width]`` once the encoder has run inside."""
    found: dict[int, Tensor] = {}

    def keep(layer: int) -> Any:
        return lambda _module, _inputs, output: found.__setitem__(layer, states_of(output))

    handles = [layer_stack(encoder)[layer - 1].register_forward_hook(keep(layer)) for layer in layers]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def states_of(output: Any) -> Tensor:
    """Return the hidden states in what a layer gives out: the output itself, or the first of a tuple."""
    return output if isinstance(output, Tensor) else output[0]


def rows_of(output: Any, rows: Tensor) -> Any:
    """Return what a layer gives out for some of the rows alone."""
    return output[rows] if isinstance(output, Tensor) else (output[0][rows], *output[1:])


def parameters_up_to(encoder: PreTrainedModel, layer: int) -> int:
    """Return how many parameters an encoder has without the layers above ``layer``."""
    above = sum(parameter.numel() for part in layer_stack(encoder)[layer:] for parameter in part.parameters())
    return sum(parameter.numel() for parameter in encoder.parameters()) - above
