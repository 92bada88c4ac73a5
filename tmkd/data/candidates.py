"""The search engine: BM25 finds the passages that share rare words with a question."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from tqdm.auto import tqdm

from tmkd.data.words import ENGLISH, Words
from tmkd.errors import DataError

log = logging.getLogger(__name__)
PROGRESS_FROM = 20_000  # questions; fewer are done before a progress bar is worth reading


def top_candidates(questions: Sequence[str], passages: Sequence[str], k: int, words: Words = ENGLISH) -> np.ndarray:
    """Return for each question the indices of its ``k`` best passages, best first; among equals the first one wins.

    There are fewer than ``k`` columns if there are fewer passages.

    Raises:
        DataError: no question shares a word with a passage.
        ConfigError: see ``Words``.
    """
    import bm25s

    k = min(k, len(passages))
    engine = bm25s.BM25()
    indexed = words.read(passages)
    if not any(indexed):
        _nothing_found(len(questions), len(questions))
    engine.index(indexed, show_progress=False)
    asked = words.read(questions)
    best = np.empty((len(asked), k), dtype=np.int64)
    without = 0
    bar = tqdm(asked, desc="BM25 candidates", unit=" questions", leave=False, disable=len(asked) < PROGRESS_FROM)
    for row, question in enumerate(bar):
        scores = engine.get_scores_from_ids(engine.get_tokens_ids(question))
        without += not scores.any()
        best[row] = best_of(scores, k)
    if without:
        _nothing_found(without, len(questions))
    return best


def _nothing_found(without: int, questions: int) -> None:
    found = f"{without} of {questions} questions share no word with any passage"
    if without == questions:
        raise DataError(
            f"BM25: {found}; texts without spaces between words (Chinese, Japanese) are found by runs of characters: "
            "set corpus.characters=2."
        )
    log.warning("BM25: %s; their candidates are the first passages", found)


def nearest(questions: np.ndarray, passages: np.ndarray, k: int) -> np.ndarray:
    """Return for each question the indices of the ``k`` passages of the highest dot product, as ``top_candidates``.

    Args:
        questions, passages: vectors [texts, width].
    """
    k = min(k, len(passages))
    best = np.empty((len(questions), k), dtype=np.int64)
    for row, question in enumerate(questions):
        best[row] = best_of(passages @ question, k)
    return best


def best_of(scores: np.ndarray, k: int) -> np.ndarray:
    """Return the places of the ``k`` highest of the scores [passages], the highest first; of equals the first one."""
    # bm25s' own top-k leaves the order of equal scores to numpy's partition, which may differ between versions.
    contenders = np.flatnonzero(scores >= np.partition(scores, -k)[-k])
    return contenders[np.argsort(-scores[contenders], kind="stable")][:k]
