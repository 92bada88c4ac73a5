"""Answers as tables and trees on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.tree import Tree

if TYPE_CHECKING:
    from tmkd.store.catalogue import Lineage
    from tmkd.use.evaluate_file import Judged

WIDE = 200  # columns where the output is no terminal: nothing is cut in a file or a pipe


def console() -> Console:
    """Return where to print."""
    shown = Console()
    return shown if shown.is_terminal else Console(width=WIDE)


def table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = (), title: str = "") -> Table:
    """Return a table; ``right`` are the columns whose cells are aligned to the right."""
    made = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for at, name in enumerate(header):
        made.add_column(name, justify="right" if at in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*(_plain(cell) for cell in row))
    return made


def judged_table(judged: Judged) -> None:
    """Print metrics beside those of chance."""
    from tmkd.measures import title

    rows = [(title(name), f"{value:.3f}", f"{judged.chance[name]:.3f}") for name, value in judged.metrics.items()]
    left = f"; {judged.left_out} bad rows were left out" if judged.left_out else ""
    console().print(table(("metric", "model", "chance"), rows, right=(1, 2)))
    console().print(f"{judged.pairs:,} pairs, {judged.questions:,} questions{left}", highlight=False)
    if judged.cutoffs is not None:
        _print_cutoffs(judged)


def _print_cutoffs(judged: Judged) -> None:
    from tmkd.evaluation.cutoffs import percent

    header = ("to keep", "score at least", "right answers kept", "passages kept", "right among those kept")
    rows = [
        (
            f"{100 * each.target:g} %",
            f"{each.score:.10g}",
            percent(each.recall),
            percent(each.kept),
            "none is kept" if each.precision is None else percent(each.precision),
        )
        for each in judged.cutoffs or ()
    ]
    console().print(
        f"ECE {judged.ece:.4f}, Brier {judged.brier:.4f}, of the probabilities as they are", highlight=False
    )
    console().print(table(header, rows, right=range(5)))
    console().print(
        "Each part of the questions is judged by a cut-off of the others; in brackets, 95 % intervals over questions.",
        highlight=False,
    )


def tree(lineage: Lineage) -> Tree:
    """Return what a result was made from, as a tree; what was shown above is not shown again below."""
    seen: set[str] = set()

    def grow(branch: Tree, each: Lineage) -> None:
        for source in each.sources:
            again = source.name in seen and bool(source.sources)
            seen.add(source.name)
            below = branch.add(_plain(f"{source.name}  {source.what}{' (see above)' if again else ''}"))
            if not again:
                grow(below, source)

    root = Tree(_plain(f"{lineage.name}  {lineage.what}"))
    grow(root, lineage)
    return root


def when_text(seconds: float) -> str:
    """Return a time on this machine's clock, to the minute."""
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M")


def _plain(value: Any) -> Any:
    """Return a text that rich takes as it is, whatever brackets it has."""
    from rich.text import Text

    return Text(str(value))
