"""The comparison as JSON, CSV, Markdown, and on the terminal."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tmkd.measures import SHOWN, recorded, title
from tmkd.report.notes import chance_note, resampling_note, vectors_note
from tmkd.report.rows import BASELINE, CHANCE, FIDELITY_NAMES, Row, json_safe

MISSING = "–"
WIDTH = 128  # columns that the full table needs on a terminal
COLUMN = 12  # that one more metric needs
FIDELITY = {
    "agreement": "Agreement is the share of pairs that a row puts into the same class as the teacher ensemble (the "
    "last row), KL the mean divergence of the row's probabilities from the ensemble's, in nats.",
    "correlation": "Correlation is Spearman's of a row's scores with those of the teacher ensemble (the last row), "
    "distance the mean squared difference between them.",
}


def to_json(experiment: str, data: str, fingerprint: str, rows: Sequence[Row], **extra: Any) -> dict[str, Any]:
    """Return what comparison.json holds: full precision, None for what is undefined, ``extra`` as further keys."""
    head = {"experiment": experiment, "data": data, "fingerprint": fingerprint}
    found: dict[str, Any] = json_safe(head | extra | {"rows": [asdict(row) for row in rows]})
    return found


def to_csv(rows: Sequence[Row], metric: str, baseline: str | None = BASELINE) -> str:
    """Return one line per arm, full precision; empty cells where a value is undefined.

    Its columns are all metrics that there are, first ``metric``, by which the task is judged.
    """
    versus = ("difference", "low", "high", "p_value", "p_holm")
    shown = _there(rows, [*_order(metric), *recorded(metric), *FIDELITY_NAMES])
    statistics = [(name, statistic) for name in shown for statistic in ("mean", "std")]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [f"{name}_{statistic}" for name, statistic in statistics]
    own = ("lift", "kept", "to_ensemble", "pairs_per_second", "parameters", "train_seconds", "train_bytes")
    writer.writerow(["arm", "seeds", *names, *own, *versus])
    for row in rows:
        values = [row.metrics.get(name, {}).get(statistic) for name, statistic in statistics]
        compared = [row.versus.get(baseline or "", {}).get(key) for key in versus]
        writer.writerow(
            [row.arm, " ".join(map(str, row.seeds)), *values, *(getattr(row, name) for name in own), *compared]
        )
    return text.getvalue()


def to_markdown(
    data: str,
    fingerprint: str,
    rows: Sequence[Row],
    metric: str,
    questions: int | None = None,
    pairs: int | None = None,
    baseline: str | None = BASELINE,
) -> str:
    """Return a caption and a table, one line per arm.

    Args:
        fingerprint: of the data.
        metric: what the task is judged by, the first column.
        questions, pairs: how many of the test split were evaluated; "?" where not given.
    """
    nearness = _there(rows, FIDELITY_NAMES)
    header, *body = all_cells(rows, metric, baseline)
    lines = markdown_lines(header, body)
    sentences = [
        caption(data, fingerprint, rows, metric, questions, pairs, baseline),
        FIDELITY[nearness[0]] if nearness else "",
        vectors_note({row.arm: row for row in rows}),
    ]
    return "\n".join([" ".join(filter(None, sentences)), "", *lines, ""])


def all_cells(rows: Sequence[Row], metric: str, baseline: str | None = BASELINE) -> list[list[str]]:
    """Return the header and one line per row, as text, with all columns; arguments as for ``to_markdown``."""
    return _cells(rows, [*_there(rows, _order(metric)), *_there(rows, FIDELITY_NAMES)], baseline, whole=True)


def markdown_lines(header: Sequence[str], body: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Return the lines of a table, its first ``left`` columns aligned to the left and the others to the right."""
    rule = [":--"] * left + ["--:"] * (len(header) - left)
    escaped = ([cell.replace("|", "\\|") for cell in cells] for cells in (header, rule, *body))
    return ["| " + " | ".join(cells) + " |" for cells in escaped]


