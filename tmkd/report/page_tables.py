"""The rows of a comparison as tables of its page: text cells in groups of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tmkd.measures import title
from tmkd.report.claims import LEVEL
from tmkd.report.headline import interval, share, verdict_of
from tmkd.report.rows import CHANCE, Row, is_teacher, students_of
from tmkd.report.tables import MISSING, all_cells, mean_and_std, number, p_text


@dataclass(frozen=True)
class Line:
    """A row: its name, a cell for each further column, and ``better``, ``worse`` or nothing."""

    name: str
    cells: Sequence[str]
    verdict: str = ""


@dataclass(frozen=True)
class Table:
    """A table of a page.

    Attributes:
        caption: what it holds, in a sentence or two.
        header: names of the columns, that of the rows' names first.
        groups: a name, "" for none, and its rows.
        slim: fits every screen; another one scrolls by itself.
        texts: its cells are texts, not numbers.
    """

    caption: str
    header: Sequence[str]
    groups: Sequence[tuple[str, Sequence[Line]]]
    slim: bool = False
    texts: bool = False


def main_table(rows: Sequence[Row], metric: str, baseline: str | None) -> Table:
    """Return what a reader decides by."""
    tested = any(row.versus for row in rows)
    header = ["row", title(metric), "lift", *(["Δ [95 %]", "p (Holm)"] if tested else []), "pairs/s", "params (M)"]
    caption = (
        "Mean ± standard deviation over seeds. Lift is how much of the teacher ensemble's lead over chance a row has."
    )
    if tested:
        caption += (
            f" Δ is the {title(metric)} minus that of {baseline}; a row is called better or worse where p is below "
            f"{LEVEL}."
        )
    found = []
    for name, members in _grouped(rows):
        lines = []
        for row in members:
            versus = [
                interval(row, baseline) or ("baseline" if row.arm == baseline else MISSING),
                p_text(row.versus.get(baseline or "", {}).get("p_holm")),
            ]
            lines.append(
                Line(
                    row.arm,
                    [
                        mean_and_std(row.mean(metric), row.std(metric)),
                        MISSING if row.lift is None else share(row.lift),
                        *(versus if tested else []),
                        number(row.pairs_per_second, ",.0f"),
                        number(row.parameters and row.parameters / 1e6, ",.2f"),
                    ],
                    verdict_of(row, baseline),
                )
            )
        found.append((name, lines))
    return Table(caption, header, found, slim=True)


def whole_table(rows: Sequence[Row], metric: str, baseline: str | None, caption: str) -> Table:
    """Return all columns, as comparison.md has them."""
    header, *body = all_cells(rows, metric, baseline)
    return Table(caption, header, [("", [Line(name, cells) for name, *cells in body])])


def _grouped(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    teachers = [row for row in rows if is_teacher(row.arm)]
    chance = [row for row in rows if row.arm == CHANCE]
    groups = {"Students": students_of(rows), "Teachers and chance" if teachers else "Chance": [*teachers, *chance]}
    return ((name, members) for name, members in groups.items() if members)
