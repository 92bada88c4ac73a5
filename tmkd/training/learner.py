"""What the Trainer trains: a student and the terms of its loss, in one module.

Terms may have parameters of their own (the maps of feature distillation). They are learnt, checkpointed and, under
data parallelism, synchronised with the student's, and left behind when the student is saved.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor, nn

from tmkd.losses.all_gather import SHARE
from tmkd.losses.combine import Term, combine
from tmkd.models.classifier import PairClassifier, PairOutput
from tmkd.training.by_length import read_by_length

INPUTS = ("input_ids", "attention_mask", "token_type_ids")


class Learner(nn.Module):
    """A student with what it learns from; its output is the loss and the value of every term."""

    accepts_loss_kwargs = False  # or the Trainer takes **batch for a promise to divide by accumulated batches itself

    def __init__(self, student: PairClassifier, terms: Iterable[Term]) -> None:
        super().__init__()
        self.student = student
        self.terms = nn.ModuleList(terms)
        self.states = frozenset(state for term in terms for state in term.states)
        self.progress = 0.0  # of the training, from 0 to 1

    def forward(self, **batch: Any) -> dict[str, Any]:
        """Return ``loss``, a scalar, and ``terms``, every term's own, unweighted value."""
        loss, terms = combine(self.terms, self.read(batch), batch, self.progress)  # type: ignore[arg-type]
        return {"loss": loss, "terms": terms}

    def read(self, batch: Mapping[str, Any]) -> PairOutput:
        """Return what the student says of the pairs, with the states that its terms read."""
        inputs = inputs_of(batch)
        # small parts would leave most of a GPU idle, and processes that share a model run each layer equally often
        apart = inputs["input_ids"].device.type == "cpu" and SHARE not in batch
        if apart and "questions" in batch and not self.states:
            return read_by_length(self.student, inputs)
        output: PairOutput = self.student(**inputs, states=self.states)
        return output

    def clipped_apart(self) -> list[nn.Module]:
        """Return the modules whose gradients have norms of their own."""
        return [self]


def inputs_of(batch: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return what a classifier reads of a batch."""
    return {name: batch[name] for name in INPUTS if name in batch}
