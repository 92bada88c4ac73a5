"""Texts to probabilities by a classifier: its tokens, and the heads that predict or an early exit."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from tmkd.data.encoding import encode_and_count
from tmkd.errors import ModelError
from tmkd.evaluation.ensemble import average_probabilities
from tmkd.export.exported import chosen_length
from tmkd.models.classifier import PairClassifier
from tmkd.training.predict import Columns, logits_of, predict
from tmkd.training.runtime import Runtime

log = logging.getLogger(__name__)


class ClassifierScorer:
    """Scores pairs by a student or a teacher; ``ExportedModel`` is its like for exports.

    Args:
        exit_at: the layer whose early exit answers; None: the deepest classifier (ModelError: there is no such exit).
        max_length: tokens of a pair to read; None: as many as the model learnt to read (ModelError: more than these).

    Attributes:
        cut_pairs: how many of the pairs scored so far lost text to ``max_length``.
    """

    def __init__(
        self, model: PairClassifier, runtime: Runtime, exit_at: int | None = None, max_length: int | None = None
    ) -> None:
        check_exit(exit_at, model.exits.layers)
        self.model = runtime.hold(model).eval()
        self.runtime = runtime
        self.exit_at = exit_at
        self.classes = model.classes
        self.max_length = chosen_length(max_length, model.max_length)
        self.cut_pairs = 0

    def probabilities(self, questions: Sequence[str], passages: Sequence[str], batch_size: int | None) -> np.ndarray:
        """Return the probabilities ``[pairs, classes]``, float64.

        Args:
            batch_size: pairs scored at once; None: what suits the device.
        """
        runtime = replace(self.runtime, score_batch=batch_size) if batch_size else self.runtime
        tokens = self._tokens(list(questions), list(passages))
        return self.averaged(predict(self.model, tokens, runtime, answer=self.answer()))

    def answer(self) -> Callable[..., Tensor]:
        """Return what answers a batch: all heads' logits ``[batch, heads, classes]``, or those of the exit, as one."""
        layer = self.exit_at
        if layer is None:
            return logits_of(self.model)
        tiny = torch.finfo(torch.float32).tiny
        return lambda **batch: self.model.predict_exit(layer, **batch).float().clamp(min=tiny).log().unsqueeze(1)

    def averaged(self, logits: np.ndarray) -> np.ndarray:
        """Return the probabilities ``[pairs, classes]``, float64, of what ``answer`` gave."""
        heads = self.model.predicting if self.exit_at is None else [0]
        return average_probabilities(logits[:, heads].transpose(1, 0, 2))

    def _tokens(self, questions: list[str], passages: list[str]) -> Columns:
        """Tokenise pairs and count those that are cut; the first time, say so."""
        model = self.model
        columns, lost = encode_and_count(questions, passages, model.tokenizer, self.max_length, model.long)
        cut = sum(lost)
        if cut and not self.cut_pairs:
            log.warning(
                "%d of %d pairs are longer than the %d tokens that this model reads and lose text; this is "
                "logged once.",
                cut,
                len(questions),
                self.max_length,
            )
        self.cut_pairs += cut
        return columns


def check_exit(exit_at: int | None, layers: Sequence[int]) -> None:
    """Raise ModelError for a layer that has no early exit; ``layers`` are those that have one."""
    if exit_at is not None and exit_at not in layers:
        there = f"one of {list(layers)}" if layers else "of which this model has none"
        raise ModelError(
            f"exit_at: expected a layer with an early exit, {there}, got {exit_at}; student.exits is where a student "
            "gets them, and an export has none."
        )
