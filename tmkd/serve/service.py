"""One model that is served: limits, then tokens, then batches."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from tmkd.data.given import HALF, half_a_character
from tmkd.errors import ModelError, TmkdError
from tmkd.evaluation.ensemble import scores_of
from tmkd.models.hub import first_sentence
from tmkd.reranker import Reranker
from tmkd.serve.batcher import Batcher
from tmkd.serve.engine import Pair, engine_of
from tmkd.serve.limits import Limits
from tmkd.serve.metrics import Metrics
from tmkd.serve.refusals import BACKEND, EMPTY, OVERLOADED, TOKENIZER, VALIDATION, Refusal

log = logging.getLogger(__name__)
CHUNK = 128  # pairs tokenised before another request has its turn


@dataclass(frozen=True)
class Scored:
    """Attributes: probabilities ``[pairs, classes]``, tokens that were read, pairs that lost text."""

    probabilities: np.ndarray
    tokens: int
    cut: int

    def last(self, raw: bool = False) -> np.ndarray:
        """Return ``[pairs]`` of the last class, which means "right": the probability, or raw, the log-odds. Of a model
        that learnt grades or numbers it is the score in both cases."""
        right: np.ndarray = scores_of(self.probabilities) if raw else self.probabilities[:, -1]
        return right

    def order(self) -> list[int]:
        """Return the places in order, the best first; of equals, the one that came first. It is the library's order:
        probabilities near 1 are equal where log-odds are not."""
        order: list[int] = np.argsort(-scores_of(self.probabilities), kind="stable").tolist()
        return order


class Service:
    """Scores pairs for many requests at once. It is made once the model has scored a few, so the first request is fast.

    Args:
        name: what clients know the model by.

    Raises:
        ModelError: the model cannot score them.
    """

    def __init__(self, name: str, reranker: Reranker, limits: Limits, metrics: Metrics) -> None:
        self.name, self.limits = name, limits
        self.runtime = reranker.runtime
        self.engine = engine_of(reranker)
        self.batch_pairs = limits.batch_pairs or reranker.runtime.score_batch
        self._metrics = metrics
        self._pending = 0
        self._tokeniser = ThreadPoolExecutor(1, "tokens")
        full = min(self.batch_pairs, self.runtime.score_batch)
        try:
            first = self._tokeniser.submit(self.engine.encode, ["question"] * full, ["passage"] * full).result()
            self._batcher = Batcher(
                self.engine.probabilities,
                len(self.engine.classes),
                self.batch_pairs,
                limits.batch_tokens,
                metrics,
                (first[:1], first),
            )
            self._batcher.warm.result()
        except Exception as error:
            why = str(error) if isinstance(error, TmkdError) else first_sentence(error)
            raise ModelError(
                f"{name}: expected it to score a short pair, then {full} at once, before it is served, but it failed; "
                f"serve another model, or make this one again: {why}"
            ) from error

    @property
    def healthy(self) -> bool:
        return self._batcher.works

    async def score(
        self, questions: list[str], passages: list[str], truncate: bool = True, passage_tokens: int | None = None
    ) -> Scored:
        """Score pairs.

        Args:
            truncate: cut pairs that are too long; else refuse them.
            passage_tokens: read no more of each passage.

        Raises:
            Refusal: more than the limits allow, too long a pair, or a failure of the model.
        """
        self._check(questions, passages)
        self._count(len(questions))
        try:
            pairs = await self._encode(questions, passages, passage_tokens)
            cut = [at for at, pair in enumerate(pairs) if pair.cut]
            if cut and not truncate:
                limit = f"{self.engine.max_length} tokens that the model reads; send truncate=true to have it cut"
                raise Refusal(VALIDATION, f"Pair {cut[0]} is longer than the {limit}.")
            probabilities = await asyncio.wrap_future(self._batcher.put(pairs))
        except (Refusal, asyncio.CancelledError):
            raise
        except Exception:  # the batcher has logged it
            raise Refusal(BACKEND, "The model failed to score this request.") from None
        finally:
            self._count(-len(questions))
        tokens = sum(pair.tokens for pair in pairs)
        self._metrics.scored(len(pairs), tokens, len(cut))
        return Scored(probabilities, tokens, len(cut))

    def close(self) -> None:
        """End the threads once all requests are answered."""
        self._tokeniser.shutdown(cancel_futures=True)
        self._batcher.close()

    def _check(self, questions: list[str], passages: list[str]) -> None:
        limits = self.limits
        if not questions:
            raise Refusal(EMPTY, "Expected at least one text to score, but there is none.")
        if len(questions) > limits.texts:
            raise Refusal(VALIDATION, f"{len(questions)} texts are more than the {limits.texts} of one request.")
        size = sum(map(len, questions)) + sum(map(len, passages))
        if size > limits.characters:
            raise Refusal(
                VALIDATION,
                f"{size} characters are more than the {limits.characters} of one request (the question counts once for "
                "each text); send fewer texts at once, or a shorter question.",
            )
        for text in {*questions, *passages}:
            if half_a_character(text):
                sentence = f"A text has {HALF} ({text!a:.40}); cut texts between characters."
                raise Refusal(TOKENIZER, sentence)
        if self._pending and self._pending + len(questions) > limits.queue:
            raise Refusal(OVERLOADED, "The queue is full; try again later.")

    def _count(self, pairs: int) -> None:
        self._pending += pairs
        self._metrics.queue.inc(pairs)

    async def _encode(self, questions: list[str], passages: list[str], most: int | None) -> list[Pair]:
        def encode(part: slice) -> list[Pair]:
            if most is None:
                return self.engine.encode(questions[part], passages[part])
            shown = self.engine.beginnings(passages[part], most)
            pairs = self.engine.encode(questions[part], shown)
            lost = [text != whole for text, whole in zip(shown, passages[part], strict=True)]
            return [replace(pair, cut=pair.cut or less) for pair, less in zip(pairs, lost, strict=True)]

        pairs: list[Pair] = []
        for start in range(0, len(questions), CHUNK):
            pairs += await self._tokenising(encode, slice(start, start + CHUNK))
        return pairs

    async def _tokenising(self, encode: Callable[[slice], list[Pair]], part: slice) -> list[Pair]:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._tokeniser, encode, part)
        except Exception:
            log.exception("Texts could not be tokenised.")
            raise Refusal(TOKENIZER, "The texts could not be turned into tokens.") from None
