"""Metrics by name: what a task can be judged by, and what tables call it. ``ndcg@10`` is nDCG cut at rank 10."""

from __future__ import annotations

import re
from collections.abc import Collection

from tmkd.choices import CLASSES, GRADED

TITLES = {
    "map": "MAP", "mrr": "MRR", "ndcg": "nDCG", "r": "R", "accuracy": "accuracy", "auc": "AUC", "spearman": "Spearman",
    "mse": "squared error",
}  # fmt: skip
WHOLE = ("map", "mrr", "ndcg")  # of all of a question's passages
CUT_OFF = ("ndcg", "mrr", "r")  # those that can be of the first k passages alone, as NAME@k
# columns of every table; others stand there where they are asked for
SHOWN = (*WHOLE, "accuracy", "auc", "spearman", "mse")
RECORDED = (*WHOLE, "ndcg@10", "mrr@10", "r@1", "r@10")  # of every ranking, in comparison.json and .csv
_CUT = re.compile(rf"({'|'.join(CUT_OFF)})@([1-9][0-9]{{0,5}})")


def main_metric(ranking: bool, metric: str | None = None, kind: str = CLASSES) -> str:
    """Return the metric that a task is judged by: ``metric``, or map where passages are ranked, accuracy elsewhere.

    Where labels are grades or numbers (``kind``, of ``tmkd.choices.LABEL_KINDS``): ndcg and spearman.
    """
    usual = ("map", "accuracy") if kind == CLASSES else ("ndcg", "spearman")
    return metric or usual[0 if ranking else 1]


def usual_metric(found: Collection[str]) -> str:
    """Return what a task is usually judged by, of which these metrics were found."""
    return main_metric("map" in found, kind=GRADED if "spearman" in found else CLASSES)


def own_choice(ranking: bool, metric: str | None, kind: str = CLASSES) -> str | None:
    """Return ``metric``, or None where it is what the task is judged by anyway: then it shapes no key."""
    return None if metric == main_metric(ranking, kind=kind) else metric


def of_ranking(metric: str) -> bool:
    """Whether a metric is of the order of each question's passages."""
    return metric in WHOLE or _CUT.fullmatch(metric) is not None


def recorded(metric: str | None = None) -> list[str]:
    """Return the metrics of every ranking, and ``metric`` if it is another one of a ranking."""
    return list(dict.fromkeys([*RECORDED, *([metric] if metric and of_ranking(metric) else [])]))


def cutoff(metric: str) -> tuple[str, int | None]:
    """Split the name of a metric of a ranking into what is measured and at which rank it is cut (None: at none)."""
    found = _CUT.fullmatch(metric)
    return (found[1], int(found[2])) if found else (metric, None)


def possible(ranking: bool, classes: int) -> str:
    """Say what a task can be judged by; arguments as for ``is_possible``."""
    of_pairs = ["accuracy", *(["auc"] if classes == 2 else [])] if classes > 1 else ["spearman"]
    names = [*(WHOLE if ranking else ()), *of_pairs]
    cut = [f"{name}@k" for name in CUT_OFF] if ranking else []
    labels = f"there are {classes} classes" if classes > 1 else "labels are grades or numbers"
    task = f"data.ranking is {str(ranking).lower()} and {labels}"
    return f"null or one of {', '.join([*names, *cut])}" + f"{' (k a rank, from 1)' if cut else ''}, as {task}"


def is_possible(metric: str, ranking: bool, classes: int) -> bool:
    """Whether a task can be judged by a metric, the higher the better.

    Args:
        classes: of the task; 1 where its labels are grades or numbers, of which those above 0 are right.
    """
    if of_ranking(metric):
        return ranking
    if classes == 1:
        return metric == "spearman"
    return metric == "accuracy" or (metric == "auc" and classes == 2)


def title(metric: str) -> str:
    """Return what tables call a metric: nDCG@10."""
    name, at, rank = metric.partition("@")
    return TITLES.get(name, name) + at + rank
