"""A row of the comparison with the classifiers that answer in it, and how each of their heads answers alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tmkd.report.facts import Head
from tmkd.store.artifacts import MODEL, Artifact
from tmkd.store.predictions import predictions

if TYPE_CHECKING:
    import numpy as np

    from tmkd.report.rows import Row


@dataclass(frozen=True)
class Answering:
    """A row with what it was computed from.

    Attributes:
        scores: one [pairs, classes] a seed.
        made: for each seed the classifiers whose probabilities are averaged.
        whole: it answers with all its heads, not from an exit.
    """

    row: Row
    scores: Sequence[np.ndarray]
    made: Sequence[Sequence[Artifact]]
    whole: bool


def heads(
    one: Answering, rows: Sequence[Answering], judge: Callable[[np.ndarray], dict[str, float]], metric: str
) -> list[Head]:
    """Return the heads of a row's students where several predict together, named by the rows of those that taught them.

    Args:
        rows: of the comparison.
        judge: returns the metrics of probabilities [pairs, classes].
    """
    from tmkd.evaluation.ensemble import average_probabilities
    from tmkd.report.rows import is_teacher, json_safe, over_seeds

    if is_teacher(one.row.arm) or not one.whole or any(len(members) > 1 for members in one.made):
        return []
    single = [each for each in rows if each.whole and all(len(members) == 1 for members in each.made)]
    names = {member.key: each.row.arm for each in single for [member] in each.made}
    values: dict[str, list[float]] = {}
    for [member] in one.made:
        logits, predicting = predictions(member, "test"), _predicting(member)
        if len(logits) != len(predicting) or len(predicting) < 2:
            return []
        for name, alone in zip(predicting, logits):
            values.setdefault(names.get(name, name), []).append(judge(average_probabilities([alone]))[metric])
    return [Head(one.row.arm, name, json_safe(over_seeds(found))) for name, found in values.items()]


def _predicting(member: Artifact) -> list[str]:
    """Return the names of the heads that predict."""
    file = member.path / MODEL / "classifier.json"
    if not file.exists():
        return []
    facts = json.loads(file.read_text(encoding="utf-8"))
    return [facts["heads"][place] for place in facts["predicting"]]
