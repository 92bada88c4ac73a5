"""Losses of a masked language model that learns from another: DistilBERT's pre-training (Sanh et al. 2019, section 3).

``5 KL_T(teacher ‖ student) + 2 MLM + 1 (1 − cos)``. The first two are means over the masked tokens, where both models'
predictions ``[masked, vocabulary]`` are; the cosine is over all real tokens. The authors' code takes the first over all
real tokens unless told otherwise (``restrict_ce_to_mask``); predicting a vocabulary for each costs more than the
encoder.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from tmkd.losses.combine import Term
from tmkd.losses.feature import cosine
from tmkd.losses.response import kl_divergence

UNMASKED = -100  # where a batch's ``masked`` asks for no prediction


def masked_cross_entropy(logits: Tensor, tokens: Tensor) -> Tensor:
    """Mean cross-entropy of ``logits: [masked, vocabulary]`` with the hidden ``tokens: [masked]``; 0 for none."""
    return F.cross_entropy(logits.float(), tokens) if len(tokens) else logits.float().sum()


def masked_kl(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """``T² KL(p_t ‖ p_s)``, mean over the masked tokens; both logits ``[masked, vocabulary]``; 0 for none."""
    if not len(student):
        return student.float().sum()
    return kl_divergence(student.unsqueeze(1), teacher.detach().unsqueeze(1), temperature)


def masked_language_term(weight: float = 1.0) -> Term:
    """The cross-entropy of ``output.logits`` with ``batch["masked"]: [batch, tokens]``, the tokens or ``UNMASKED``."""

    def value(output: Any, batch: Mapping[str, Any], _: float) -> Tensor:
        wanted = batch["masked"]
        return masked_cross_entropy(output.logits, wanted[wanted != UNMASKED])

    return Term("mlm", weight, value)


def distilbert_terms(*, kl: float, mlm: float, cos: float, temperature: float) -> list[Term]:
    """The triple loss with its weights, those of 0 left out.

    The teacher's side is ``batch["teacher_logits"]: [masked, vocabulary]`` and ``batch["teacher_hidden"]``, its last
    hidden states, like ``output.hidden`` ``[batch, tokens, width]``.
    """
    terms = [
        Term("kl", kl, lambda output, batch, _: masked_kl(output.logits, batch["teacher_logits"], temperature)),
        masked_language_term(mlm),
        Term(
            "cosine",
            cos,
            lambda output, batch, _: cosine(output.hidden, batch["teacher_hidden"], batch["attention_mask"]),
        ),
    ]
    return [term for term in terms if term.weight != 0]
