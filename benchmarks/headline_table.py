"""The headline's table: a line for each model in each form, chance first and the teachers' ensemble second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.common import Run, spread
from benchmarks.headline_material import Contender
from tmkd.report.tables import p_text

NOTE = (
    "Of each row the student with the best validation metric. Metrics of float32 and bf16 are those of the comparison, "
    "whose answers the store has; exports scored the test split anew. Intervals and p (uncorrected) are a bootstrap of "
    "test questions and cover no choice of seeds: what a row gives over seeds is in the comparison's own table. An "
    "export averages the logits of several heads, torch their probabilities."
)
HEADER = [
    "model", "form", "parameters, M", "MB", "pairs/s: median (min–max)", "times the ensemble", "one pair, ms",
    "validation", "{metric}", "95 % interval", "lift", "to the ensemble", "p",
]  # fmt: skip


def cells(
    made: Sequence[Contender], runs: Mapping[str, Sequence[Run]], judged: Mapping[str, Mapping[str, Any]]
) -> list[list[str]]:
    """Return the cells of ``HEADER``, metrics in %; the first contender is the ensemble."""
    speeds = {name: spread([each.answer["pairs"] / each.seconds for each in of]) for name, of in runs.items()}
    first = speeds[made[0].name]["median"]
    lines = [["chance", *["–"] * 7, f"{100 * judged['chance']['value']:.2f}", "–", "0.0", "–", "–"]]
    for each in made:
        speed, quality = speeds[each.name], judged[each.name]
        versus = quality["versus"]
        lines.append(
            [
                each.row,
                each.form,
                f"{each.parameters / 1e6:.1f}",
                f"{each.bytes / 1e6:.0f}",
                f"{speed['median']:.0f} ({speed['min']:.0f}–{speed['max']:.0f})",
                f"{speed['median'] / first:.1f}",
                f"{median(one.answer['single'] for one in runs[each.name]):.1f}",
                "–" if each.validation is None else f"{100 * each.validation:.2f}",
                f"{100 * quality['value']:.2f}",
                f"{100 * quality['low']:.1f} to {100 * quality['high']:.1f}",
                "–" if quality["lift"] is None else f"{100 * quality['lift']:.1f}",
                "–" if versus is None else "{:+.2f} [{:+.2f}, {:+.2f}]".format(*(100 * value for value in versus[:3])),
                "–" if versus is None else p_text(versus[3]),
            ]
        )
    return lines
