"""Whether the weights that transformers read are the checkpoint's."""

from __future__ import annotations

import logging
import re
from typing import Any

from transformers import PreTrainedModel

from tmkd.errors import ModelError

log = logging.getLogger(__name__)
UNUSED = "pooler."  # h1 is the hidden state itself
# what older versions of transformers saved beside the weights, and newer ones compute
BUFFERS = re.compile(r"(position_ids|token_type_ids|inv_freq|masked_bias|attn\.bias|attention\.bias|\.version)$")


def check_loaded(model: PreTrainedModel, found: dict[str, Any], place: str, what: str = "encoder") -> None:
    """Raise ModelError for weights that are missing, of another shape, or of layers that the config does not have.

    A fresh pooler is no harm, nor are the heads of other tasks: neither is used.
    """
    missing = sorted(name for name in found["missing_keys"] if not name.startswith(UNUSED))
    reshaped = sorted((name, *shapes) for name, *shapes in found["mismatched_keys"] if not name.startswith(UNUSED))
    parts = {name for name, _ in model.named_children()} - {UNUSED.rstrip(".")}
    own = f"{model.base_model_prefix}."
    unexpected = sorted(name for name in found["unexpected_keys"] if not BUFFERS.search(name))
    inside = [name for name in unexpected if name.removeprefix(own).split(".")[0] in parts]
    if not (missing or reshaped or inside):
        if unexpected:
            log.info("%s %s: %d weights of heads are left out (%s)", what, place, len(unexpected), _some(unexpected))
        return
    faults = []
    if missing:
        used = sum(not name.startswith(UNUSED) for name in model.state_dict())
        faults.append(f"{len(missing)} of {used} weights are missing ({_some(missing)})")
    if reshaped:
        name, theirs, ours = reshaped[0]
        faults.append(f"{len(reshaped)} have another shape ({name} is {_shape(theirs)}, expected {_shape(ours)})")
    if unexpected and (missing or inside):
        faults.append(f"{len(inside or unexpected)} are not the model's ({_some(inside or unexpected)})")
    prefix = _prefix(missing, unexpected)
    advice = (
        f"they are there with '{prefix}' before their names: save the model itself, not what wraps it"
        if prefix
        else "config.json and weights are not of one model: save both together with save_pretrained"
    )
    raise ModelError(
        f"{what} {place}: expected the weights of {type(model).__name__}, but {', '.join(faults)}; {advice}."
    )


def _prefix(missing: list[str], unexpected: list[str]) -> str:
    """Return what stands before the names of missing weights, where they are there under longer names."""
    ends = (name.removesuffix(missing[0]) for name in unexpected if missing and name.endswith(f".{missing[0]}"))
    return next(ends, "")


def _some(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]}, …"


def _shape(size: Any) -> str:
    return " × ".join(map(str, size))
