"""Which layers of an encoder a student keeps."""

from __future__ import annotations

from torch import nn
from transformers import PreTrainedModel

from tmkd.errors import ConfigError, ModelError

PER_LAYER = ("layer_types", "mlp_layer_types", "layers_block_type", "no_rope_layers")  # lists in some models' configs


def kept(depth: int, count: int, which: str = "bottom") -> list[int]:
    """Return the indices of the layers that stay: the bottom ``count``, or ``every`` (depth / count)-th from the first.

    ``every`` is how DistilBERT starts from BERT (Sanh et al. 2019): of 12 layers, 6 are 0, 2, 4, 6, 8, 10.

    Raises:
        ConfigError: there are fewer than ``count``.
    """
    check_depth(count, depth)
    return list(range(count)) if which == "bottom" else [index * depth // count for index in range(count)]


def check_depth(count: int | None, depth: int) -> None:
    """Raise ConfigError where an encoder of ``depth`` layers is asked for more; None asks for all of them."""
    if count is not None and count > depth:
        raise ConfigError(f"student.layers: expected at most {depth} (the encoder's layers), got {count}.")


def keep_layers(model: PreTrainedModel, count: int, which: str = "bottom") -> None:
    """Drop the other layers of an encoder, in place: their weights, and their entries in the config saved with them.

    Raises:
        ConfigError: the encoder has fewer than ``count``.
        ModelError: the layers are in no list as long as the config says.
    """
    depth = model.config.num_hidden_layers
    chosen = kept(depth, count, which)
    if count == depth:
        return
    found = stacks(model)
    try:
        model.config.num_hidden_layers = count
    except NotImplementedError:  # Funnel, whose depth is that of several blocks
        found = []
    if len(found) != 1:
        kind = type(model).__name__
        raise ModelError(
            f"Cannot tell which layers of {kind} to keep; choose a student as deep as it ({depth} layers)."
        )
    parent, name = found[0]
    layers = [getattr(parent, name)[index] for index in chosen]
    setattr(parent, name, nn.ModuleList(layers))
    for index, layer in enumerate(layers):
        for module in layer.modules():
            if isinstance(getattr(module, "layer_idx", None), int):
                module.layer_idx = index  # a decoder's place in the cache, which is now as long as the student is deep
    for attribute in PER_LAYER:
        entries = getattr(model.config, attribute, None)
        if isinstance(entries, list) and len(entries) == depth:
            setattr(model.config, attribute, [entries[index] for index in chosen])


def layer_stack(model: PreTrainedModel) -> nn.ModuleList:
    """Return the layers of an encoder, from the bottom.

    Raises:
        ModelError: they are in no list as long as the config says.
    """
    found = stacks(model)
    if len(found) != 1:
        raise ModelError(f"Cannot tell the layers of {type(model).__name__} apart; choose a student without exits.")
    parent, name = found[0]
    return getattr(parent, name)


def stacks(model: PreTrainedModel) -> list[tuple[nn.Module, str]]:
    """Return where there is a list as long as the model is deep."""
    return [
        (parent, name)
        for parent in model.modules()
        for name, child in parent.named_children()
        if isinstance(child, nn.ModuleList) and len(child) == model.config.num_hidden_layers
    ]
