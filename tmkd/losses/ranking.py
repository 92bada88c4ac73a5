"""Losses over the passages of a question, on scores: each sees only how scores differ within a question.

Shapes: ``scores`` are the student's, ``target`` the gains of labels or the teacher's scores, both
``[..., passages]``; ``mask``, of a shape that broadcasts to theirs, is true where there is a passage. Padding may hold
any finite number. Each function returns ``Compared``, per list: lists in which nothing can be compared have count 0.
No gradient reaches a target. "Right" and "wrong" mean a higher and a lower target.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

MU = 10.0  # weight of NDCG-Loss2 beside LambdaRank in NDCG-Loss2++ (Wang et al. 2018)
FLOOR = 1e-10  # of the ideal DCG, which is 0 where no passage is relevant


@dataclass(frozen=True)
class Compared:
    """What a list costs: the sum over all that is compared in it, and how much that is; both ``[...]``, float32."""

    total: Tensor
    count: Tensor

    def mean(self, weights: Tensor | None = None) -> Tensor:
        """Mean over all that is compared, of all lists together; 0 with a gradient of zeros where nothing is.

        Args:
            weights: of each list's part in it, ``[...]``.
        """
        weights = torch.ones_like(self.total) if weights is None else weights
        counted = (weights * self.count).sum()
        return (weights * self.total).sum() / counted.clamp(min=torch.finfo(torch.float32).tiny)


def listwise(scores: Tensor, target: Tensor, mask: Tensor) -> Compared:
    """``−Σ g_i log softmax(s)_i / Σ g`` of gains g: with one right passage InfoNCE (van den Oord et al. 2018), with
    several the mean over them of −log softmax over all passages of the question. Lists are counted."""
    gain = target.masked_fill(~mask, 0.0)
    share = gain / gain.sum(-1, keepdim=True).clamp(min=FLOOR)
    log_p = F.log_softmax(scores.masked_fill(~mask, -math.inf), dim=-1).masked_fill(~mask, 0.0)
    return _of_lists(-(share * log_p).sum(-1), _pairs(target, mask).any(-1).any(-1))


def listwise_each(scores: Tensor, target: Tensor, mask: Tensor) -> Compared:
    """As ``listwise``, but each right passage has a softmax of its own, against the wrong ones alone: right passages do
    not compete with each other (the positives of a question as examples of their own, Karpukhin et al. 2020)."""
    gain = target.masked_fill(~mask, 0.0)
    share = gain / gain.sum(-1, keepdim=True).clamp(min=FLOOR)
    below = _pairs(target, mask)
    itself = torch.eye(scores.shape[-1], dtype=torch.bool, device=scores.device)
    rivals = scores.unsqueeze(-2).masked_fill(~(below | itself), -math.inf)
    each = (rivals.logsumexp(-1) - scores).masked_fill(~mask, 0.0)
    return _of_lists((share * each).sum(-1), below.any(-1).any(-1))


def ranknet(
    scores: Tensor, target: Tensor, mask: Tensor, temperature: float = 1.0, gain: Tensor | None = None
) -> Compared:
    """``ln(1 + exp(s_j − s_i))`` of pairs in which i has the higher target (RankNet, Burges et al. 2005). Pairs are
    counted. Temperature is not used.

    Args:
        gain: of the gold labels, where the target is a teacher's: only pairs of unlike gain are compared, in the
            teacher's order.
    """
    pairs = _pairs(target, mask)
    if gain is not None:
        pairs = pairs & (_pairs(gain, mask) | _pairs(-gain, mask))
    return _of_pairs(F.softplus(-_differences(scores)), pairs)


def lambda_loss(scores: Tensor, target: Tensor, mask: Tensor) -> Compared:
    """NDCG-Loss2++ of the LambdaLoss framework, in bits (Wang et al. 2018, with σ = 1). Pairs are counted.

    ``(ρ_ij + μ δ_ij) |G_i − G_j| log₂(1 + exp(s_j − s_i))`` of pairs in which i has the higher target: G are gains
    ``2^g − 1`` over the ideal DCG, ρ is how far the discounts of their present ranks differ (LambdaRank) and δ how far
    the discounts at the distance of their ranks (NDCG-Loss2). Equal scores rank wrong passages first.
    """
    gain = target.masked_fill(~mask, 0.0)
    places = torch.arange(scores.shape[-1], device=scores.device)
    discounts = 1 / torch.log2(places + 2.0)
    power = 2**gain - 1
    ideal = (power.sort(dim=-1, descending=True).values * discounts).sum(-1, keepdim=True).clamp(min=FLOOR)
    ranks = _ranks(scores.masked_fill(~mask, -math.inf), gain)
    distance = (ranks.unsqueeze(-1) - ranks.unsqueeze(-2)).abs()
    lambda_rank = _differences(discounts[ranks]).abs()
    # the distance is 0 on the diagonal alone, where nothing is compared
    loss2 = 1 / torch.log2(distance.clamp(min=1) + 1.0) - 1 / torch.log2(distance.clamp(min=1) + 2.0)
    weights = (lambda_rank + MU * loss2) * _differences(power / ideal).abs()
    return _of_pairs(weights * F.softplus(-_differences(scores)) / math.log(2), _pairs(target, mask))


def margin_mse(
    scores: Tensor, target: Tensor, mask: Tensor, temperature: float = 1.0, gain: Tensor | None = None
) -> Compared:
    """``((s_i − s_j) − (t_i − t_j))²`` of all pairs of passages, or with ``gain`` of those of a right and a wrong one
    (Margin-MSE, Hofstätter et al. 2020). Pairs are counted. Temperature is not used.

    Args:
        gain: of the gold labels, ``[..., passages]``: only pairs of unlike gain are compared, as in the source.
    """
    two = ~torch.eye(scores.shape[-1], dtype=torch.bool, device=scores.device)
    pairs = mask.unsqueeze(-1) & mask.unsqueeze(-2) & two if gain is None else _pairs(gain, mask)
    return _of_pairs(_differences(scores - target.detach()).square(), pairs.expand(*scores.shape, -1))


def listwise_kl(scores: Tensor, target: Tensor, mask: Tensor, temperature: float = 1.0) -> Compared:
    """``T² KL(softmax(t / T) ‖ softmax(s / T))`` over the passages: ListNet's top-one probabilities (Cao et al. 2007),
    less the teacher's entropy, so that it is zero where both agree. Lists are counted."""
    log_p, log_q = (
        F.log_softmax((values / temperature).masked_fill(~mask, -math.inf), dim=-1).masked_fill(~mask, 0.0)
        for values in (target.detach(), scores)
    )
    divergence = (log_p.exp().masked_fill(~mask, 0.0) * (log_p - log_q)).sum(-1)
    return _of_lists(temperature**2 * divergence, _several(mask, scores))


