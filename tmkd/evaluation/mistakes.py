"""Where a scorer is most wrong: questions whose right passage stands low, or pairs that have little of their class."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from tmkd.evaluation.ensemble import scores_of
from tmkd.evaluation.metrics import per_question


@dataclass(frozen=True)
class WrongOrder:
    """A question whose passages are out of order: places of its best right passage and its best wrong one."""

    question: Hashable
    value: float
    right: int
    preferred: int


@dataclass(frozen=True)
class WrongClass:
    """A pair in the wrong class: its place, the class that it has been given, and the probability of its own."""

    pair: int
    answer: int
    value: float


def wrong_orders(
    probabilities_by_seed: Sequence[np.ndarray], labels: np.ndarray, question_ids: Sequence[Hashable], metric: str
) -> tuple[list[WrongOrder], int]:
    """Return the questions whose metric is below the best order's, the worst first, and how many can be ranked.

    Among equal values those come first whose wrong passage leads by more, then those that come first in the split.

    Args:
        probabilities_by_seed: one [pairs, classes] a seed; a question's value is the mean over seeds, and its passages
            are chosen by their mean probabilities.
        labels, question_ids: [pairs].
        metric: of a ranking.
    """
    each = [per_question(p, labels, question_ids, True, None, metric) for p in probabilities_by_seed]
    values = dict(zip(each[0][0], np.mean([found for _, found in each], axis=0)))
    classes = probabilities_by_seed[0].shape[1]
    best_orders = dict(zip(*per_question(np.eye(classes)[labels], labels, question_ids, True, None, metric)))
    scores = scores_of(np.mean(probabilities_by_seed, axis=0))  # probabilities near 1 would be equal
    relevant = labels == classes - 1
    best: dict[tuple[Hashable, bool], int] = {}
    for place, (question, right) in enumerate(zip(question_ids, relevant)):
        best_yet = best.setdefault((question, bool(right)), place)
        if scores[place] > scores[best_yet]:
            best[question, bool(right)] = place
    wrong = [
        WrongOrder(question, float(values[question]), best[question, True], best[question, False])
        for question in dict.fromkeys(question_ids)
        if question in values and values[question] < best_orders[question] - 1e-9
    ]
    wrong.sort(key=lambda one: (one.value, scores[one.right] - scores[one.preferred]))
    return wrong, len(values)


def wrong_classes(probabilities_by_seed: Sequence[np.ndarray], labels: np.ndarray) -> list[WrongClass]:
    """Return the pairs whose mean probabilities over seeds put them into another class, the worst first.

    Args:
        probabilities_by_seed, labels: as for ``wrong_orders``.
    """
    p = np.mean(probabilities_by_seed, axis=0)
    own, answers = p[np.arange(len(p)), labels], p.argmax(axis=1)
    wrong = np.flatnonzero(answers != labels)
    return [WrongClass(int(i), int(answers[i]), float(own[i])) for i in wrong[np.argsort(own[wrong], kind="stable")]]
