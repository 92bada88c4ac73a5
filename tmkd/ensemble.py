"""Many scorers, one prediction: the mean of their probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import softmax

from tmkd.errors import DataError


def average_probabilities(logits: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """Average the members' probabilities, not their logits (Yang et al., WSDM 2020).

    Members are the heads of one student, the students of m-o-m, or the teachers of an ensemble.

    Args:
        logits: [members, pairs, classes], or a sequence of members [pairs, classes]; before softmax.

    Returns:
        [pairs, classes] in float64, rows that sum to 1.

    Raises:
        DataError: no members, or members with other shapes.
    """
    members = [np.asarray(member, dtype=np.float64) for member in logits]
    shapes = [member.shape for member in members]
    if not members or len(shapes[0]) != 2 or len(set(shapes)) > 1:
        raise DataError(
            "Ensemble: expected one or more members that all score the same pairs into the same classes "
            f"[pairs, classes], but found shapes {shapes}; score the same split with every member."
        )
    return softmax(np.stack(members), axis=-1).mean(axis=0)
