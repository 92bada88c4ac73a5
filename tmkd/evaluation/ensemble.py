"""Many scorers, one prediction: the mean of their probabilities, or of their scores; and how near to it another is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import log_softmax, logsumexp, rel_entr, softmax

from tmkd.errors import DataError
from tmkd.evaluation.correlation import spearman


def average_probabilities(logits: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """Average the members' probabilities, not their logits (Yang et al., WSDM 2020).

    Members are the heads of one student, the students of m-o-m, or the teachers of an ensemble. One logit a pair is a
    score, which has no probability: scores are averaged as they are.

    Args:
        logits: [members, pairs, classes], or a sequence of members [pairs, classes]; before softmax.

    Returns:
        [pairs, classes] in float64, rows that sum to 1; of one logit [pairs, 1], mean scores.

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
    stacked = np.stack(members)
    mean: np.ndarray = (stacked if stacked.shape[-1] == 1 else softmax(stacked, axis=-1)).mean(axis=0)
    return mean


def log_odds(probabilities: np.ndarray) -> np.ndarray:
    """Return the log-odds of each class against all others, finite for 0 and 1 too.

    The others' probabilities are added up, since 1 − p is 0 from log-odds of 37 on: passages of which a teacher is sure
    would be equal. This way their order is kept up to log-odds of 708.

    Args:
        probabilities: ``[pairs, classes]``, two classes or more.

    Returns:
        ``[pairs, classes]``, float64.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    others = np.stack([np.delete(p, at, axis=1).sum(axis=1) for at in range(p.shape[1])], axis=1)
    tiny = np.finfo(np.float64).tiny
    odds: np.ndarray = np.log(np.maximum(p, tiny)) - np.log(np.maximum(others, tiny))
    return odds


def scores_of(probabilities: np.ndarray) -> np.ndarray:
    """Return the scores ``[pairs]``, float64, of ``[pairs, classes]``: log-odds of the last class, or the only one."""
    scores: np.ndarray = (probabilities if probabilities.shape[1] == 1 else log_odds(probabilities))[:, -1]
    return scores


def teaching_logits(logits: np.ndarray, normalised: bool = False) -> np.ndarray:
    """Return what a classifier teaches, as logits: of one head its own; of several the log of their mean probability,
    or their mean score where each has one logit.

    So a student teaches what it predicts. Logits of one head are not brought to that form, since a squared error of
    logits sees the constant that a softmax does not.

    Args:
        logits: of the predicting heads, ``[pairs, heads, classes]``.
        normalised: bring those of one head to the form of several, the logs of probabilities.

    Returns:
        ``[pairs, classes]``, float32.
    """
    if logits.shape[1] == 1 and not normalised:
        return logits[:, 0]
    if logits.shape[-1] == 1:
        score: np.ndarray = logits.astype(np.float64).mean(axis=1).astype(np.float32)
        return score
    log_p = log_softmax(logits.astype(np.float64), axis=-1)
    mean: np.ndarray = logsumexp(log_p, axis=1) - np.log(logits.shape[1])
    return mean.astype(np.float32)


def fidelity(probabilities: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """Say how near a student's predictions are to its teachers', right or wrong (Stanton et al., NeurIPS 2021).

    A student that is far from them has not learnt what they teach; one that is near and still scores low has learnt
    what they do not know.

    Args:
        probabilities, reference: [pairs, classes] of the same pairs; the reference is the teachers' ensemble.

    Returns:
        agreement: the share of pairs that both put into the same class.
        divergence: the mean of KL(reference ‖ probabilities) over pairs, in nats.

        Of scores, [pairs, 1], instead:
        correlation: Spearman's, of all pairs.
        distance: the mean squared difference.

    Raises:
        DataError: shapes that differ.
    """
    p, q = np.asarray(reference, dtype=np.float64), np.asarray(probabilities, dtype=np.float64)
    if p.ndim != 2 or p.shape != q.shape or not len(p):
        raise DataError(
            "Fidelity: expected two predictions [pairs, classes] of the same pairs, but found shapes "
            f"{q.shape} and {p.shape}; score the same split with both."
        )
    if p.shape[1] == 1:
        return {"correlation": spearman(q[:, 0], p[:, 0]), "distance": float(((q - p) ** 2).mean())}
    # float64 holds probabilities down to e^-708; below that one is 0, and would make the mean infinite
    divergence = rel_entr(p, np.maximum(q, np.finfo(np.float64).tiny)).sum(axis=1)
    return {
        "agreement": float(np.mean(p.argmax(axis=1) == q.argmax(axis=1))),
        "divergence": float(divergence.mean()),
    }