def adr_mse(scores: Tensor, target: Tensor, mask: Tensor, temperature: float = 1.0) -> Compared:
    """``(r_i − r̂_i)² / log₂(r_i + 1)``: r is the teacher's rank from 1 (equal scores share the mean of theirs), r̂ the
    student's approximate one, ``1 + Σ_{j≠i} σ((s_j − s_i) / T)`` (ADR-MSE of Rank-DistiLLM, Schlatt et al. 2025).
    Passages are counted."""
    target = target.detach()
    there = mask.unsqueeze(-2)
    above = ((target.unsqueeze(-2) > target.unsqueeze(-1)) & there).sum(-1)
    equal = ((target.unsqueeze(-2) == target.unsqueeze(-1)) & there).sum(-1)
    rank = above + (equal + 1) / 2
    # the sum has i itself, with σ(0) = ½
    approximate = 0.5 + torch.sigmoid(-_differences(scores) / temperature).masked_fill(~there, 0.0).sum(-1)
    error = (rank - approximate).square() / torch.log2(rank.clamp(min=1) + 1)
    counted = mask & _several(mask, scores).unsqueeze(-1)
    return Compared(error.masked_fill(~counted, 0.0).sum(-1), counted.sum(-1).float())


GOLD_RANKING: dict[str, Callable[[Tensor, Tensor, Tensor], Compared]] = {
    "listwise": listwise,
    "listwise_each": listwise_each,
    "ranknet": ranknet,
    "lambda": lambda_loss,
}
SOFT_RANKING: dict[str, Callable[..., Compared]] = {
    "margin_mse": margin_mse,
    "listwise_kl": listwise_kl,
    "ranknet": ranknet,
    "adr_mse": adr_mse,
}


def _differences(values: Tensor) -> Tensor:
    """``v_i − v_j``, ``[..., passages, passages]``."""
    return values.unsqueeze(-1) - values.unsqueeze(-2)


def _pairs(target: Tensor, mask: Tensor) -> Tensor:
    """Whether i has a higher target than j, ``[..., passages, passages]``."""
    target = target.detach()
    return (target.unsqueeze(-1) > target.unsqueeze(-2)) & mask.unsqueeze(-1) & mask.unsqueeze(-2)


def _several(mask: Tensor, like: Tensor) -> Tensor:
    """Whether a list has two passages at least, ``[...]`` of ``like: [..., passages]``."""
    return (mask.sum(-1) > 1).expand(like.shape[:-1])


def _ranks(scores: Tensor, gain: Tensor) -> Tensor:
    """Places from 0 in the order of falling scores, ``[..., passages]``; of equal ones the lower gain comes first."""
    first = gain.argsort(dim=-1, stable=True)
    order = first.gather(-1, scores.detach().gather(-1, first).argsort(dim=-1, descending=True, stable=True))
    return order.argsort(dim=-1)


def _of_lists(costs: Tensor, counted: Tensor) -> Compared:
    return Compared(costs.masked_fill(~counted, 0.0), counted.float())


def _of_pairs(costs: Tensor, pairs: Tensor) -> Compared:
    return Compared(costs.masked_fill(~pairs, 0.0).sum((-2, -1)), pairs.sum((-2, -1)).float())
