"""Self-distillation: what the exits of a student learn from the gold labels and from its deepest classifier.

``(1 − α) CE + α T² KL(deepest ‖ exit) + λ ‖F_exit − F_deepest‖²`` for every exit, summed over the exits (Zhang et al.
2019, section 3). The distance is a mean over the width, not a sum, so that λ means the same at every width.

Shapes: exits' logits are ``[batch, exits, classes]``, their features ``[batch, exits, width]``. Each function is a mean
over the batch. What exits learn from the deepest classifier sends no gradient to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from tmkd.losses.combine import Term
from tmkd.losses.response import kl_divergence


def gold(exits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of every exit with ``labels: [batch]``."""
    count = exits.shape[1]
    return count * F.cross_entropy(exits.float().transpose(1, 2), labels.unsqueeze(1).expand(-1, count))


def from_deepest(exits: Tensor, deepest: Tensor, temperature: float) -> Tensor:
    """``T² KL`` from the deepest classifier to every exit.

    Args:
        deepest: its predicting heads' logits, ``[batch, heads, classes]``. Several heads teach as they predict, by the
            mean of their probabilities, each softened by T.
    """
    softened = F.log_softmax(deepest.detach().float() / temperature, dim=-1)
    target = temperature * softened.logsumexp(dim=1, keepdim=True)  # logits of that mean: a softmax takes any constant
    return exits.shape[1] * kl_divergence(exits, target.expand(-1, exits.shape[1], -1), temperature)


def features(exits: Tensor, deepest: Tensor) -> Tensor:
    """Squared distance of every exit's feature to the deepest ``h1: [batch, width]``, a mean over the width."""
    return (exits.float() - deepest.detach().float().unsqueeze(1)).square().mean((0, 2)).sum()


def exit_terms(
    layers: Sequence[int],
    heads: Sequence[int],
    *,
    weight: float = 1.0,
    alpha: float = 0.1,
    temperature: float = 3.0,
    feature_weight: float = 0.1,
) -> list[Term]:
    """Return the three terms of a student's exits, to stand beside whatever its deepest classifier learns from.

    They read ``output.exits`` (logits by layer), ``output.states["exit", layer]`` (features), ``output.logits`` and
    ``output.h1``.

    Args:
        layers: after which the exits stand.
        heads: indices of the deepest classifier's predicting heads.
        weight: of all three together.
        alpha: weight of what the deepest classifier predicts, ``1 − alpha`` of the gold labels.
        temperature: divides both sides' logits.
        feature_weight: λ. The sources' 1e-6 is for a sum over batch, width and places: with 128 images and 512 to
            2048 channels that is about 0.1 of a mean.
    """
    heads = list(heads)

    def logits(output: Any) -> Tensor:
        return torch.stack([output.exits[layer] for layer in layers], dim=1)

    def gold_loss(output: Any, batch: Mapping[str, Any], _: float) -> Tensor:
        return gold(logits(output), batch["labels"])

    def soft_loss(output: Any, _: Mapping[str, Any], __: float) -> Tensor:
        return from_deepest(logits(output), output.logits[:, heads], temperature)

    def feature_loss(output: Any, _: Mapping[str, Any], __: float) -> Tensor:
        return features(torch.stack([output.states["exit", layer] for layer in layers], dim=1), output.h1)

    states = [("exit", layer) for layer in layers]
    return [
        Term("exits_gold", weight * (1 - alpha), gold_loss, states),
        Term("exits_soft", weight * alpha, soft_loss, states),
        Term("exits_features", weight * feature_weight, feature_loss, states),
    ]
