"""How much a student agrees with a dear teacher after each round of asking: a table, a figure and a sentence."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tmkd.evaluation.selection import TOGETHER, enough, gain
from tmkd.report.drawing import draw, new_axes, save
from tmkd.store.disk import written_whole


@dataclass(frozen=True)
class Point:
    """A round.

    Attributes:
        pairs: that the student has learnt from; ``asked`` are all, with those that are held out.
        requests, money: about what all of them cost; None where that is not known.
        agreement: with the teacher on held-out pairs, Spearman's rank correlation, mean over the student's seeds;
            ``std`` is its standard deviation, None for one seed.
        metric: the task's metric against the teacher's labels there, mean over seeds.
    """

    round: int
    pairs: int
    asked: int
    requests: int | None
    money: float | None
    agreement: float
    std: float | None
    metric: float


def write_curve(points: Sequence[Point], folder: Path, metric: str, title: str) -> None:
    """Write ``curve.csv`` and ``curve.png``.

    Args:
        metric: what the task's metric is called.
        title: of the figure.
    """
    names = ("round", "pairs", "asked", "requests", "money", "agreement", "std", metric)
    with (
        written_whole(folder / "curve.csv") as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([_cell(value) for value in vars(point).values()] for point in points)
    figure, axes = new_axes("agreement with the teacher (Spearman)")
    asked, means = [point.asked for point in points], [point.agreement for point in points]
    draw(axes, asked, means, [point.std for point in points], "#0072B2", "o", "-")
    axes.set_xlabel("pairs that the teacher was asked for, those held out included")
    axes.set_title(title, fontsize=10)
    with written_whole(folder / "curve.png") as temporary:
        save(figure, temporary)


def _cell(value: float | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.4f}"


def verdict(points: Sequence[Point], stop: float | None) -> str:
    """Say what the last rounds have brought, and whether further ones are worth their price.

    Args:
        stop: the smallest gain that is; None: no limit is set.
    """
    gained = gain([point.agreement for point in points])
    if gained is None:
        rounds = "1 round is" if len(points) == 1 else f"{len(points)} rounds are"
        return f"{rounds} too few to tell what further pairs would bring"
    pairs = points[-1].pairs - points[-1 - TOGETHER].pairs
    brought = f"the last {TOGETHER} rounds ({pairs} pairs) added {100 * gained:.1f} points of agreement"
    if stop is None:
        return brought
    if enough([point.agreement for point in points], stop):
        return f"{brought}, less than {100 * stop:.1f}: stop"
    return f"{brought}: further pairs are likely to help"
