"""From what a model says of pairs to scores, and to passages in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tmkd.evaluation.ensemble import scores_of


def ranked(
    probabilities: np.ndarray,
    documents: Sequence[str],
    top_k: int | None,
    return_documents: bool,
    calibrate: Callable[[np.ndarray], np.ndarray] | None,
) -> list[dict[str, Any]]:
    """Return the rows of ``Reranker.rank``, the best first; of equals, the one that came first.

    Args:
        probabilities: of the documents, ``[documents, classes]``.
        calibrate: maps them to calibrated ones, which become ``probability``; None: there is no such field.
    """
    scores = scores_of(probabilities)
    calibrated = calibrate(probabilities)[:, -1] if calibrate and len(scores) else scores
    rows = []
    for at in np.argsort(-scores, kind="stable")[:top_k].tolist():
        row: dict[str, Any] = {"corpus_id": at, "score": float(scores[at])}
        row |= {"probability": float(calibrated[at])} if calibrate else {}
        rows.append(row | ({"text": documents[at]} if return_documents else {}))
    return rows
