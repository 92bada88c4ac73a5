"""What computes a batch: pairs become tokens in one thread, tokens become probabilities in another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from transformers import AutoTokenizer

from tmkd.choices import CUT
from tmkd.data.batching import Collator
from tmkd.errors import ModelError
from tmkd.export.exported import ExportedModel
from tmkd.models.positions import positions_of
from tmkd.reranker import Reranker
from tmkd.reranker.scorer import ClassifierScorer
from tmkd.serve.tokens import Tokenising
from tmkd.training.predict import answered, to_device


@dataclass(frozen=True)
class Pair:
    """A question and a passage, ready to be computed.

    Attributes:
        row: what the engine computes with.
        tokens: how many it reads.
        cut: whether there are more.
    """

    row: Any
    tokens: int
    cut: bool


class Engine(Protocol):
    """A model. Only one thread may call ``encode`` and ``beginnings``, and only one ``probabilities``."""

    classes: tuple[str, ...]
    max_length: int

    def encode(self, questions: list[str], passages: list[str]) -> list[Pair]:
        """Return the pairs, cut to ``max_length``."""

    def beginnings(self, texts: list[str], tokens: int) -> list[str]:
        """Return the first ``tokens`` tokens of each text, as text."""

    def probabilities(self, pairs: Sequence[Pair]) -> np.ndarray:
        """Return ``[pairs, classes]``, float64, computed as one batch; TmkdError where they are no numbers."""


class ClassifierEngine(Tokenising):
    """A student or teacher of this package; scores as ``Reranker`` does."""

    def __init__(self, scorer: ClassifierScorer) -> None:
        model = scorer.model
        super().__init__(model.tokenizer, scorer.max_length, model.long)
        self.classes = scorer.classes
        self._scorer = scorer
        self._answer = scorer.answer()
        self._collate = Collator(model.tokenizer.pad_token_id, positions_of(model.encoder))

    def encode(self, questions: list[str], passages: list[str]) -> list[Pair]:
        columns, cut = self.columns(questions, passages)
        lengths = columns.pop("length")
        rows = (dict(zip(columns, values)) for values in zip(*columns.values()))
        return [Pair(*each) for each in zip(rows, lengths, cut)]

    def probabilities(self, pairs: Sequence[Pair]) -> np.ndarray:
        runtime = self._scorer.runtime
        batch = to_device(self._collate([pair.row for pair in pairs]), runtime.device)
        return self._scorer.averaged(answered(self._answer, batch, runtime))


class ExportEngine(Tokenising):
    """An export, run by the program that it is for, which has a tokenizer of its own: here tokens are counted only."""

    def __init__(self, model: ExportedModel) -> None:
        tokenizer = AutoTokenizer.from_pretrained(model.folder)
        super().__init__(tokenizer, model.max_length, CUT)
        self.classes = model.classes
        self._model = model

    def encode(self, questions: list[str], passages: list[str]) -> list[Pair]:
        columns, cut = self.columns(questions, passages)
        return [Pair(*each) for each in zip(zip(questions, passages), columns["length"], cut)]

    def probabilities(self, pairs: Sequence[Pair]) -> np.ndarray:
        questions, passages = zip(*(pair.row for pair in pairs))
        found = self._model.probabilities(questions, passages, len(pairs))
        if not np.isfinite(found).all():
            raise ModelError(f"{self._model.folder}: its scores are not finite (NaN or infinite numbers).")
        return found


def engine_of(reranker: Reranker) -> Engine:
    """Return what computes as this reranker does."""
    scorer = reranker.scorer
    return ExportEngine(scorer) if isinstance(scorer, ExportedModel) else ClassifierEngine(scorer)
