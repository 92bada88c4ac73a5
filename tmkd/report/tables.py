"""The comparison as JSON, CSV, Markdown, and on the terminal."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from tmkd.metrics import main_metric
from tmkd.report.rows import BASELINE, METRIC_NAMES, Row, json_safe
from tmkd.significance import RESAMPLES

MISSING = "–"
WIDTH = 120  # columns that the full table needs on a terminal


def to_json(experiment: str, data: str, fingerprint: str, rows: Sequence[Row], **extra: Any) -> dict[str, Any]:
    """Return what comparison.json holds: full precision, None for what is undefined, ``extra`` as further keys."""
    head = {"experiment": experiment, "data": data, "fingerprint": fingerprint}
    return json_safe(head | extra | {"rows": [asdict(row) for row in rows]})


def to_csv(rows: Sequence[Row], baseline: str | None = BASELINE) -> str:
    """Return one line per arm, full precision; empty cells where a value is undefined."""
    versus = ("difference", "low", "high", "p_value", "p_holm")
    statistics = [(metric, statistic) for metric in _metrics(rows) for statistic in ("mean", "std")]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [f"{metric}_{statistic}" for metric, statistic in statistics]
    writer.writerow(["arm", "seeds", *names, "pairs_per_second", "parameters", *versus])
    for row in rows:
        values = [row.metrics.get(metric, {}).get(statistic) for metric, statistic in statistics]
        compared = [row.versus.get(baseline or "", {}).get(key) for key in versus]
        writer.writerow(
            [row.arm, " ".join(map(str, row.seeds)), *values, row.pairs_per_second, row.parameters, *compared]
        )
    return text.getvalue()


def to_markdown(
    data: str,
    fingerprint: str,
    rows: Sequence[Row],
    ranking: bool,
    questions: int | None = None,
    pairs: int | None = None,
    baseline: str | None = BASELINE,
) -> str:
    """Return a caption and a table, one line per arm.

    Args:
        fingerprint: of the data.
        questions, pairs: how many of the test split were evaluated; "?" where not given.
    """
    header, *body = _cells(rows, _metrics(rows), baseline)
    rule = [":--", *["--:"] * (len(header) - 1)]
    lines = ["| " + " | ".join(cells) + " |" for cells in (header, rule, *body)]
    return "\n".join([caption(data, fingerprint, ranking, questions, pairs, baseline), "", *lines, ""])


def caption(
    data: str,
    fingerprint: str,
    ranking: bool,
    questions: int | None,
    pairs: int | None,
    baseline: str | None = BASELINE,
) -> str:
    """Say in words what the table holds; arguments as for ``to_markdown``."""
    shown = ["?" if count is None else f"{count:,}" for count in (questions, pairs)]
    compared = (
        f" Δ is the {METRIC_NAMES[main_metric(ranking)]} minus that of {baseline}; p is from a two-sided paired "
        f"permutation test over questions (seeds averaged, {RESAMPLES:,} resamples), and p (Holm) is adjusted for all "
        "comparisons in the table."
    )
    return (
        f"Test split of {data} (fingerprint {fingerprint}): {shown[0]} questions, {shown[1]} pairs. Cells are mean ± "
        "sample standard deviation over seeds." + (compared if baseline else "")
    )


def print_table(
    rows: Sequence[Row], ranking: bool, title: str = "", baseline: str | None = BASELINE, console: Console | None = None
) -> None:
    """Print the comparison: plain text at full width into a pipe, only the main metric on a narrow terminal."""
    console = console or Console()
    if not console.is_terminal:
        console = Console(file=console.file, width=WIDTH)
    metrics = _metrics(rows) if console.width >= WIDTH else [main_metric(ranking)]
    header, *body = _cells(rows, metrics, baseline)
    table = Table(title=title or None, box=None, pad_edge=False, collapse_padding=True)
    # A number must never be cut; a header, or the name of an arm, may take two lines instead.
    for index, name in enumerate(header):
        table.add_column(name.replace(" ", "\n"), justify="right" if index else "left", max_width=None if index else 16)
    for cells in body:
        table.add_row(*(cell.replace(" ± ", "±") for cell in cells))
    console.print(table)


def _metrics(rows: Sequence[Row]) -> list[str]:
    return [metric for metric in METRIC_NAMES if any(metric in row.metrics for row in rows)]


def _cells(rows: Sequence[Row], metrics: Sequence[str], baseline: str | None) -> list[list[str]]:
    """Return the header and one line per row, as text."""
    names = [METRIC_NAMES[metric] for metric in metrics]
    lines = [["arm", "seeds", *names, "pairs/s", "params (M)", "Δ", "p", "p (Holm)"]]
    for row in rows:
        versus = row.versus.get(baseline or "", {})
        lines.append(
            [
                row.arm,
                str(len(row.seeds)),
                *(_mean_and_std(row.mean(metric), row.std(metric)) for metric in metrics),
                _number(row.pairs_per_second, ",.0f"),
                _number(row.parameters and row.parameters / 1e6, ",.2f"),
                _number(versus.get("difference"), "+.3f"),
                *(_p_value(versus.get(key)) for key in ("p_value", "p_holm")),
            ]
        )
    return lines


def _mean_and_std(mean: float | None, std: float | None) -> str:
    return _number(mean, ".3f") if std is None else f"{_number(mean, '.3f')} ± {std:.3f}"


def _number(value: float | None, form: str) -> str:
    return MISSING if value is None else format(value, form)


def _p_value(p: float | None) -> str:
    return "<0.001" if p is not None and p < 0.001 else _number(p, ".3f")
