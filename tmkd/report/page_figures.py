"""The figures of a comparison's page, inline, each with what it shows in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from tmkd.measures import title
from tmkd.report.curves_figure import curves, draw_curves
from tmkd.report.facts import Facts
from tmkd.report.figures import accuracy_against_speed, metric_against_teacher_count, pareto, places
from tmkd.report.reliability_figure import alternative, draw_reliability, teachers_from_json
from tmkd.report.rows import Row, chance_of
from tmkd.report.svg import inline_svg


@dataclass(frozen=True)
class Figures:
    """Each an ``svg`` element; None where its numbers are not there."""

    speed: Markup | None = None
    counts: Markup | None = None
    curves: Markup | None = None
    reliability: Markup | None = None


def page_figures(rows: Sequence[Row], metric: str, extra: Mapping[str, Any], facts: Facts) -> Figures:
    """Draw those whose numbers there are; ``extra`` as for ``write_report``."""
    found: dict[str, Markup] = {}
    named = title(metric)
    if timed := places(rows, metric):
        points = "; ".join(f"{arm}: {mean:.3f} at {speed:,.0f}" for arm, (speed, mean) in timed.items())
        found["speed"] = _svg(
            lambda path: accuracy_against_speed(rows, path, metric),
            "speed",
            f"{named} against pairs per second",
            f"{points}. On the Pareto front: {', '.join(pareto(timed))}.",
        )
    if counts := extra.get("teacher_counts"):
        chance = chance_of(rows, metric)
        points = "; ".join(
            f"{name}: {', '.join(f'{mean:.3f} with {count}' for count, mean, _ in series)}"
            for name, series in counts.items()
        )
        found["counts"] = _svg(
            lambda path: metric_against_teacher_count(counts, path, metric, chance),
            "counts",
            f"{named} against the number of teachers",
            f"{points}.",
        )
    if learnt := curves(facts.training):
        ends = "; ".join(
            f"{row}: {', '.join(f'{each.validation[0]:.3f} to {max(each.validation):.3f}' for each in students)}"
            for row, students in learnt.items()
        )
        losses = "; ".join(
            f"{row}: {', '.join(f'{each.loss[0]:.3f} to {each.loss[-1]:.3f}' for each in students if each.loss)}"
            for row, students in learnt.items()
            if any(each.loss for each in students)
        )
        found["curves"] = _svg(
            lambda path: draw_curves(learnt, path, metric),
            "curves",
            f"{named} of validation after each epoch" + (", and the training loss" if losses else ""),
            f"From the first epoch to the best, for each training: {ends}."
            + (f" The loss, from the first epoch to the last: {losses}." if losses else ""),
        )
    if calibrated := teachers_from_json(extra.get("reliability", {})):
        found["reliability"] = _svg(
            lambda path: draw_reliability(calibrated, path),
            "reliability",
            "Reliability of the teachers before and after calibration",
            alternative(calibrated),
        )
    return Figures(**found)


def _svg(*figure: Any) -> Markup:
    return Markup(inline_svg(*figure))  # matplotlib and ElementTree escape its texts
