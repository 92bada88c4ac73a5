"""The loss as a list of named, weighted terms.

A term sees the model's output and the batch and returns a scalar; adding a family of distillation means adding a
term, never a second training loop. ``l = (1 − α) l_g + α l_s`` (Yang et al. 2020, stage 2) is two terms; stage 1 is
``l_s`` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from tmkd.losses.response import RESPONSE_LOSSES


@dataclass(frozen=True)
class Term:
    """A named part of the loss: ``weight * loss(output, batch)``."""

    name: str
    weight: float
    loss: Callable[[Any, Mapping[str, Tensor]], Tensor]


def combine(terms: Sequence[Term], output: Any, batch: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the weighted sum and every term's own, unweighted value (detached)."""
    values = {term.name: term.loss(output, batch) for term in terms}
    total = sum(term.weight * values[term.name] for term in terms)
    return total, {name: value.detach() for name, value in values.items()}  # type: ignore[return-value]


def gold_term(weight: float) -> Term:
    """``l_g``: cross-entropy of the gold head (``output.gold: [batch, classes]``) with ``batch["labels"]: [batch]``."""
    return Term("gold", weight, lambda output, batch: F.cross_entropy(output.gold.float(), batch["labels"]))


def soft_term(weight: float, loss: str, temperature: float) -> Term:
    """``l_s``: mean over the soft heads (``output.soft``) of their loss with ``batch["soft_targets"]``,
    both ``[batch, teachers, classes]``."""
    function = RESPONSE_LOSSES[loss]
    return Term("soft", weight, lambda output, batch: function(output.soft, batch["soft_targets"], temperature))
