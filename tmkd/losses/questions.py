"""Passages of one question side by side: what losses over a question's passages see.

Pairs of a question may stand anywhere in a batch. Padding is masked, and nothing depends on the order of the passages.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


def score(logits: Tensor) -> Tensor:
    """Return the margin of the last class, ``[...]``, of logits ``[..., classes]``, float32: its log-odds.

    With two classes it is z₁ − z₀, with more z_K − logsumexp of the others; a single logit is a score already.
    """
    logits = logits.float()
    if logits.shape[-1] == 1:
        return logits.squeeze(-1)
    return logits[..., -1] - logits[..., :-1].logsumexp(-1)


def gains(labels: Tensor, classes: int) -> Tensor:
    """Return how relevant each passage is, ``[batch]``, float32 and not negative.

    Args:
        labels: ``[batch]``: whole numbers are classes, of which the last one (of a single logit: 1) is relevant,
            with gain 1; floats are grades, and gains themselves.
        classes: of the logits.
    """
    return labels.float() if labels.is_floating_point() else (labels == max(classes - 1, 1)).float()


@dataclass(frozen=True)
class Questions:
    """Where the pairs of a batch stand in a table with a row for each question.

    Attributes:
        places: ``[questions, passages]``, indices of pairs; padding is 0.
        mask: ``[questions, passages]``, true where there is a pair.
    """

    places: Tensor
    mask: Tensor

    @classmethod
    def of(cls, questions: Tensor) -> Questions:
        """Group pairs by the numbers of their questions, ``[batch]``, int64; equal numbers are one question."""
        if questions.dim() != 1 or not len(questions):
            raise ValueError(f"expected numbers of questions [batch], but found shape {list(questions.shape)}")
        _, row, counts = torch.unique(questions, return_inverse=True, return_counts=True)
        order = torch.argsort(row, stable=True)
        row = row[order]
        column = torch.arange(len(order), device=order.device) - (counts.cumsum(0) - counts)[row]
        places = order.new_zeros(len(counts), int(counts.max()))
        mask = torch.zeros_like(places, dtype=torch.bool)
        places[row, column] = order
        mask[row, column] = True
        return cls(places, mask)

    def dense(self, values: Tensor) -> Tensor:
        """``[batch]`` to ``[questions, passages]``; ``[batch, teachers]`` to ``[questions, teachers, passages]``.

        Padding repeats the first pair, so that it is finite; whoever reads it goes by ``mask``.
        """
        return values[self.places].movedim(1, -1)

    def mean(self, values: Tensor) -> Tensor:
        """Mean over each question's pairs: ``[batch, teachers]`` to ``[questions, teachers]``."""
        mask = self.mask.unsqueeze(1)
        return self.dense(values).masked_fill(~mask, 0.0).sum(-1) / mask.sum(-1)
