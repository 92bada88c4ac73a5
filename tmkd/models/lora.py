"""Low-rank adaptation (LoRA, Hu et al. 2021, arXiv 2106.09685): of a linear layer ``W + (alpha / rank) B A`` only the
small ``A`` and ``B`` are trained, and added to ``W`` at the end."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from tmkd.errors import ConfigError, ModelError

INSTALL = 'pip install -c constraints.txt -e ".[lora]"'
LINEAR = (nn.Linear, Conv1D)  # GPT-2's layers are the latter


def check_installed() -> None:
    """Raise ConfigError where peft is not installed."""
    if find_spec("peft") is None:
        raise ConfigError(f"lora: its package, peft, is not installed; install it with: {INSTALL}")


class Adapters:
    """Adapters on the linear layers of an encoder, put there in place; the encoder's own weights are frozen.

    Until they are merged, the encoder's ``state_dict`` has no frozen weight, so that checkpoints are small; loading
    such a one leaves the frozen weights as they are.
    """

    def __init__(self, encoder: PreTrainedModel, rank: int, alpha: float, targets: Sequence[str] | None = None) -> None:
        """Put adapters on ``encoder``, whose predictions stay as they are: ``B`` starts at 0.

        Args:
            rank: rows of ``A`` and columns of ``B``.
            targets: ends of the layers' names, as ``query`` or ``attention.output.dense``; None: all linear layers.

        Raises:
            ConfigError: peft is not installed, or a target is the name of no linear layer.
            ModelError: the encoder has no linear layer, or one that adapters cannot be merged into.
        """
        check_installed()
        from peft import LoraConfig, LoraModel

        names = adapted_layers(encoder, targets)
        transposed = isinstance(encoder.get_submodule(names[0]), Conv1D)
        config = LoraConfig(
            r=rank,
            lora_alpha=alpha,  # type: ignore[arg-type]  # any number will do: it is divided by the rank
            target_modules=names,
            bias="none",
            fan_in_fan_out=transposed,
        )
        self._adapted = LoraModel(encoder, config, "default")
        self._hooks = [
            encoder.register_state_dict_post_hook(_leave_out_frozen),
            encoder.register_load_state_dict_pre_hook(_keep_frozen),
        ]

    def merge(self) -> None:
        """Add what the adapters have learnt to the encoder's weights, and take the adapters away."""
        for hook in self._hooks:
            hook.remove()
        self._adapted.merge_and_unload()


def adapted_layers(encoder: PreTrainedModel, targets: Sequence[str] | None) -> list[str]:
    """Return the names of the layers that get adapters; errors as those of ``Adapters``."""
    kind = type(encoder).__name__
    linear = {name: module for name, module in encoder.named_modules() if isinstance(module, LINEAR)}
    if not linear:
        raise ModelError(f"lora: {kind} has no linear layers that adapters could be put on; leave lora at null.")
    for target in targets or ():
        if not any(_ends(name, target) for name in linear):
            known = ", ".join(dict.fromkeys(re.sub(r"(\.\d+)*$", "", name).rpartition(".")[2] for name in linear))
            raise ConfigError(f"lora.targets: expected names of linear layers of {kind} ({known}), got '{target}'.")
    chosen = [name for name in linear if targets is None or any(_ends(name, target) for target in targets)]
    for name in chosen:
        own = type(linear[name])
        if own.forward not in (nn.Linear.forward, Conv1D.forward):  # B A could not be added to its weight
            raise ModelError(
                f"lora: {name} of {kind} is a {own.__name__}, which is no usual linear layer, so that adapters cannot "
                "be merged into it; set lora.targets to other layers, or leave lora at null."
            )
    return chosen


def learnable(model: nn.Module) -> int:
    """Return how many parameters a training changes."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def _ends(name: str, target: str) -> bool:
    return name == target or name.endswith(f".{target}")


def _frozen(module: nn.Module, prefix: str) -> dict[str, Tensor]:
    named = module.named_parameters(prefix.removesuffix("."), remove_duplicate=False)
    return {name: weight for name, weight in named if not weight.requires_grad}


def _leave_out_frozen(module: nn.Module, state: dict[str, Any], prefix: str, _: Any) -> None:
    for name in _frozen(module, prefix):
        state.pop(name, None)


def _keep_frozen(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    for name, weight in _frozen(module, prefix).items():
        state.setdefault(name, weight)
