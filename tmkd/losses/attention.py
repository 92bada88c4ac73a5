"""Attention losses: what a student's self-attention learns from a teacher's, or a layer's from the layer above.

Shapes: scores are ``[batch, heads, tokens, tokens]`` (queries, then keys), scaled products of queries and keys before
any mask and before softmax, of encoders in which every token sees all others. ``mask`` is ``[batch, tokens]``, 1 where
a token is real: padding is no query and no key. Each function returns the mean over the batch of what one example
costs on its own real tokens, a scalar. No gradient reaches the teacher.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from tmkd.losses.feature import real_tokens, token_mean


def score_mse(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error of scores, head by head, over heads and real queries and keys (Jiao et al. 2020, 3.1)."""
    real = _checked(student, teacher, mask)
    # Filled before the difference, since padding may hold −inf and −inf − −inf is NaN.
    outside = ~(real[:, None, :, None] & real[:, None, None, :])
    student, teacher = student.float().masked_fill(outside, 0), teacher.detach().float().masked_fill(outside, 0)
    return token_mean(_key_mean((student - teacher).square().mean(1), real), real)


def attention_kl(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """``KL(A_t ‖ A_s)`` of the attention distributions, mean over heads and real queries (Wang et al. 2020, 3.1)."""
    real = _checked(student, teacher, mask)
    return _divergence(student.float(), teacher.detach().float(), real)


def relation_kl(student: Tensor, teacher: Tensor, mask: Tensor, relation_heads: int | None = None) -> Tensor:
    """``KL`` of relations ``softmax(V Vᵀ / √d)``, mean over heads and real tokens (Wang et al. 2020, 3.2).

    Of values, or of queries or keys among themselves (MiniLMv2: Wang et al. 2021, section 3.1).

    Args:
        student, teacher: values, queries or keys, ``[batch, heads, tokens, head width]``; head widths may differ.
        relation_heads: both sides' heads are joined and split into this number (MiniLMv2), and d is the new width.
            Without it, numbers of heads must agree.
    """
    if (
        student.dim() != 4
        or teacher.dim() != 4
        or (student.shape[0], student.shape[2])
        != (
            teacher.shape[0],
            teacher.shape[2],
        )
    ):
        raise ValueError(
            f"expected student and teacher states [batch, heads, tokens, head width] of one batch and number of "
            f"tokens, but found {list(student.shape)} and {list(teacher.shape)}"
        )
    if relation_heads is None and student.shape[1] != teacher.shape[1]:
        raise ValueError(
            f"expected states of one number of heads, or a number of relation heads, but found "
            f"{list(student.shape)} and {list(teacher.shape)}"
        )
    real = real_tokens(mask, (student.shape[0], student.shape[2]))
    relations = _relations(student, real, relation_heads), _relations(teacher.detach(), real, relation_heads)
    return _divergence(*relations, real)


def neighbouring_maps(scores: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error between each layer's attention map and that of the layer above, which is detached.

    Self attention distillation (Hou et al. 2019, section 3.1), which is about convolutional maps. There a map is summed
    over channels; here it is the mean of the heads' distributions, as one layer's heads have no order that the next
    one's follow. The mean is over neighbours and real queries and keys, so the loss shrinks with the square of the
    number of tokens.

    Args:
        scores: ``[batch, layers, heads, tokens, tokens]`` of one model, from the lowest layer that learns upwards.
    """
    if scores.dim() != 5 or scores.shape[1] < 2 or scores.shape[-1] != scores.shape[-2]:
        raise ValueError(
            f"expected scores [batch, layers, heads, tokens, tokens] of at least 2 layers, but found "
            f"{list(scores.shape)}"
        )
    real = real_tokens(mask, (scores.shape[0], scores.shape[-1]))
    maps = _log_attention(scores.float(), real).exp().mean(2)  # [batch, layers, tokens, tokens]
    lower, upper = maps[:, :-1], maps[:, 1:].detach()
    return token_mean(_key_mean((lower - upper).square().mean(1), real), real)


def _divergence(student: Tensor, teacher: Tensor, real: Tensor) -> Tensor:
    log_p, log_q = _log_attention(teacher, real), _log_attention(student, real)
    return token_mean(F.kl_div(log_q, log_p, reduction="none", log_target=True).sum(-1).mean(1), real)


def _log_attention(scores: Tensor, real: Tensor) -> Tensor:
    """Log of the softmax over real keys; ``scores: [batch, ..., tokens, tokens]``. Rows of padding are uniform."""
    keys = real.view(real.shape[0], *[1] * (scores.dim() - 2), real.shape[1])
    # The least finite number, not −inf: a key's probability is 0 in either case, but 0 · (−inf − −inf) is NaN.
    scores = scores.masked_fill(~keys, torch.finfo(scores.dtype).min)
    return scores.masked_fill(~keys.transpose(-1, -2), 0).log_softmax(-1)


def _key_mean(costs: Tensor, real: Tensor) -> Tensor:
    """Mean over real keys of ``costs: [batch, queries, keys]``, which are 0 at the others."""
    return costs.sum(-1) / real.sum(-1, keepdim=True)


def _relations(values: Tensor, real: Tensor, relation_heads: int | None) -> Tensor:
    """``V Vᵀ / √d``: ``[batch, relation heads, tokens, tokens]``."""
    batch, heads, tokens, width = values.shape
    values = values.float().masked_fill(~real[:, None, :, None], 0)
    if relation_heads is not None:
        if relation_heads < 1 or heads * width % relation_heads:
            raise ValueError(
                f"expected a number of relation heads that divides {heads} heads × width {width}, but found "
                f"{relation_heads}"
            )
        values = values.transpose(1, 2).reshape(batch, tokens, relation_heads, -1).transpose(1, 2)
    with torch.autocast(values.device.type, enabled=False):  # which would multiply in bf16
        return values @ values.transpose(-1, -2) / math.sqrt(values.shape[-1])


def _checked(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    if student.shape != teacher.shape or student.dim() != 4 or student.shape[-1] != student.shape[-2]:
        raise ValueError(
            f"expected student and teacher scores of one shape [batch, heads, tokens, tokens], but found "
            f"{list(student.shape)} and {list(teacher.shape)}"
        )
    return real_tokens(mask, (student.shape[0], student.shape[-1]))
