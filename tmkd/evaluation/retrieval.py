"""How well passages are ordered: MAP, MRR, nDCG and recall of each question, all questions at once.

Passages are ordered by score. Among equal scores the less relevant come first (pessimistic), so that neither the order
of the rows nor a constant score is rewarded. trec_eval orders equal scores by document id instead, from the last in
the alphabet to the first, which is chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tmkd.errors import DataError
from tmkd.measures import cutoff


@dataclass(frozen=True)
class Ranked:
    """Passages question by question, the best first.

    Attributes:
        order: [pairs], their places in the arrays that were ranked.
        question: [pairs], which question each is of, from 0.
        rank: [pairs], from 1 in each question.
        gains: [pairs], how relevant each is; above 0 is right.
        starts: [questions], the place of each question's first passage.
    """

    order: np.ndarray
    question: np.ndarray
    rank: np.ndarray
    gains: np.ndarray
    starts: np.ndarray

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Return the sums [questions] of values [pairs]."""
        sums: np.ndarray = np.add.reduceat(values, self.starts)
        return sums


def ranked(scores: np.ndarray, gains: np.ndarray, question: np.ndarray) -> Ranked:
    """Order passages by score, and among equal scores the less relevant first.

    Args:
        scores, gains: [pairs].
        question: [pairs], numbers from 0, all of which occur.
    """
    order = np.lexsort((gains, -scores, question))
    question = question[order]
    starts = np.flatnonzero(np.diff(question, prepend=-1))
    rank = np.arange(len(order)) - starts[question] + 1
    return Ranked(order, question, rank, gains[order], starts)


def rankable(gains: np.ndarray, question: np.ndarray) -> np.ndarray:
    """Return which questions [questions] have two different gains, so that there is an order to be judged.

    With classes: a right and a wrong passage, the questions that WikiQA's authors judge (Yang et al., EMNLP 2015).

    Raises:
        DataError: a gain is negative or not a number, or no question can be ranked.
    """
    bad = np.flatnonzero(~(np.isfinite(gains) & (gains >= 0)))
    if len(bad):
        raise DataError(
            f"Metrics: expected labels that are finite and not negative where passages are ranked, got {gains[bad[0]]} "
            f"at row {bad[0]}; map them so that 0 is not relevant at all."
        )
    lowest = np.full(question.max() + 1, np.inf)
    highest = np.zeros(len(lowest))
    np.minimum.at(lowest, question, gains)
    np.maximum.at(highest, question, gains)
    differ: np.ndarray = lowest < highest
    if not differ.any():
        raise DataError(
            f"Metrics: none of the {len(differ)} questions has both a right and a wrong passage, so nothing can be "
            "ranked; choose a split with such questions, or declare the task as one without ranking."
        )
    return differ


def retrieval(
    scores: np.ndarray, gains: np.ndarray, question: np.ndarray, metrics: Sequence[str], exponential: bool = False
) -> np.ndarray:
    """Return metrics of each question that can be ranked [questions, metrics], fractions between 0 and 1.

    A passage is right where its gain is above 0. With R right ones of n:

    - ``map``: average precision, the mean over the right passages of the precision at their ranks;
    - ``mrr``: 1 / rank of the first right passage; ``mrr@k``: 0 where that is below rank k;
    - ``r@k``: recall, the share of the R right passages among the first k, as trec_eval's ``recall_k``;
    - ``ndcg``: Σ gain / log2(rank + 1), divided by that of the best order (Järvelin and Kekäläinen 2002);
      ``ndcg@k``: both sums over the first k ranks, as trec_eval's ``ndcg_cut_k``.

    Args:
        scores, gains, question: [pairs], as for ``ranked``, of questions that can all be ranked.
        exponential: nDCG's gain is 2^gain − 1 (Burges et al. 2005) instead of the gain itself, which is what trec_eval
            takes. Gains of 0 and 1 are the same in both.
    """
    made = ranked(scores, gains, question)
    right = made.gains > 0
    ideal = ranked(gains, gains, question)
    values = [_metric(name, made, ideal, right, exponential) for name in metrics]
    return np.stack(values, axis=1)


def _metric(metric: str, made: Ranked, ideal: Ranked, right: np.ndarray, exponential: bool) -> np.ndarray:
    name, most = cutoff(metric)
    seen = made.rank <= (most or np.inf)
    if name == "ndcg":
        found: np.ndarray = dcg(made, most, exponential) / dcg(ideal, most, exponential)
        return found
    if name == "r":
        recall: np.ndarray = made.sums((right & seen).astype(float)) / made.sums(right.astype(float))
        return recall
    if name == "mrr":
        first: np.ndarray = np.maximum.reduceat(np.where(right & seen, 1 / made.rank, 0.0), made.starts)
        return first
    before = np.cumsum(right)
    before -= (before - right)[made.starts][made.question]  # right ones at this rank or above, in the question
    precision: np.ndarray = made.sums(right * before / made.rank) / made.sums(right.astype(float))
    return precision


def dcg(made: Ranked, most: int | None, exponential: bool) -> np.ndarray:
    """Return the discounted cumulative gain of each question [questions], of its first ``most`` ranks or all."""
    gains = np.exp2(made.gains) - 1 if exponential else made.gains
    return made.sums(np.where(made.rank <= (most or np.inf), gains / np.log2(made.rank + 1), 0.0))
