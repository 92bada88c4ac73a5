"""What a raw score is, and how it becomes a margin: the log-odds of "relevant", which students learn from.

A monotone calibration, fitted on validation, may come after it; it needs no more than the order of the scores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tmkd.errors import ModelError

if TYPE_CHECKING:
    import numpy as np

SCALES = ("margin", "probability")
CLIPPED = 1e-6  # probabilities nearer to 0 or 1 than this are clipped: ±13.8 as a margin


def to_margins(scores: np.ndarray, scale: str, what: str) -> np.ndarray:
    """Return scores as margins, NaN where they are.

    Args:
        scores: ``[pairs]``, as the server gave them.
        scale: "margin": they are left as they are; "probability": log p/(1 - p).
        what: the teacher, for the message.

    Raises:
        ModelError: a score that should be a probability is none.
    """
    import numpy as np
    from scipy.special import logit

    if scale == "margin":
        return scores
    wrong = scores[(scores < 0) | (scores > 1)]
    if len(wrong):
        raise ModelError(
            f"{what}: expected scores from 0 to 1, got {wrong[0]:g}; set scale: margin for a model whose scores are no "
            "probabilities."
        )
    margins: np.ndarray = logit(np.clip(scores, CLIPPED, 1 - CLIPPED))
    return margins