def caption(
    data: str,
    fingerprint: str,
    rows: Sequence[Row],
    metric: str,
    questions: int | None,
    pairs: int | None,
    baseline: str | None = BASELINE,
) -> str:
    """Say in words what the table holds; arguments as for ``to_markdown``."""
    shown = ["?" if count is None else f"{count:,}" for count in (questions, pairs)]
    judged = title(metric)
    sentences = [
        f"Test split of {data} (fingerprint {fingerprint}): {shown[0]} questions, {shown[1]} pairs. Cells are mean ± "
        "sample standard deviation over seeds."
    ]
    if rows[0].arm == CHANCE:
        sentences += [
            chance_note(rows[0], _there(rows, _order(metric))),
            f"Lift is the share of the lead over chance that the teacher ensemble (the last row) has in {judged}, kept "
            f"the share of its {judged}, and Δ ensemble the {judged} minus the ensemble's.",
        ]
    if baseline:
        sentences.append(
            f"Δ is the {judged} minus that of {baseline}; its p is two-sided, from {resampling_note(questions, rows)}; "
            "p (Holm) is adjusted for all comparisons in the table."
        )
    return " ".join(sentences)


def print_table(
    rows: Sequence[Row], metric: str, caption: str = "", baseline: str | None = BASELINE, console: Console | None = None
) -> None:
    """Print the comparison: plain text at full width into a pipe, only the main metric on a narrow terminal."""
    console, needed = console or Console(), WIDTH + COLUMN * (metric not in SHOWN)
    if not console.is_terminal:
        console = Console(file=console.file, width=needed)
    metrics = _there(rows, _order(metric)) if console.width >= needed else [metric]
    header, *body = _cells(rows, metrics, baseline)
    table = Table(title=Text(caption) if caption else None, box=None, pad_edge=False, collapse_padding=True)
    # A number must never be cut; a header, or the name of an arm, may take two lines instead.
    for index, name in enumerate(header):
        table.add_column(name.replace(" ", "\n"), justify="right" if index else "left", max_width=None if index else 16)
    for cells in body:
        table.add_row(*(Text(cell.replace(" ± ", "±")) for cell in cells))  # names may have brackets
    console.print(table)


def _order(metric: str) -> list[str]:
    """Return the columns of a table: first the metric that the task is judged by."""
    return [metric, *(name for name in SHOWN if name != metric)]


def _there(rows: Sequence[Row], names: Iterable[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if any(name in row.metrics for row in rows)]


def _cells(rows: Sequence[Row], metrics: Sequence[str], baseline: str | None, whole: bool = False) -> list[list[str]]:
    """Return the header and one line per row, as text; ``whole`` adds what a terminal has no room for."""
    names = [FIDELITY_NAMES.get(metric) or title(metric) for metric in metrics]
    stands = ["lift", "kept", "Δ ensemble"] if whole else ["lift"]
    trained = ["training (s)", "memory (GB)"] if whole else []
    lines = [["arm", "seeds", *names, *stands, "pairs/s", "params (M)", *trained, "Δ", "p", "p (Holm)"]]
    for row in rows:
        versus = row.versus.get(baseline or "", {})
        lines.append(
            [
                row.arm,
                str(len(row.seeds) or MISSING),
                *(mean_and_std(row.mean(metric), row.std(metric)) for metric in metrics),
                number(row.lift, ".3f"),
                *([number(row.kept, ".3f"), number(row.to_ensemble, "+.3f")] if whole else []),
                number(row.pairs_per_second, ",.0f"),
                number(row.parameters and row.parameters / 1e6, ",.2f"),
                *(
                    [number(row.train_seconds, ",.0f"), number(row.train_bytes and row.train_bytes / 1e9, ".1f")]
                    if whole
                    else []
                ),
                number(versus.get("difference"), "+.3f"),
                *(p_text(versus.get(key)) for key in ("p_value", "p_holm")),
            ]
        )
    return lines


def mean_and_std(mean: float | None, std: float | None) -> str:
    """Return a mean over seeds with its standard deviation, where there is one."""
    return number(mean, ".3f") if std is None else f"{number(mean, '.3f')} ± {std:.3f}"


def number(value: float | None, form: str) -> str:
    """Return a number in the given form; ``MISSING`` where there is none."""
    return MISSING if value is None else format(value, form)


def p_text(p: float | None) -> str:
    """Return a p-value with three digits, or that it is smaller than they can show."""
    return "<0.001" if p is not None and p < 0.001 else number(p, ".3f")
