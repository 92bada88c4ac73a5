"""Losses of a masked language model that learns from another: DistilBERT's pre-training (Sanh et al. 2019, section 3).

``5 KL_T(teacher ‖ student) + 2 MLM + 1 (1 − cos)``. The first two are means over the masked tokens, where both models'
predictions ``[masked, vocabulary]`` are; the cosine is over all real tokens. The authors' code takes the first over all
real tokens by default (``restrict_ce_to_mask``); predicting a vocabulary for each costs more than the
encoder.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from tmkd.losses.all_gather import all_rows
from tmkd.losses.combine import Term
from tmkd.losses.feature import cosine
from tmkd.losses.response import kl_of_each

UNMASKED = -100  # where a batch's ``masked`` asks for no prediction


def masked_cross_entropy(logits: Tensor, tokens: Tensor) -> Tensor:
    """Cross-entropy of ``logits: [masked, vocabulary]`` with the hidden ``tokens: [masked]``, of each: ``[masked]``."""
    return F.cross_entropy(logits.float(), tokens, reduction="none")


def masked_kl(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """``T² KL(p_t ‖ p_s)`` of logits ``[masked, vocabulary]``, for each masked token: ``[masked]``."""
    return kl_of_each(student.float(), teacher.detach().float(), temperature)


def mean_over_masked(costs: Tensor, batch: Mapping[str, Any]) -> Tensor:
    """Mean of ``costs: [masked]`` over the whole batch, of all processes; 0 where nothing is masked."""
    costs = all_rows(costs, batch)
    return costs.sum() / max(1, len(costs))


def masked_language_term(weight: float = 1.0) -> Term:
    """The cross-entropy of ``output.logits`` with ``batch["masked"]: [batch, tokens]``, the tokens or ``UNMASKED``."""

    def value(output: Any, batch: Mapping[str, Any], _: float) -> Tensor:
        wanted = batch["masked"]
        return mean_over_masked(masked_cross_entropy(output.logits, wanted[wanted != UNMASKED]), batch)

    return Term("mlm", weight, value)


def distilbert_terms(*, kl: float, mlm: float, cos: float, temperature: float) -> list[Term]:
    """The triple loss with its weights, those of 0 left out.

    The teacher's side is ``batch["teacher_logits"]: [masked, vocabulary]`` and ``batch["teacher_hidden"]``, its last
    hidden states, like ``output.hidden`` ``[batch, tokens, width]``.
    """

    def predicted(output: Any, batch: Mapping[str, Any], _: float) -> Tensor:
        return mean_over_masked(masked_kl(output.logits, batch["teacher_logits"], temperature), batch)

    terms = [
        Term("kl", kl, predicted),
        masked_language_term(mlm),
        Term(
            "cosine",
            cos,
            lambda output, batch, _: cosine(output.hidden, batch["teacher_hidden"], batch["attention_mask"]),
        ),
    ]
    return [term for term in terms if term.weight != 0]
