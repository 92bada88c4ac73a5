"""Which candidates are hard negatives, and which are likely right after all: positive-aware mining.

Moreira et al., NV-Retriever: Improving text embedding models with effective hard-negative mining, arXiv 2407.15831.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Judged:
    """Indices of a question's candidates.

    Attributes:
        kept: the hardest negatives, hardest first.
        dropped: those that are likely right, in the order of the candidates.
    """

    kept: list[int]
    dropped: list[int]


def hardest(
    right: np.ndarray, candidates: np.ndarray, *, keep: int, below: float | None, margin: float | None
) -> Judged:
    """Return the hardest candidates that are clearly less relevant than every right passage.

    With s the lowest score of a right passage, a candidate is kept only under all thresholds that are set: ``below`` ×
    s (TopK-PercPos, best at 0.95 in the paper) and s − ``margin`` (TopK-MarginPos). In the paper a question has one
    right passage, and scores are similarities of a bi-encoder; here they are a teacher's probabilities.

    Args:
        right: probabilities of a question's right passages, [right].
        candidates: those of its candidates, [candidates].
        keep: as many at most; of equal candidates the first.
        below: a share of the right passage's probability; None: no such threshold.
        margin: likewise, a difference.
    """
    lowest = float(right.min())
    limit = min(np.inf if below is None else below * lowest, np.inf if margin is None else lowest - margin)
    order = np.argsort(-candidates, kind="stable")
    kept = [int(at) for at in order if candidates[at] < limit][:keep]
    return Judged(kept, np.flatnonzero(candidates >= limit).tolist())
