"""Figures of the comparison, drawn for colour and for greyscale: a group has a marker as well as a colour.

Colours are Okabe and Ito's, which colour-blind readers can tell apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tmkd.report.drawing import chance_line, draw, label, new_axes, save
from tmkd.report.rows import Row, chance_of, is_teacher

GROUPS = {
    "teachers": {"color": "#000000", "marker": "s"},
    "student, gold labels only": {"color": "#7f7f7f", "marker": "X"},
    "student, distilled in one stage": {"color": "#0072B2", "marker": "o"},
    "student, distilled in two stages": {"color": "#D55E00", "marker": "^"},
}
ALIKE = 1.1  # speeds that differ by less are drawn side by side
LINES = [("#0072B2", "o", "-"), ("#D55E00", "^", "--"), ("#000000", "s", ":"), ("#009E73", "D", "-.")]


def accuracy_against_speed(rows: Sequence[Row], path: Path, metric: str) -> None:
    """Draw one point per arm: ``metric`` with a bar of one standard deviation over seeds, against pairs/s (log).

    Rows without a measured speed, or without the metric, are left out. Many arms share one speed: their points are
    drawn side by side, and names stand in a column on the nearer side, each joined to its point by a line. A line joins
    those on the Pareto front.

    Args:
        path: .png or .svg, by suffix; equal rows give equal bytes.

    Raises:
        ValueError: no row has both a speed and the metric.
    """
    from matplotlib.ticker import LogLocator

    found = places(rows, metric)
    drawn = [row for row in rows if row.arm in found]
    speeds = [speed for speed, _ in found.values()]
    slowest, fastest = min(speeds), max(speeds)
    room = max(fastest / slowest, 2.0)  # the axes' width is a power of it

    figure, axes = new_axes(metric)
    points = _side_by_side(found, room**0.03)
    for row in drawn:
        x, mean = points[row.arm]
        draw(axes, [x], [mean], [row.std(metric)], ls="", **GROUPS[_group(row)])
    front = pareto(found)
    axes.plot(*zip(*(points[arm] for arm in front)), color="#999999", ls="--", lw=1.2, zorder=1)
    axes.set_xscale("log")
    axes.set_xlim(slowest / room**0.5, fastest * room**0.7)
    low, high = slowest / 1.3, fastest * 1.3  # no ticks under the columns of names
    axes.set_xticks([tick for tick in LogLocator(subs=(1, 2, 5)).tick_values(low, high) if low <= tick <= high])
    axes.minorticks_off()
    axes.xaxis.set_major_formatter("{x:,.4g}")
    axes.set_xlabel("pairs per second (log scale; arms within 10 % are drawn side by side)")
    middle = (slowest * fastest) ** 0.5
    slow = [arm for arm, (speed, _) in found.items() if speed < middle]
    label(axes, {arm: points[arm] for arm in points if arm in slow}, slowest / room**0.15, "right")
    label(axes, {arm: points[arm] for arm in points if arm not in slow}, fastest * room**0.15, "left")
    chance_line(axes, chance_of(rows, metric))
    for name in sorted({_group(row) for row in drawn}, key=list(GROUPS).index):
        axes.plot([], [], ls="", ms=8, label=name, **GROUPS[name])  # type: ignore[arg-type]
    axes.plot([], [], color="#999999", ls="--", lw=1.2, label="Pareto front: no other is faster and better")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.11), ncols=2, frameon=False)
    save(figure, path)


def places(rows: Sequence[Row], metric: str) -> dict[str, tuple[float, float]]:
    """Return speed and metric of each arm that has both."""
    return {
        row.arm: (speed, mean)
        for row in rows
        if (speed := row.pairs_per_second) and (mean := row.mean(metric)) is not None
    }


def pareto(found: Mapping[str, tuple[float, float]]) -> list[str]:
    """Return the arms that no other beats in one of speed and metric without losing in the other, the slowest first.

    Args:
        found: speed and metric of each arm; speeds within 10 % count as equal.
    """
    front = [
        arm
        for arm, (speed, mean) in found.items()
        if not any(
            (other > mean and other_speed * ALIKE >= speed) or (other >= mean and other_speed > speed * ALIKE)
            for other_speed, other in found.values()
        )
    ]
    return sorted(front, key=lambda arm: found[arm])


def metric_against_teacher_count(
    series: Mapping[str, Sequence[tuple[int, float, float | None]]],
    path: Path,
    metric: str,
    chance: float | None = None,
) -> None:
    """Draw one line per method: ``metric`` against the number of teachers.

    Args:
        series: for each name its points (number of teachers, mean over seeds, standard deviation or None).
        path: .png or .svg, by suffix; equal series give equal bytes.
        chance: the metric of answers that know nothing, if it is known.
    """
    figure, axes = new_axes(metric)
    counts = sorted({count for points in series.values() for count, *_ in points})
    span = max(counts[-1] - counts[0], 1)
    ends = {}
    for index, (name, points) in enumerate(series.items()):
        color, marker, line = LINES[index % len(LINES)]
        numbers, means, stds = zip(*sorted(points), strict=True)
        xs = [number + (index - (len(series) - 1) / 2) * 0.02 * span for number in numbers]  # apart, so that bars show
        draw(axes, xs, means, stds, color, marker, line)
        ends[name] = (xs[-1], means[-1])
    axes.set_xlim(counts[0] - 0.1 * span, counts[-1] + 0.45 * span)
    axes.set_xticks(counts)
    axes.set_xlabel("number of teachers")
    label(axes, ends, counts[-1] + 0.1 * span, "left")
    chance_line(axes, chance)
    save(figure, path)


def _group(row: Row) -> str:
    """Name the group of a row; keys and order of ``GROUPS``."""
    teachers, gold, one_stage, two_stages = GROUPS
    if is_teacher(row.arm):
        return teachers
    if row.arm.startswith("student") and "generations" not in row.settings:  # which teach each other
        return gold
    taught_again = row.settings.get("fine_tune", True) and row.settings.get("targets") != "none"
    return two_stages if row.settings.get("pretrain") and taught_again else one_stage


def _side_by_side(points: Mapping[str, tuple[float, float]], step: float) -> dict[str, tuple[float, float]]:
    """Move points of about one speed apart by a factor of ``step``, lowest first, about the speed they share."""
    arms = sorted(points, key=lambda arm: points[arm][0])
    gaps = np.diff(np.log([points[arm][0] for arm in arms]))
    moved = {}
    for alike in np.split(np.array(arms, dtype=object), np.flatnonzero(gaps > np.log(ALIKE)) + 1):
        speed = np.exp(np.mean([np.log(points[arm][0]) for arm in alike]))
        for place, arm in enumerate(sorted(alike, key=lambda arm: points[arm][1])):
            moved[arm] = (float(speed * step ** (place - (len(alike) - 1) / 2)), points[arm][1])
    return moved
