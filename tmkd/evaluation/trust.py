"""How much each teacher counts for a kind of question: weights that are learnt on validation labels.

CA-MKD (Zhang et al., ICASSP 2022) weighs the teachers of each training pair by how near they are to its gold label, and
so needs one. Here the labels of validation say which teacher is right on which group of questions, a source or a
question type, so that pairs without a label have weights too.

How the weights are found is in ``tmkd.evaluation.stacking``. Teachers must be on one scale first
(``tmkd.evaluation.calibration``).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import log_softmax

from tmkd.errors import DataError
from tmkd.evaluation.stacking import FOLDS, stack


@dataclass(frozen=True)
class Trust:
    """Weights of teachers, none negative, that sum to 1.

    Attributes:
        overall: [teachers], of all validation pairs.
        groups: names, sorted.
        by_group: [groups, teachers].
        strengths: λ of the overall weights, and of the groups'.
        pairs: how many validation pairs they were learnt from: those that all teachers have scored.
        sizes: [groups], how many of these each group has; empty: an earlier version did not count them.
    """

    overall: tuple[float, ...]
    groups: tuple[str, ...]
    by_group: tuple[tuple[float, ...], ...]
    strengths: tuple[float, float]
    pairs: int
    sizes: tuple[int, ...] = ()

    @classmethod
    def fit(
        cls, logits: np.ndarray, labels: np.ndarray, groups: Sequence[str], question_ids: Sequence[Hashable]
    ) -> Trust:
        """Learn weights on validation pairs.

        Args:
            logits: [teachers, pairs, classes], calibrated; NaN in all classes: no score. Such a pair is left out.
            labels: [pairs], indices of classes.
            groups: [pairs], the group's name; '': the pair's group is too small for weights of its own, and counts for
                the overall weights alone.
            question_ids: [pairs].

        Raises:
            DataError: other shapes, or fewer than ``FOLDS`` questions that all teachers have scored.
        """
        logits, labels = np.asarray(logits, dtype=np.float64), np.asarray(labels)
        if logits.ndim != 3 or not logits.shape[1] == len(labels) == len(groups) == len(question_ids):
            raise DataError(
                "Weights of teachers: expected logits [teachers, pairs, classes] with a label, a group and a question "
                f"id for each pair, but found shapes {logits.shape}, {labels.shape}, {[len(groups)]} and "
                f"{[len(question_ids)]}; take all from the same split."
            )
        if not np.isin(labels, range(logits.shape[2])).all():
            raise DataError(
                f"Weights of teachers: expected labels from 0 to {logits.shape[2] - 1}, but found {labels.min()} to "
                f"{labels.max()}; take labels and logits of one task."
            )
        scored = ~np.isnan(logits).any(axis=(0, 2))
        numbers = {question: number for number, question in enumerate(dict.fromkeys(question_ids))}
        question = np.array([numbers[each] for each in question_ids], dtype=int)[scored]
        if (found := len(np.unique(question))) < FOLDS:
            raise DataError(
                f"Weights of teachers: expected at least {FOLDS} validation questions with pairs that all teachers "
                f"have scored, but found {found}; score more of the validation split, or give all teachers equal "
                "weights."
            )
        own = log_softmax(logits[:, scored], axis=-1)[:, np.arange(scored.sum()), labels[scored]].T
        likelihoods = np.exp(own - own.max(axis=1, keepdims=True))  # what a pair's teachers share moves no weight
        names, group, sizes = np.unique(np.asarray(groups, dtype=str)[scored], return_inverse=True, return_counts=True)
        overall, by_group, strengths = stack(likelihoods, group, question)
        grouped = names != ""
        return cls(
            tuple(overall.tolist()),
            tuple(names[grouped].tolist()),
            tuple(tuple(weights.tolist()) for weights in by_group[grouped]),
            strengths,
            len(likelihoods),
            tuple(sizes[grouped].tolist()),
        )

    def weights(self, groups: Sequence[str]) -> np.ndarray:
        """Return the weights [pairs, teachers], float32, of pairs by their groups' names.

        A group that validation does not have gets the overall weights: nothing is known of it but the prior.
        """
        known = dict(zip(self.groups, self.by_group, strict=True))
        rows = [known.get(group, self.overall) for group in groups]
        return np.array(rows, dtype=np.float32).reshape(-1, len(self.overall))

    def to_json(self) -> dict[str, Any]:
        """Return the weights as JSON's types; ``from_json`` gives equal ones, bit by bit."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Trust:
        """Return the weights of ``to_json``."""
        overall, groups, (first, second) = fields["overall"], fields["groups"], fields["strengths"]
        by_group = tuple(tuple(weights) for weights in fields["by_group"])
        sizes = tuple(fields.get("sizes", ()))
        return cls(tuple(overall), tuple(groups), by_group, (first, second), fields["pairs"], sizes)
