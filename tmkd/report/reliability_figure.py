"""Teachers before and after calibration: a reliability diagram, a table, and both as a section of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tmkd.evaluation.reliability import Reliability
from tmkd.report.drawing import new_panels, save
from tmkd.report.tables import markdown_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLORS = ("#0072B2", "#D55E00", "#009E73", "#000000", "#E69F00", "#56B4E9")  # Okabe and Ito's
MARKERS = ("o", "^", "D", "s", "v", "P", "X")  # another number than colours, so that pairs of both repeat late


@dataclass(frozen=True)
class CalibratedTeacher:
    """How reliable one teacher is before and after its map.

    Attributes:
        name: in the table and the legend.
        method: of ``tmkd.evaluation.calibration``, or ``none``.
        before, after: on the same pairs, which are not those that the map was fitted on.
    """

    name: str
    method: str
    before: Reliability
    after: Reliability


def teachers_from_json(found: Mapping[str, Mapping[str, Any]]) -> list[CalibratedTeacher]:
    """Return teachers from what manifests say of them, by name: ``method``, and ``before`` and ``after`` as dicts."""
    return [
        CalibratedTeacher(name, each["method"], Reliability(**each["before"]), Reliability(**each["after"]))
        for name, each in found.items()
    ]


def draw_reliability(teachers: Sequence[CalibratedTeacher], path: Path) -> None:
    """Draw the share of pairs that are right against the probability, before and after; the diagonal is best.

    Args:
        path: .png or .svg, by suffix; equal input gives equal bytes.
    """
    figure, panels = new_panels(2)
    for axes, title in zip(panels, ("before", "after"), strict=True):
        axes.plot([0, 1], [0, 1], color="#999999", ls=":", lw=1.2, zorder=1)
        for index, teacher in enumerate(teachers):
            _line(axes, index, teacher.name, teacher.before if title == "before" else teacher.after)
        axes.set_title(f"{title} calibration")
        axes.set_xlabel("mean probability in a bin")
        axes.set_aspect("equal")
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
    panels[0].set_ylabel("share of the bin's pairs where it came true")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    save(figure, path)


def reliability_section(teachers: Sequence[CalibratedTeacher], image: str | None = None) -> str:
    """Return a section of Markdown: a caption, a line for each teacher, and the diagram with its alternative text.

    Args:
        image: name of the file that ``draw_reliability`` wrote, relative to the report; None: without the diagram.
    """
    header = ["teacher", "method", "pairs", "ECE before", "ECE after", "Brier before", "Brier after"]
    body = [
        [
            teacher.name,
            teacher.method,
            f"{teacher.after.pairs:,}",
            *(f"{each.ece:.3f}" for each in (teacher.before, teacher.after)),
            *(f"{each.brier:.3f}" for each in (teacher.before, teacher.after)),
        ]
        for teacher in teachers
    ]
    caption = (
        "Each teacher's probabilities before and after they were brought to one scale on validation labels. ECE is how "
        "far a probability is from the share of pairs where it came true, a mean over bins; Brier is the mean squared "
        "error of the probabilities. Of both, 0 is best. Pairs without a score are left out."
    )
    escaped = alternative(teachers).replace("[", "\\[").replace("]", "\\]")
    diagram = [f"![{escaped}]({image})", ""] if image else []
    return "\n".join(["## Calibration", "", caption, "", *markdown_lines(header, body, 2), "", *diagram])


def alternative(teachers: Sequence[CalibratedTeacher]) -> str:
    """Say what the diagram shows to those who cannot see it."""
    changes = [f"{each.name} from {each.before.ece:.3f} to {each.after.ece:.3f}" for each in teachers]
    return f"Reliability diagram of each teacher before and after calibration; ECE of {', '.join(changes)}"


def _line(axes: Axes, index: int, name: str, found: Reliability) -> None:
    color, marker = COLORS[index % len(COLORS)], MARKERS[index % len(MARKERS)]
    axes.plot(
        found.confidence, found.observed, color=color, marker=marker, ms=6, mec="white", mew=0.6, lw=1.2, label=name
    )
