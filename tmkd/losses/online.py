"""Online distillation: what classifiers that are trained together learn from each other's predictions.

Shapes: ``mine`` is logits before softmax ``[batch, classes]``, ``theirs`` those of the other peers
``[batch, peers, classes]``. Each function returns the mean over the batch, a scalar, float32. No gradient reaches
``theirs``: every peer learns from the others as they are. Temperature T divides both sides' logits, and T² keeps the
gradient's size; both sources have T = 1.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from tmkd.losses.response import kl_divergence, soft_cross_entropy


def mutual(mine: Tensor, theirs: Tensor, temperature: float = 1.0) -> Tensor:
    """Mean over the other peers of ``T² KL(p_j ‖ p_me)`` (deep mutual learning, Zhang et al. 2018).

    Zero where all agree.
    """
    _check(mine, theirs)
    return kl_divergence(mine.unsqueeze(1).expand_as(theirs), theirs.detach(), temperature)


def codistillation(mine: Tensor, theirs: Tensor, temperature: float = 1.0) -> Tensor:
    """``−T² Σ p̄ log p_me`` with p̄ the mean of the other peers' probabilities (codistillation, Anil et al. 2018).

    Least, not zero, where ``mine`` predicts p̄: its entropy remains.
    """
    _check(mine, theirs)
    log_p = F.log_softmax(theirs.detach().float() / temperature, dim=-1)
    log_mean = torch.logsumexp(log_p, dim=1, keepdim=True) - math.log(theirs.shape[1])
    return soft_cross_entropy(mine.unsqueeze(1), temperature * log_mean, temperature)


def _check(mine: Tensor, theirs: Tensor) -> None:
    if mine.dim() != 2 or theirs.dim() != 3 or not theirs.shape[1] or mine.shape != theirs[:, 0].shape:
        raise ValueError(
            f"expected logits [batch, classes] and other peers' [batch, peers, classes], but found {list(mine.shape)} "
            f"and {list(theirs.shape)}"
        )


ONLINE_LOSSES = {"mutual": mutual, "codistillation": codistillation}
