"""A table as text cells, whatever it is printed in: results, speed and size, claims."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tmkd.choices import PARAMETERS, QPS
from tmkd.report.captions import claims_caption, cost_caption, results_caption
from tmkd.report.claims import Verdict
from tmkd.report.paper_table import PaperTable
from tmkd.report.rows import CHANCE
from tmkd.report.tables import MISSING, markdown_lines, number, p_text
from tmkd.report.task_column import Column


@dataclass(frozen=True)
class Grid:
    """Cells and their caption.

    Attributes:
        groups: for each, its name and the number of header columns below it; "" for no name.
        left: how many columns, from the first, are text.
    """

    caption: str
    groups: list[tuple[str, int]]
    header: list[str]
    body: list[list[str]]
    left: int = 1

    def markdown(self) -> str:
        """Return the caption and the table, each header with the name of its group."""
        groups = [name for name, span in self.groups for _ in range(span)]
        header = [f"{group}: {name}" if group else name for group, name in zip(groups, self.header, strict=True)]
        return "\n".join([self.caption, "", *markdown_lines(header, self.body, self.left), ""])


def results(table: PaperTable, columns: Sequence[Column]) -> Grid:
    """Return for each row and task: the paper's number, ours, the difference, and how much of the ensemble's it is."""
    names = ["paper", "ours", "Δ", "lift", "kept"] if table.beside else ["ours", "lift", "kept"]
    body = []
    for label in (CHANCE, *table.rows):
        cells = [label]
        for column in columns:
            paper, mean, row = table.paper(label, column.paper), column.mean(label), column.rows.get(label)
            std = row.std(column.metric) if row else None
            ours = percent(mean) + ("" if std is None else f" ± {percent(std)}")
            shares = [percent(row.lift, ".1f"), percent(row.kept, ".1f")] if row else [MISSING, MISSING]
            delta = None if paper is None or mean is None else 100 * mean - paper
            cells += [number(paper, ".2f"), ours, number(delta, "+.2f")] if table.beside else [ours]
            cells += shares
        body.append(cells)
    groups = [("", 1), *((column.task, len(names)) for column in columns)]
    return Grid(results_caption(table, columns), groups, ["", *names * len(columns)], body)


def cost(table: PaperTable, columns: Sequence[Column]) -> Grid:
    """Return for each row its pairs a second and its millions of parameters, the paper's and ours on each task."""
    first = ["paper"] if any(set(row.paper) & {QPS, PARAMETERS} for row in table.rows.values()) else []
    names = [*first, *(column.task for column in columns)]
    body = []
    for label in table.rows:
        rows = [column.rows.get(label) for column in columns]
        speeds = [number(row.pairs_per_second if row else None, ",.0f") for row in rows]
        sizes = [number(row.parameters / 1e6 if row and row.parameters else None, ",.2f") for row in rows]
        if first:
            speeds.insert(0, number(table.paper(label, QPS), ".3g"))
            sizes.insert(0, number(table.paper(label, PARAMETERS), ",.2f"))
        body.append([label, *speeds, *sizes])
    groups = [("", 1), ("pairs/s", len(names)), ("parameters (M)", len(names))]
    return Grid(cost_caption(columns), groups, ["", *names * 2], body)


def claims(table: PaperTable, verdicts: Sequence[Verdict]) -> Grid:
    """Return a line for each verdict; against the teacher ensemble, with how much of it is reached."""
    header = ["claim", "task", "paper's numbers", "here", "Δ", "95 % interval", "seeds", "p", "p (Holm)"]
    body = []
    for verdict in verdicts:
        test, column = verdict.test, verdict.column
        result = verdict.ours
        if table.rows[test.worse].arm == "ensemble":
            row = column.rows[test.better]
            result += f"; lift {percent(row.lift, '.1f')} %, keeps {percent(row.kept, '.1f')} %"
            ours, whole = (table.paper(label, column.paper) for label in (test.better, test.worse))
            result += f" (paper: {100 * ours / whole:.1f} %)" if ours and whole else ""
        body.append(
            [
                f"{test.better} > {test.worse}",
                column.task,
                MISSING if verdict.paper is None else "holds" if verdict.paper else "does not hold",
                result,
                percent(test.difference, "+.2f"),
                f"[{percent(test.low, '+.2f')}, {percent(test.high, '+.2f')}]",
                MISSING if verdict.seeds is None else "{} of {}".format(*verdict.seeds),
                p_text(test.p_value),
                p_text(verdict.p_holm),
            ]
        )
    compared = sum(verdict.p_holm is not None for verdict in verdicts)
    return Grid(claims_caption(compared, verdicts), [("", len(header))], header, body, left=4)


def percent(value: float | None, form: str = ".2f") -> str:
    """Return a fraction in %, without the sign; ``MISSING`` where there is none."""
    return number(percents(value), form)


def percents(value: float | None) -> float | None:
    """Return a fraction in %; None stays None."""
    return None if value is None else 100 * value
