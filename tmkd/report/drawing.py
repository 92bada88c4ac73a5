"""Axes, points and labels that do not collide: what the figures share.

matplotlib is imported where it is used: it is slow to load, and most runs draw nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tmkd.measures import title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "tmkd",
    "svg.fonttype": "none",  # text stays text
}
CHANCE_COLOR = "#555555"
LONGEST_LABEL = 44  # characters; names that list settings can be longer than the figure is wide
LABEL_GAP = 0.055  # between the middles of two labels, in heights of the axes


def new_axes(metric: str) -> tuple[Figure, Axes]:
    """Return a figure with one pair of axes, whose y axis is the metric."""
    figure, (axes,) = new_panels(1)
    axes.set_ylabel(title(metric))
    axes.grid(axis="y", color="#dddddd", lw=0.6)
    axes.set_axisbelow(True)
    axes.margins(y=0.1)
    return figure, axes


def new_panels(
    count: int, rows: int = 1, size: tuple[float, float] = (9, 5.5), sharey: bool = False
) -> tuple[Figure, list[Axes]]:
    """Return a figure of a size in inches with ``rows`` rows of ``count`` pairs of axes, listed row by row."""
    # Not pyplot: it would choose a backend and keep every figure alive.
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(rows, count, squeeze=False, sharey=sharey)
    return figure, list(panels.flat)


def lengths(stds: Sequence[float | None]) -> list[float]:
    """Return the lengths of error bars [n]: none is drawn for one seed (None), where 0 would look like certainty."""
    return [math.nan if std is None else std for std in stds]


def draw(
    axes: Axes,
    xs: Sequence[float],
    means: Sequence[float],
    stds: Sequence[float | None],
    color: str,
    marker: str,
    ls: str,
) -> None:
    """Draw points [n] with bars of one standard deviation (None: no bar), joined by the line style ``ls``."""
    axes.errorbar(xs, means, lengths(stds), fmt="none", ecolor=color, capsize=3, lw=1.2, zorder=2)
    # White edges keep markers apart where they overlap.
    axes.plot(xs, means, color=color, marker=marker, ls=ls, ms=8, mec="white", mew=0.8, zorder=3)


def chance_line(axes: Axes, chance: float | None) -> None:
    """Draw a line at chance where it is within the axes, once all else is drawn; else let the y axis' name say it."""
    if chance is None:
        return
    low, high = axes.get_ylim()
    if low <= chance <= high:
        axes.axhline(chance, color=CHANCE_COLOR, ls=":", lw=1.2, zorder=1)
        axes.annotate("chance", (1, chance), xycoords=axes.get_yaxis_transform(), ha="right", va="bottom", size=8)
    else:
        where = "below" if chance < low else "above"
        axes.set_ylabel(f"{axes.get_ylabel()} (chance, {chance:.3f}, is {where})")


def label(axes: Axes, points: Mapping[str, tuple[float, float]], x: float, align: str) -> None:
    """Write the names of the points in a column at x, in the order of their heights; of long ones both ends."""
    names = sorted(points, key=lambda name: points[name][1])
    if not names:
        return
    from sklearn.isotonic import isotonic_regression

    low, high = axes.get_ylim()
    steps = np.arange(len(names)) * LABEL_GAP * (high - low)
    # The least squares fit whose steps are never negative: labels as near to their points as the gap between them lets.
    heights = isotonic_regression([points[name][1] for name in names] - steps, y_min=low, y_max=high - steps[-1])
    for name, height in zip(names, heights + steps, strict=True):
        leader = {"arrowstyle": "-", "color": "#999999", "lw": 0.7, "shrinkA": 1, "shrinkB": 5}
        leader["relpos"] = (0 if align == "left" else 1, 0.5)
        axes.annotate(_short(name), points[name], (x, height), ha=align, va="center", arrowprops=leader, zorder=1)
    axes.set_ylim(low, high)


def _short(name: str) -> str:
    half = LONGEST_LABEL // 2
    return name if len(name) <= LONGEST_LABEL else f"{name[:half]}…{name[1 - half :]}"


def save(figure: Figure, path: Path) -> None:
    """Save as .png or .svg, by suffix, without the date or random ids that would make equal figures differ."""
    from matplotlib import rc_context
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_parse_math(False)  # a $ in a name is a $
    with rc_context(STYLE):
        metadata = {"Date": None} if path.suffix == ".svg" else {}
        figure.savefig(path, dpi=160, metadata=metadata)
