"""The files of a table: Markdown, CSV, LaTeX and figure, made from whatever columns there are."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tmkd.choices import PARAMETERS, QPS
from tmkd.report import text_tables
from tmkd.report.claims import Verdict, judge
from tmkd.report.latex import to_latex
from tmkd.report.page import to_html
from tmkd.report.paper_table import PaperTable, in_order
from tmkd.report.rows import CHANCE
from tmkd.report.table_figure import draw_table
from tmkd.report.task_column import Column


def write_table(folder: Path, name: str, table: PaperTable, columns: Iterable[Column]) -> None:
    """Write table.md, .html, .csv, .tex and .png, and claims.csv; equal input gives equal bytes.

    Args:
        folder: there already.
        name: of the experiment.
        columns: at least one.
    """
    ordered = in_order(list(columns))
    verdicts = judge(table, ordered)
    found = [text_tables.results(table, ordered), text_tables.cost(table, ordered)]
    titles = ["", "## Speed and size\n\n"]
    if table.claims:
        found.append(text_tables.claims(table, verdicts))
        titles.append("## Claims\n\n")
    parts = [title + grid.markdown() for title, grid in zip(titles, found, strict=True)]
    parts.insert(1, "![the table as a figure](table.png)\n")
    latex = [to_latex(grid, name + suffix) for grid, suffix in zip(found, ("", "-cost", "-claims"))]

    text = f"# {name}\n\n" + "\n".join(parts)
    _write(folder / "table.md", text)
    _write(folder / "table.tex", "% Needs \\usepackage{booktabs}.\n" + "\n".join(latex))
    _write(folder / "table.csv", results_csv(table, ordered))
    _write(folder / "claims.csv", claims_csv(verdicts))
    draw_table(table, ordered, folder / "table.png")
    _write(folder / "table.html", to_html(text, folder))


def results_csv(table: PaperTable, columns: Sequence[Column]) -> str:
    """Return one line for each row and task that has it, full precision; metrics and differences in %."""
    lines = []
    for label in (CHANCE, *table.rows):
        for column in columns:
            if (mean := column.mean(label)) is None:
                continue
            row, paper = column.rows[label], table.paper(label, column.paper)
            lines.append(
                {
                    "row": label,
                    "arm": row.arm,
                    "task": column.task,
                    "fingerprint": column.fingerprint,
                    "data_set": column.paper,
                    "stands_in": column.stands_in,
                    "metric": column.metric,
                    "paper": paper,
                    "ours": 100 * mean,
                    "std": text_tables.percents(row.std(column.metric)),
                    "difference": None if paper is None else 100 * mean - paper,
                    "lift": text_tables.percents(row.lift),
                    "kept": text_tables.percents(row.kept),
                    "to_ensemble": text_tables.percents(row.to_ensemble),
                    "agreement": text_tables.percents(row.mean("agreement")),
                    "divergence": row.mean("divergence"),
                    "seeds": " ".join(map(str, row.seeds)),
                    "paper_pairs_per_second": table.paper(label, QPS),
                    "pairs_per_second": row.pairs_per_second,
                    "paper_million_parameters": table.paper(label, PARAMETERS),
                    "parameters": row.parameters,
                }
            )
    return _csv(lines)


def claims_csv(verdicts: Sequence[Verdict]) -> str:
    """Return one line for each claim and task, full precision; differences in percentage points."""
    return _csv(
        [
            {
                "better": verdict.test.better,
                "worse": verdict.test.worse,
                "task": verdict.column.task,
                "data_set": verdict.column.paper,
                "paper_holds": verdict.paper,
                "difference": 100 * verdict.test.difference,
                "low": 100 * verdict.test.low,
                "high": 100 * verdict.test.high,
                "seeds_for": verdict.seeds and verdict.seeds[0],
                "seeds": verdict.seeds and verdict.seeds[1],
                "questions": verdict.column.questions,
                "p_value": verdict.test.p_value,
                "p_holm": verdict.p_holm,
                "verdict": verdict.ours,
            }
            for verdict in verdicts
        ]
    )


def _csv(lines: Sequence[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]) if lines else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
