"""Candidates as rerankers, and requests that are timed."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from datasets import Dataset

from tmkd.models.classifier import PairClassifier
from tmkd.models.exits import exit_parameters
from tmkd.reranker import Reranker
from tmkd.results.latency import Timer
from tmkd.training.runtime import resolve_runtime
from tmkd.use.candidate import Candidate, Model
from tmkd.use.judging import SEED


class Loader:
    """Loads candidates; those of one artifact share its weights."""

    def __init__(self, device: str) -> None:
        self.device = device
        self._weights: dict[Model, PairClassifier] = {}

    def load(self, candidate: Candidate) -> Reranker:
        """Return what answers as the candidate does (raises: as ``Reranker.from_pretrained``)."""
        model, threads = candidate.model, candidate.threads
        if candidate.precision is None:
            return Reranker.from_pretrained(
                model.folder, threads=threads, backend=candidate.backend, max_length=candidate.max_length
            )
        if model not in self._weights:
            self._weights[model] = model.untrained() if model.untrained else self._trained(model)
        runtime = resolve_runtime(device=self.device, precision=candidate.precision, threads=threads)
        return Reranker(self._weights[model], runtime, candidate.exit_at, max_length=candidate.max_length)

    def _trained(self, model: Model) -> PairClassifier:
        weights = Reranker.from_pretrained(model.folder, device=self.device).model
        assert isinstance(weights, PairClassifier)  # not an export, whose candidates have no precision
        return weights


def parameters(reranker: Reranker) -> int | None:
    """Return how many parameters answer, those of the layers above an exit left out; None: of an export."""
    model = reranker.model
    if not isinstance(model, PairClassifier):
        return None
    return model.parameter_count if reranker.exit_at is None else exit_parameters(model, reranker.exit_at)


def request(rows: Dataset, passages: int, number: int) -> tuple[str, list[str]]:
    """Return the question and the passages of a request, drawn from the rows of a split; the same at every call."""
    random = np.random.default_rng([SEED, number])
    asked = int(random.integers(len(rows)))
    chosen = random.choice(len(rows), passages, replace=passages > len(rows))
    return str(rows[asked]["question"]), list(rows[chosen.tolist()]["passage"])


def timer(loader: Loader, candidates: Sequence[Candidate], rows: Dataset, passages: int) -> Timer:
    """Return what times a request to one of the candidates, which are all in memory."""
    rerankers = [loader.load(candidate) for candidate in candidates]

    def timed(at: int, number: int) -> float:
        question, texts = request(rows, passages, number)
        pairs = [(question, text) for text in texts]
        torch.set_num_threads(candidates[at].threads)
        started = time.perf_counter()
        rerankers[at].predict(pairs)
        return time.perf_counter() - started

    return timed


@contextmanager
def quietly() -> Iterator[None]:
    """Keep rerankers from warning of each length that cuts pairs, and leave the number of threads as it was."""
    log = logging.getLogger("tmkd.reranker")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with same_threads():
            yield
    finally:
        log.setLevel(level)


@contextmanager
def same_threads() -> Iterator[None]:
    """Leave the number of threads as it was."""
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
