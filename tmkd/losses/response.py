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
    return kl_of_each(student, teacher, temperature).mean()


def kl_of_each(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """``kl_divergence`` of each row of float32 logits ``[..., classes]``, without a mean: ``[...]``."""
    log_p = F.log_softmax(teacher / temperature, dim=-1)
    log_q = F.log_softmax(student / temperature, dim=-1)
    return temperature**2 * (log_p.exp() * (log_p - log_q)).sum(-1)


def soft_cross_entropy(student: Tensor, teacher: Tensor, temperature: float = 1.0) -> Tensor:
    """``−T² Σ p_t log p_s``: the gradient of ``kl_divergence``, its value larger by T² times the entropy of p_t."""
    student, teacher = _checked(student, teacher)
    p = F.softmax(teacher / temperature, dim=-1)
    return -(temperature**2) * (p * F.log_softmax(student / temperature, dim=-1)).sum(-1).mean()


def per_teacher(
    loss: Callable[[Tensor, Tensor, float], Tensor], student: Tensor, teacher: Tensor, temperature: float = 1.0
) -> Tensor:
    """What one of the functions above costs for each example and teacher: ``[batch, teachers]``, float32."""
    student, teacher = _checked(student, teacher)
    return torch.vmap(torch.vmap(lambda s, t: loss(s[None, None], t[None, None], temperature)))(student, teacher)


def weigh(student: Tensor, teacher: Tensor, labels: Tensor, alpha: float, temperature: float = 1.0) -> Tensor:
    """Cross-entropy with one target, ``(1 − α) one-hot + α p_t^T``.

    T softens the target alone: the student's own logits are not divided, and there is no T². At T = 1 the gradient is
    that of two losses of one head, ``(1 − α) CE + α KL`` (Hinton et al. 2015, section 2). The value is least, not 0,
    where the student predicts the target: its entropy remains.

    Args:
        student, teacher: logits, ``[batch, classes]`` or ``[batch, teachers, classes]``.
        labels: gold classes ``[batch]``, or probabilities of classes ``[batch, classes]``, such as one-hot rows.
        alpha: weight of the soft target, in [0, 1].
    """
    student, teacher, gold = _checked_with_labels(student, teacher, labels, alpha)
    target = (1 - alpha) * gold + alpha * F.softmax(teacher / temperature, dim=-1)
    return -(target * F.log_softmax(student, dim=-1)).sum(-1).mean()


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


def _checked_with_labels(
    student: Tensor, teacher: Tensor, labels: Tensor, alpha: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return logits ``[batch, teachers, classes]`` and gold probabilities ``[batch, 1, classes]``."""
    if not 0 <= alpha <= 1:
        raise ValueError(f"expected α in [0, 1], but found {alpha}")
    if student.dim() == 2 and teacher.dim() == 2:
        student, teacher = student.unsqueeze(1), teacher.unsqueeze(1)
    student, teacher = _checked(student, teacher.detach())
    batch, _, classes = student.shape
    if labels.shape == (batch,):
        labels = F.one_hot(labels, classes)
    if labels.shape != (batch, classes):
        raise ValueError(
            f"expected labels [batch] or [batch, classes] for logits {list(student.shape)}, but found "
            f"{list(labels.shape)}"
        )
    return student, teacher, labels.unsqueeze(1).to(torch.float32)
