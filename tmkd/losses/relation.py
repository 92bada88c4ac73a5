"""Relation losses: what a student learns from how a teacher's representations lie to each other: those of the examples
of one batch, or those that two layers have of one example (``flow``).

Shapes, but for ``flow``: ``student: [batch, student width]`` and ``teacher: [batch, teacher width]``, one row an
example, in one order; widths may differ. Each function returns a scalar, which is 0 with a gradient of 0 where the
batch is too small to have relations. The order of the batch changes nothing; what else is in the batch does. No
gradient reaches the teacher.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from tmkd.losses.feature import real_tokens

# Two examples nearer than this share of the largest row are one: their direction is rounding error.
SAME = 1e-6


def distances(student: Tensor, teacher: Tensor) -> Tensor:
    """RKD-D: Huber loss of pairwise distances, each side's divided by its mean (Park et al. 2019, section 3.2.1).

    Mean over pairs of different rows. The authors' code has the mean over all B² pairs, (B − 1) / B of this.
    """
    student, teacher = _checked(student, teacher)
    pairs = len(student) * (len(student) - 1) // 2
    costs = F.huber_loss(_relative_distances(student), _relative_distances(teacher), reduction="sum")
    return costs / max(pairs, 1)


def angles(student: Tensor, teacher: Tensor) -> Tensor:
    """RKD-A: Huber loss of the cosines of the angles that triplets form (Park et al. 2019, section 3.2.2).

    Mean over triplets of different rows. The authors' code has the mean over all B³ triplets,
    (B − 1)(B − 2) / B² of this. Memory grows with B³ and with B² times the width.
    """
    student, teacher = _checked(student, teacher)
    different = ~torch.eye(len(student), dtype=torch.bool, device=student.device)
    # [j, i, k]: the angle at j between i and k
    triplets = different[:, :, None] & different[:, None, :] & different[None, :, :]
    costs = F.huber_loss(_cosines(student), _cosines(teacher), reduction="none").masked_fill(~triplets, 0)
    return costs.sum() / triplets.sum().clamp(min=1)


def similarity(student: Tensor, teacher: Tensor) -> Tensor:
    """``‖G_t − G_s‖_F² / B²`` of Gram matrices with rows of length 1 (Tung and Mori 2019, section 3)."""
    student, teacher = _checked(student, teacher)
    return (_unit(_gram(student)) - _unit(_gram(teacher))).square().sum() / max(len(student), 1) ** 2


def flow(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """``‖G_t − G_s‖²`` of the flow between two layers, ``G = F₁ᵀ F₂ / n`` (FSP: Yim et al. 2017, section 3.2).

    ``F`` is a layer's states of the n real tokens, which stand for the source's h · w places. The square is a mean over
    the entries of G, where the source has their sum, so that every width has one weight; then a mean over the batch.

    Args:
        student, teacher: states of the lower and the upper layer, ``[batch, 2, tokens, width]``, of one width.
        mask: ``[batch, tokens]``, 1 where a token is real.
    """
    if student.shape != teacher.shape or student.dim() != 4 or student.shape[1] != 2:
        raise ValueError(
            f"expected student and teacher states of one shape [batch, 2 layers, tokens, width], but found "
            f"{list(student.shape)} and {list(teacher.shape)}"
        )
    real = real_tokens(mask, (student.shape[0], student.shape[2]))
    return F.mse_loss(_flow(student.float(), real), _flow(teacher.detach().float(), real))


def _flow(states: Tensor, real: Tensor) -> Tensor:
    lower, upper = states.masked_fill(~real[:, None, :, None], 0).unbind(1)
    with torch.autocast(states.device.type, enabled=False):  # which would multiply in bf16
        return lower.transpose(-1, -2) @ upper / real.sum(-1)[:, None, None]


def _relative_distances(rows: Tensor) -> Tensor:
    distance = F.pdist(rows)  # [pairs]; its gradient at distance 0 is 0
    mean = distance.sum() / max(len(distance), 1)
    return distance / torch.where(mean > 0, mean, 1.0)


def _cosines(rows: Tensor) -> Tensor:
    """Cosine of the angle at row j between rows i and k, ``[j, i, k]``; 0 where two of them are the same."""
    largest = torch.linalg.vector_norm(rows.detach(), dim=-1).max()
    return _gram(_unit(rows[None, :] - rows[:, None], shortest=SAME * largest))


def _unit(rows: Tensor, shortest: Tensor | float = 0.0) -> Tensor:
    """Rows at length 1; those not longer than ``shortest`` become 0, with a gradient of 0 instead of one by zero."""
    length = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
    long = length > shortest
    return torch.where(long, rows / torch.where(long, length, 1.0), 0.0)


def _gram(rows: Tensor) -> Tensor:
    with torch.autocast(rows.device.type, enabled=False):  # which would multiply in bf16
        return rows @ rows.transpose(-1, -2)


def _checked(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    if student.dim() != 2 or teacher.dim() != 2 or len(student) != len(teacher) or not len(student):
        raise ValueError(
            f"expected student and teacher representations [batch, width] of one batch, but found "
            f"{list(student.shape)} and {list(teacher.shape)}"
        )
    return student.float(), teacher.detach().float()
