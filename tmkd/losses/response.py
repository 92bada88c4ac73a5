"""Response losses: what a student's soft heads learn from teachers' logits.

Shapes: ``student`` and ``teacher`` are logits before softmax, ``[batch, teachers, classes]``, one row of teachers for
each soft head. Each function returns the mean over batch and teachers, a scalar. Temperature T divides both sides'
logits, and T² keeps the gradient's size (Hinton et al. 2015, section 2.1).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


def squared_error(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """``l_s``: mean over classes of ``(R_s − R_t)²`` (Yang et al. 2020, stages 1 and 2). Temperature is not used."""
    student, teacher = _checked(student, teacher)
    return (student - teacher).square().mean()


def kl_divergence(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """``T² KL(p_t ‖ p_s)``, the teacher's entropy included: zero where both agree (Hinton et al. 2015)."""
    student, teacher = _checked(student, teacher)
    log_p = F.log_softmax(teacher / temperature, dim=-1)
    log_q = F.log_softmax(student / temperature, dim=-1)
    return temperature**2 * (log_p.exp() * (log_p - log_q)).sum(-1).mean()


def soft_cross_entropy(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """``−T² Σ p_t log p_s``: the gradient of ``kl_divergence``, its value larger by T² times the entropy of p_t."""
    student, teacher = _checked(student, teacher)
    p = F.softmax(teacher / temperature, dim=-1)
    return -(temperature**2) * (p * F.log_softmax(student / temperature, dim=-1)).sum(-1).mean()


RESPONSE_LOSSES: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {
    "mse": squared_error,
    "kl": kl_divergence,
    "ce": soft_cross_entropy,
}


def _checked(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    if student.shape != teacher.shape or student.dim() != 3:
        raise ValueError(
            f"expected student and teacher logits of one shape [batch, teachers, classes], but found "
            f"{list(student.shape)} and {list(teacher.shape)}"
        )
    return student.to(torch.float32), teacher.to(torch.float32)
