"""The search engine: BM25 finds the passages that share rare words with a question."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from tqdm.auto import tqdm

from tmkd.errors import DataError

log = logging.getLogger(__name__)
PROGRESS_FROM = 20_000  # questions; fewer are done before a progress bar is worth reading


def top_candidates(questions: Sequence[str], passages: Sequence[str], k: int) -> np.ndarray:
    """Return for each question the indices of its ``k`` best passages, best first; among equals the first one wins.

    There are fewer than ``k`` columns if there are fewer passages.

    Raises:
        DataError: no question shares a word with a passage; words are runs of two letters or more without English
            stop words, which texts without spaces do not have.
    """
    import bm25s

    k = min(k, len(passages))
    engine = bm25s.BM25()
    indexed = bm25s.tokenize(list(passages), show_progress=False)
    if not any(len(found) for found in indexed.ids):
        _nothing_found(len(questions), len(questions))
    engine.index(indexed, show_progress=False)
    words = bm25s.tokenize(list(questions), return_ids=False, show_progress=False)
    best = np.empty((len(words), k), dtype=np.int64)
    without = 0
    bar = tqdm(words, desc="BM25 candidates", unit=" questions", leave=False, disable=len(words) < PROGRESS_FROM)
    for row, question in enumerate(bar):
        scores = engine.get_scores_from_ids(engine.get_tokens_ids(question))
        without += not scores.any()
        best[row] = _best(scores, k)
    if without:
        _nothing_found(without, len(questions))
    return best


def _nothing_found(without: int, questions: int) -> None:
    found = f"{without} of {questions} questions share no word with any passage"
    if without == questions:
        raise DataError(f"BM25: {found}; texts without spaces between words cannot be searched: give pairs instead.")
    log.warning("BM25: %s; their candidates are the first passages", found)


def _best(scores: np.ndarray, k: int) -> np.ndarray:
    # bm25s' own top-k leaves the order of equal scores to numpy's partition, which may differ between versions.
    contenders = np.flatnonzero(scores >= np.partition(scores, -k)[-k])
    return contenders[np.argsort(-scores[contenders], kind="stable")][:k]
