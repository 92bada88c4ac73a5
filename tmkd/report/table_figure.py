"""The figure of a table: bars by task, or lines where the rows stand on an axis; the paper's numbers beside ours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tmkd.measures import title
from tmkd.report.drawing import CHANCE_COLOR, draw, lengths, new_axes, save
from tmkd.report.paper_table import PaperTable
from tmkd.report.rows import CHANCE
from tmkd.report.task_column import Column
from tmkd.report.text_tables import percents

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLORS = ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#7f7f7f")  # Okabe and Ito's
MARKERS = ("o", "^", "s", "D", "v", "P")
STYLES = ("-", "--", ":", "-.")
HATCHES = ("", "///", "...")  # tell more rows apart than there are colours, in greyscale too


def draw_table(table: PaperTable, columns: Sequence[Column], path: Path) -> None:
    """Draw a table's figure, in %, with bars of one standard deviation over seeds.

    Args:
        path: .png or .svg, by suffix; equal input gives equal bytes.
    """
    figure, axes = new_axes("")
    metrics = " or ".join(sorted({title(column.metric) for column in columns}))
    if table.axis is None:
        start = _bars(axes, table, columns)
        axes.set_ylabel(f"{metrics}, % (the axis starts at {start})")
    else:
        _lines(axes, table, columns)
        axes.set_xlabel(table.axis)
        axes.set_ylabel(f"{metrics}, %")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.11), ncols=3, frameon=False)
    save(figure, path)


def _bars(axes: Axes, table: PaperTable, columns: Sequence[Column]) -> int:
    """Draw a group of bars for each task; return where their axis starts, as small differences would not be seen."""
    width = 0.8 / len(table.rows)
    seen = []
    for index, label in enumerate(table.rows):
        places, ours, stds, theirs = [], [], [], []
        for group, column in enumerate(columns):
            place = group + (index - (len(table.rows) - 1) / 2) * width
            if (mean := column.mean(label)) is not None:
                places.append(place)
                ours.append(100 * mean)
                stds.append(percents(column.rows[label].std(column.metric)))
            if (paper := table.paper(label, column.paper)) is not None:
                theirs.append((place, paper))
        color, hatch = COLORS[index % len(COLORS)], HATCHES[index // len(COLORS) % len(HATCHES)]
        axes.bar(places, ours, width, label=label, color=color, hatch=hatch, edgecolor="white")
        axes.errorbar(places, ours, lengths(stds), fmt="none", ecolor="black", capsize=2, lw=1.2)
        axes.plot(*_xy(theirs), "k_", ms=max(4.0, 180 * width / len(columns)), mew=2, zorder=4)
        seen += [*ours, *(paper for _, paper in theirs)]
    chance = [100 * (column.mean(CHANCE) or 0.0) for column in columns]
    groups = np.arange(len(columns))
    axes.hlines(chance, groups - 0.45, groups + 0.45, color=CHANCE_COLOR, ls=":", zorder=4, label="chance")
    seen += chance
    if table.beside:
        axes.plot([], [], "k_", ms=10, mew=2, label="the paper's")
    lowest = min(seen, default=0)  # below 0 where a correlation is
    start = int(lowest // 10 - 1) * 10
    start = start if lowest < 0 else max(0, start)
    axes.set_ylim(start, min(axes.get_ylim()[1], 100))
    axes.set_xticks(range(len(columns)), [_name(column) for column in columns])
    return start


def _lines(axes: Axes, table: PaperTable, columns: Sequence[Column]) -> None:
    """Draw a line for each task, and the paper's below it in the same colour, its marks hollow."""
    placed = {label: row.x for label, row in table.rows.items() if row.x is not None}
    for index, column in enumerate(columns):
        color, marker, style = COLORS[index % len(COLORS)], MARKERS[index % len(MARKERS)], STYLES[index % len(STYLES)]
        ours = [(x, mean, label) for label, x in placed.items() if (mean := column.mean(label)) is not None]
        if ours:
            stds = [percents(column.rows[label].std(column.metric)) for *_, label in ours]
            draw(axes, [x for x, *_ in ours], [100 * mean for _, mean, _ in ours], stds, color, marker, style)
            axes.plot([], [], color=color, marker=marker, ls=style, label=_name(column))
        theirs = [(x, paper) for label, x in placed.items() if (paper := table.paper(label, column.paper)) is not None]
        if theirs:
            called = f"the paper's {column.paper}"
            axes.plot(*_xy(theirs), color=color, marker=marker, mfc="white", ls=style, lw=0.8, label=called)
    axes.set_xticks(sorted(set(placed.values())))
    low, high = axes.get_ylim()
    for index, column in enumerate(columns):
        # not drawn where it would squeeze the lines together
        if low <= (chance := 100 * (column.mean(CHANCE) or 0.0)) <= high:
            axes.axhline(chance, color=COLORS[index % len(COLORS)], ls=":", lw=0.8, label=f"{_name(column)}: chance")


def _xy(points: Sequence[tuple[float, float]]) -> np.ndarray:
    return np.array(points, dtype=float).reshape(-1, 2).T


def _name(column: Column) -> str:
    return f"{column.task} (for {column.paper})" if column.paper and column.stands_in else column.task
