"""The search engine: BM25 finds the passages that share rare words with a question."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tqdm.auto import tqdm

PROGRESS_FROM = 20_000  # questions; fewer are done before a progress bar is worth reading


def top_candidates(questions: Sequence[str], passages: Sequence[str], k: int) -> np.ndarray:
    """Return for each question the indices of its ``k`` best passages, best first; among equals the first one wins.

    There are fewer than ``k`` columns if there are fewer passages.
    """
    import bm25s

    k = min(k, len(passages))
    engine = bm25s.BM25()
    engine.index(bm25s.tokenize(list(passages), show_progress=False), show_progress=False)
    words = bm25s.tokenize(list(questions), return_ids=False, show_progress=False)
    best = np.empty((len(words), k), dtype=np.int64)
    bar = tqdm(words, desc="BM25 candidates", unit=" questions", leave=False, disable=len(words) < PROGRESS_FROM)
    for row, question in enumerate(bar):
        best[row] = _best(engine.get_scores_from_ids(engine.get_tokens_ids(question)), k)
    return best


def _best(scores: np.ndarray, k: int) -> np.ndarray:
    # bm25s' own top-k leaves the order of equal scores to numpy's partition, which may differ between versions.
    contenders = np.flatnonzero(scores >= np.partition(scores, -k)[-k])
    return contenders[np.argsort(-scores[contenders], kind="stable")][:k]
