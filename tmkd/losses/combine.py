"""The loss as a list of named, weighted terms.

A term sees the model's output, the batch and how far the training is, and returns a scalar; adding a family of
distillation means adding a term, never a second training loop. ``l = (1 − α) l_g + α l_s`` (Yang et al. 2020, stage 2)
is two terms; stage 1 is ``l_s`` alone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tmkd.choices import ALL_PAIRS, BCE, PAIRWISE, POINTWISE
from tmkd.losses.all_gather import all_rows
from tmkd.losses.questions import Questions, gains, score
from tmkd.losses.ranking import GOLD_RANKING, SOFT_RANKING, Compared
from tmkd.losses.response import RESPONSE_LOSSES, per_teacher, weigh
from tmkd.losses.weighting import weighted

# A number, or what it is when so much of the training is done (0 to 1).
Amount = float | Callable[[float], float]


class Term(nn.Module):
    """A named part of the loss: ``weight * loss(output, batch, progress)``.

    Args:
        weight: constant, or a function of progress.
        loss: a function, or a module where something of its own is learnt (a map between widths).
        states: which of the student's states the loss reads from ``output.states``, as (kind, layer); see
            ``tmkd.states``.
    """

    def __init__(
        self,
        name: str,
        weight: Amount,
        loss: Callable[[Any, Mapping[str, Any], float], Tensor],
        states: Collection[tuple[str, int]] = (),
    ) -> None:
        super().__init__()
        self.name = name
        self.weight = weight
        self.loss = loss
        self.states = frozenset(states)

    def forward(self, output: Any, batch: Mapping[str, Any], progress: float = 0.0) -> Tensor:
        return self.loss(output, batch, progress)


def at(amount: Amount, progress: float) -> float:
    """Return what an amount is when ``progress`` of the training is done."""
    return amount(progress) if callable(amount) else amount


def combine(
    terms: Iterable[Term], output: Any, batch: Mapping[str, Any], progress: float = 0.0
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the weighted sum and every term's own, unweighted value (detached)."""
    terms = list(terms)
    values = {term.name: term(output, batch, progress) for term in terms}
    total = sum(at(term.weight, progress) * values[term.name] for term in terms)
    return total, {name: value.detach() for name, value in values.items()}


def gold_term(weight: Amount, loss: str = POINTWISE) -> Term:
    """``l_g``: what the gold head (``output.gold: [batch, classes]``) learns from ``batch["labels"]: [batch]``.

    Args:
        loss: pointwise, see ``pointwise``; bce, see ``binary_cross_entropy``; or a key of ``GOLD_RANKING``, over the
            passages of each question in ``batch["questions"]: [batch]``.
    """
    if loss == POINTWISE:
        return Term("gold", weight, lambda output, batch, _: pointwise(output.gold.float(), batch["labels"]))
    if loss == BCE:
        return Term("gold", weight, lambda output, batch, _: binary_cross_entropy(output.gold, batch["labels"]))
    function = GOLD_RANKING[loss]

    def value(output: Any, batch: Mapping[str, Any], _: float) -> Tensor:
        questions = _questions(batch)
        relevance = gains(batch["labels"], output.gold.shape[-1])
        return _mean(function(questions.dense(score(output.gold)), questions.dense(relevance), questions.mask), batch)

    return Term("gold", weight, value)


def pointwise(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of logits ``[batch, classes]``, a mean over the batch; of one logit the squared error, since labels
    are grades or numbers then.
    """
    if logits.shape[-1] == 1:
        return F.mse_loss(logits.squeeze(-1), labels.float())
    return F.cross_entropy(logits, labels)


def binary_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """``−y log σ(z) − (1 − y) log(1 − σ(z))`` of logits ``[batch, 1]``, a mean over the batch.

    Args:
        labels: ``[batch]``, numbers from 0 to 1: probabilities.
    """
    if logits.shape[-1] != 1:
        raise ValueError(f"expected logits [batch, 1], but found {list(logits.shape)}")
    return F.binary_cross_entropy_with_logits(logits.squeeze(-1).float(), labels.float())


def soft_term(weight: Amount, loss: str, temperature: Amount, head: str = "soft", pairs: str = ALL_PAIRS) -> Term:
    """``l_s``: mean over the soft heads (``output.soft``) of their loss with ``batch["soft_targets"]``,
    both ``[batch, teachers, classes]``.

    With ``batch["teacher_weights"]: [batch, teachers]`` it is the weighted mean; of a loss over a question's passages
    (a key of ``SOFT_RANKING``) a teacher's weight is the mean over the question's pairs.

    Args:
        head: soft; gold teaches the gold head instead, which with ``gold_term`` is the two losses of one head of Hinton
            et al. 2015, section 2.
        pairs: of passages that a loss in ``PAIRWISE`` compares: all, or right_wrong, by ``batch["labels"]``.
    """

    def student(output: Any) -> Tensor:
        logits: Tensor = output.gold.unsqueeze(1) if head == "gold" else output.soft
        return logits

    def value(output: Any, batch: Mapping[str, Any], progress: float) -> Tensor:
        function, degrees = RESPONSE_LOSSES[loss], at(temperature, progress)
        if "teacher_weights" not in batch:
            return function(student(output), batch["soft_targets"], degrees)
        each = per_teacher(function, student(output), batch["soft_targets"], degrees)
        return weighted(each, batch["teacher_weights"])

    def ranking_value(output: Any, batch: Mapping[str, Any], progress: float) -> Tensor:
        questions, targets = _questions(batch), batch["soft_targets"]
        function = SOFT_RANKING[loss]
        if pairs != ALL_PAIRS and loss in PAIRWISE:
            relevance = questions.dense(gains(batch["labels"], targets.shape[-1])).unsqueeze(1)
            function = functools.partial(function, gain=relevance)
        scores, wanted = (questions.dense(score(logits)) for logits in (student(output), targets))
        compared = function(scores, wanted, questions.mask.unsqueeze(1), at(temperature, progress))
        weights = batch.get("teacher_weights")
        return _mean(compared, batch, None if weights is None else questions.mean(weights.float()))

    return Term("soft", weight, ranking_value if loss in SOFT_RANKING else value)


def weighed_term(alpha: Amount, temperature: Amount) -> Term:
    """Cross-entropy of the gold head with one target, mixed of gold and soft labels (``losses.response.weigh``)."""

    def value(output: Any, batch: Mapping[str, Any], progress: float) -> Tensor:
        targets = batch["soft_targets"].squeeze(1)
        return weigh(output.gold, targets, batch["labels"], at(alpha, progress), at(temperature, progress))

    return Term("weighed", 1.0, value)


def _mean(compared: Compared, batch: Mapping[str, Any], weights: Tensor | None = None) -> Tensor:
    """The mean over all that is compared in a batch, whatever each of several processes has of it."""
    parts = [compared.total, compared.count, *([] if weights is None else [weights])]
    total, count, *own = all_rows(torch.stack(parts, dim=-1), batch).unbind(-1)
    return Compared(total, count).mean(*own)


def _questions(batch: Mapping[str, Any]) -> Questions:
    if "questions" not in batch:
        raise ValueError("expected a batch with the numbers of its questions [batch], for a loss over their passages")
    return Questions.of(batch["questions"])
