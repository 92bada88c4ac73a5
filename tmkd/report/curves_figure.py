"""How students learnt: validation after each epoch, and the loss in it; a panel a row, and a line a student."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tmkd.measures import title
from tmkd.report.drawing import new_panels, save
from tmkd.report.facts import Training

ACROSS = 3
PANEL = 3.0, 2.1  # inches
LOSS = "#b35900"


def curves(training: Sequence[Training]) -> dict[str, list[Training]]:
    """Return those that were judged after several epochs, by row."""
    rows: dict[str, list[Training]] = {}
    for each in training:
        if len(each.validation) > 1:
            rows.setdefault(each.row, []).append(each)
    return rows


def draw_curves(rows: Mapping[str, Sequence[Training]], path: Path, metric: str) -> None:
    """Draw the metric of validation against the epoch; a dot marks the epoch that was chosen.

    The loss is dashed, where it is known, on an axis of its own in each panel: rows differ in what they minimise.

    Args:
        rows: at least one, as from ``curves``.
        path: .png or .svg, by suffix; equal input gives equal bytes.
    """
    from matplotlib.ticker import MaxNLocator

    across = min(ACROSS, len(rows))
    down = -(-len(rows) // across)
    width, height = PANEL
    figure, panels = new_panels(across, down, (width * across, height * down + 0.3), sharey=True)
    for axes, (row, students) in zip(panels, rows.items()):
        for each in students:
            epochs = range(1, len(each.validation) + 1)
            axes.plot(epochs, each.validation, color="#0072b2", alpha=0.6, lw=1.2)
            if each.best_epoch:
                axes.plot(
                    [each.best_epoch], [each.validation[each.best_epoch - 1]], "o", color="#0072b2", ms=4, mec="#ffffff"
                )
        if learnt := [each.loss for each in students if each.loss]:
            beside = axes.twinx()
            for loss in learnt:
                beside.plot(range(1, len(loss) + 1), loss, color=LOSS, alpha=0.6, lw=1.0, ls="--")
            beside.tick_params(axis="y", labelsize=7, colors=LOSS)
        axes.set_title(row, size=9)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="y", color="#dddddd", lw=0.6)
    for unused in panels[len(rows) :]:
        unused.set_visible(False)
    figure.supxlabel("epoch", size=9)
    known = any(each.loss for students in rows.values() for each in students)
    figure.supylabel(f"{title(metric)} of validation" + (" (dashed, right: loss)" if known else ""), size=9)
    save(figure, path)
