"""The questions that a row answers worst, with their texts and what each teacher makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tmkd.data.schema import parts_of
from tmkd.measures import of_ranking
from tmkd.report.facts import Mistake, Mistakes

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset

MOST = 10


def worst_mistakes(
    row: str,
    scores: Mapping[str, Sequence[np.ndarray]],
    test: Dataset,
    classes: Sequence[str],
    ranking: bool,
    metric: str,
) -> Mistakes:
    """Return the worst mistakes of a row.

    Args:
        scores: probabilities [pairs, classes] a seed, of the row and of those that are to be quoted beside it.
        test: the rows that were scored.
        metric: what the task is judged by; MAP ranks questions where that is no metric of a ranking.
    """
    import numpy as np

    from tmkd.evaluation.mistakes import wrong_classes, wrong_orders

    labels, means = np.asarray(test["label"]), {name: np.mean(each, axis=0) for name, each in scores.items()}

    def said(first: tuple[int, int], second: tuple[int, int]) -> dict[str, tuple[float | None, float | None]]:
        return {name: (_finite(p[first]), _finite(p[second])) for name, p in means.items()}

    if not ranking:
        wrong = wrong_classes(scores[row], labels)
        found = []
        for one in wrong[:MOST]:
            pair, label = test[one.pair], int(labels[one.pair])
            found.append(
                Mistake(
                    str(pair["question_id"]),
                    pair["question"],
                    one.value,
                    pair["passage"],
                    None,
                    classes[label],
                    classes[one.answer],
                    said((one.pair, label), (one.pair, one.answer)),
                )
            )
        return Mistakes(row, "probability", len(wrong), len(labels), found)
    by = metric if of_ranking(metric) else "map"
    parts = parts_of(test)  # in which ids may be the same
    ids = list(test["question_id"]) if parts is None else list(zip(parts, test["question_id"]))
    orders, judged = wrong_orders(scores[row], labels, ids, by)
    found = []
    for order in orders[:MOST]:
        right, preferred = test[order.right], test[order.preferred]
        found.append(
            Mistake(
                str(right["question_id"]),
                right["question"],
                order.value,
                right["passage"],
                preferred["passage"],
                None,
                None,
                said((order.right, -1), (order.preferred, -1)),
            )
        )
    return Mistakes(row, by, len(orders), judged, found)


def _finite(value: np.floating) -> float | None:
    return float(value) if value == value else None
