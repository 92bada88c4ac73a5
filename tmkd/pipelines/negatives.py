"""A teacher's judgement of the candidates, question by question: which are negatives, and which are likely right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

from tmkd.config import MineConfig
from tmkd.data.rows import rows_of
from tmkd.evaluation.negatives import hardest
from tmkd.results.candidates import Labelled

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset

SCORE = "score"
SHOWN = 3  # dropped candidates that are kept to be shown


@dataclass
class Negatives:
    """A question's mined negatives.

    Attributes:
        kept: rows of the candidates, hardest first, each with its ``score``.
        likely_right: likewise the highest of those that are dropped, ``SHOWN`` at most.
        found, dropped: how many there were, and how many of them are dropped.
    """

    kept: list[dict[str, Any]] = field(default_factory=list)
    likely_right: list[dict[str, Any]] = field(default_factory=list)
    found: int = 0
    dropped: int = 0


def judge(
    mine: MineConfig, own: Mapping[str, Labelled], train: np.ndarray, candidates: Dataset, scores: np.ndarray
) -> dict[str, Negatives]:
    """Return the negatives of each question that has a right passage with a score.

    Args:
        train, scores: probabilities of the training pairs and of the candidates, ``[pairs]``.
    """
    import numpy as np

    right = {question: train[each.right][~np.isnan(train[each.right])] for question, each in own.items() if each.right}
    mined = {question: Negatives() for question, known in right.items() if len(known)}
    scored = ({**row, SCORE: float(score)} for row, score in zip(rows_of(candidates), scores) if not np.isnan(score))
    for question, group in groupby(scored, key=lambda row: row["question"]):
        if question in mined:
            rows = list(group)
            probabilities = np.array([row[SCORE] for row in rows])
            judged = hardest(right[question], probabilities, keep=mine.keep, below=mine.below, margin=mine.margin)
            shown = sorted(judged.dropped, key=lambda at: -probabilities[at])[:SHOWN]
            kept, likely = ([rows[at] for at in some] for some in (judged.kept, shown))
            mined[question] = Negatives(kept, likely, len(rows), len(judged.dropped))
    return mined
