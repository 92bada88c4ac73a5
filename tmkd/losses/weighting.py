"""How much each of several teachers counts, example by example.

Shapes: ``teacher`` is logits before softmax, ``[batch, teachers, classes]``; weights are ``[batch, teachers]``,
float32, not negative, and sum to 1 over the teachers, so that one teacher has weight 1. No gradient passes through a
weight.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def mean(teacher: Tensor) -> Tensor:
    """All teachers alike."""
    teacher = _checked(teacher)
    return torch.full(teacher.shape[:2], 1 / teacher.shape[1], device=teacher.device)


def fixed(teacher: Tensor, shares: Sequence[float]) -> Tensor:
    """``shares``, one a teacher, divided by their sum: the same for every example."""
    teacher = _checked(teacher)
    if len(shares) != teacher.shape[1] or min(shares) < 0 or sum(shares) <= 0:
        raise ValueError(
            f"expected a share for each of {teacher.shape[1]} teachers, none negative and not all 0, but found "
            f"{list(shares)}"
        )
    weights = torch.tensor(list(shares), dtype=torch.float32, device=teacher.device)
    return (weights / weights.sum()).expand(teacher.shape[:2])


def confidence(teacher: Tensor) -> Tensor:
    """Softmax over teachers of minus the entropy of what each predicts: the surer, the more. It needs no label.

    That teachers of lower entropy count more is of Kwon et al. 2020 (Adaptive knowledge distillation based on entropy,
    ICASSP). The softmax is ours: shares of the entropies' sum are decided by rounding where all teachers are sure.
    """
    log_p = F.log_softmax(_checked(teacher), dim=-1)
    return F.softmax((log_p.exp() * log_p).sum(-1), dim=-1)


def agreement(teacher: Tensor, labels: Tensor) -> Tensor:
    """``(1 − exp(CE_k) / Σ_j exp(CE_j)) / (K − 1)``: the nearer to the gold label, the more (CA-MKD, Zhang et al. 2022,
    section 3.1). With one teacher, 1.

    Args:
        labels: ``[batch]``, the gold classes.
    """
    teacher = _checked(teacher)
    batch, count, _ = teacher.shape
    if labels.shape != (batch,):
        raise ValueError(f"expected labels [batch] of shape {[batch]}, but found {list(labels.shape)}")
    if count == 1:
        return mean(teacher)
    errors = F.cross_entropy(teacher.transpose(1, 2), labels.unsqueeze(1).expand(batch, count), reduction="none")
    return (1 - F.softmax(errors, dim=-1)) / (count - 1)


def weighted(losses: Tensor, weights: Tensor) -> Tensor:
    """Mean over the batch of ``Σ_k w_k l_k``; ``losses`` and ``weights`` are ``[batch, teachers]``."""
    if losses.shape != weights.shape or losses.dim() != 2:
        raise ValueError(
            f"expected losses and weights of one shape [batch, teachers], but found {list(losses.shape)} and "
            f"{list(weights.shape)}"
        )
    return (losses.float() * weights.detach().float()).sum(-1).mean()


def _checked(teacher: Tensor) -> Tensor:
    if teacher.dim() != 3 or not teacher.shape[1]:
        raise ValueError(f"expected teacher logits [batch, teachers, classes], but found {list(teacher.shape)}")
    return teacher.detach().float()
