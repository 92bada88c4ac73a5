"""What computes a batch: pairs become tokens in one thread, tokens become probabilities in another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from transformers import AutoTokenizer

from tmkd.choices import CUT
from tmkd.data.batching import Collator, encode_pairs
from tmkd.data.long_passages import whole_texts
from tmkd.export.exported import ExportedModel
from tmkd.models.classifier import PairClassifier
from tmkd.models.positions import positions_of
from tmkd.reranker import Reranker
from tmkd.training.predict import answered, to_device

CHARACTERS = 8  # for each token that a model reads: a text with more is looked at before it is paired
SPARE = 8  # tokens that a beginning has beyond those that are read, since its own end may be tokenised otherwise


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


class _Tokenising:
    def __init__(self, tokenizer: Any, max_length: int, long: str) -> None:
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.long = long

    def _encode(self, questions: list[str], passages: list[str]) -> tuple[dict[str, list[Any]], list[bool]]:
        """Return the columns of the pairs, and which of them are cut."""
        columns = encode_pairs(questions, passages, self.tokenizer, self.max_length, self.long)
        cut = [length >= self.max_length for length in columns["length"]]
        texts = list({text for at, full in enumerate(cut) if full for text in (questions[at], passages[at])})
        sizes = dict(zip(texts, map(len, whole_texts(texts, self.tokenizer))))
        room = self.max_length - (self.tokenizer.num_special_tokens_to_add(pair=True) or 2)  # 2: see encode_pairs
        pairs = enumerate(zip(questions, passages))
        return columns, [cut[at] and sizes[question] + sizes[passage] > room for at, (question, passage) in pairs]

    def _shown(self, questions: list[str], passages: list[str]) -> tuple[list[str], list[str]]:
        """Leave out of long texts what no pair has room for.

        Cutting a pair whose texts are both long takes tokenizers time and memory by the product of their lengths.
        """
        return self._begun(questions), self._begun(passages) if self.long == CUT else passages

    def _begun(self, texts: list[str]) -> list[str]:
        most = CHARACTERS * self.max_length
        long = list(dict.fromkeys(text for text in texts if len(text) > most)) if self.tokenizer.is_fast else []
        begun = dict(zip(long, self._first([text[:most] for text in long])))
        rest = [text for text, found in begun.items() if found is None]  # few tokens: long words, or spaces
        begun |= zip(rest, self._first(rest))
        return [begun.get(text) or text for text in texts]

    def _first(self, texts: list[str]) -> list[str | None]:
        """Return what has some more than ``max_length`` tokens of each text; None where it has no more."""
        if not texts:
            return []
        last = self.max_length + SPARE
        options = {"add_special_tokens": False, "return_attention_mask": False, "verbose": False}
        found = self.tokenizer(texts, **options)
        ends = (found.token_to_chars(at, last).start if len(found[at]) > last else None for at in range(len(texts)))
        return [None if end is None else text[:end] for text, end in zip(texts, ends)]

    def beginnings(self, texts: list[str], tokens: int) -> list[str]:
        ids = whole_texts(texts, self.tokenizer)
        long = [at for at, found in enumerate(ids) if len(found) > tokens]
        found = list(texts)
        for at in long:
            found[at] = self.tokenizer.decode(ids[at][:tokens])
        return found


class ClassifierEngine(_Tokenising):
    """A student or teacher of this package; scores as ``Reranker`` does."""

    def __init__(self, reranker: Reranker, model: PairClassifier) -> None:
        super().__init__(model.tokenizer, model.max_length, model.long)
        self.classes = reranker.classes
        self._reranker, self._model = reranker, model.eval()
        self._answer = reranker.answer(model)
        self._collate = Collator(model.tokenizer.pad_token_id, positions_of(model.encoder))

    def encode(self, questions: list[str], passages: list[str]) -> list[Pair]:
        questions, passages = self._shown(questions, passages)
        columns, cut = self._encode(questions, passages)
        lengths = columns.pop("length")
        rows = (dict(zip(columns, values)) for values in zip(*columns.values()))
        return [Pair(*each) for each in zip(rows, lengths, cut)]

    def probabilities(self, pairs: Sequence[Pair]) -> np.ndarray:
        runtime = self._reranker.runtime
        batch = to_device(self._collate([pair.row for pair in pairs]), runtime.device)
        return self._reranker.averaged(self._model, answered(self._answer, batch, runtime))


class ExportEngine(_Tokenising):
    """An export, run by the program that it is for, which has a tokenizer of its own: here tokens are counted only."""

    def __init__(self, model: ExportedModel) -> None:
        tokenizer = AutoTokenizer.from_pretrained(model.folder)
        super().__init__(tokenizer, tokenizer.model_max_length, CUT)
        self.classes = model.classes
        self._model = model

    def encode(self, questions: list[str], passages: list[str]) -> list[Pair]:
        questions, passages = self._shown(questions, passages)
        columns, cut = self._encode(questions, passages)
        return [Pair(*each) for each in zip(zip(questions, passages), columns["length"], cut)]

    def probabilities(self, pairs: Sequence[Pair]) -> np.ndarray:
        questions, passages = zip(*(pair.row for pair in pairs))
        return self._model.probabilities(questions, passages, len(pairs))


def engine_of(reranker: Reranker) -> Engine:
    """Return what computes as this reranker does."""
    model = reranker.model
    return ExportEngine(model) if isinstance(model, ExportedModel) else ClassifierEngine(reranker, model)
