"""A grid of cells as a LaTeX table: booktabs, nothing else."""

from __future__ import annotations

import re

from tmkd.report.text_tables import Grid

# One pass over the text: what LaTeX reads as a command, and what its text fonts lack.
ESCAPED = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"$<$",
        ">": r"$>$",
        "|": r"$|$",
        "±": r"$\pm$",
        "×": r"$\times$",
        "−": r"$-$",
        "–": "--",
        "α": r"$\alpha$",
        "Δ": r"$\Delta$",
    }
)


def escape(text: str) -> str:
    """Return text that LaTeX prints as it stands; a hyphen before a number becomes a minus."""
    return re.sub(r"(?<!\w)-(?=\d)", "$-$", text.translate(ESCAPED))


def to_latex(grid: Grid, name: str) -> str:
    """Return a ``table`` environment with caption and label, for a document that loads booktabs.

    Args:
        name: of the label, ``tab:<name>``; plain characters.
    """
    lines = [
        r"\begin{table}",
        r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",  # a task has four columns
        rf"\caption{{{escape(grid.caption)}}}",
        rf"\label{{tab:{name}}}",
        rf"\begin{{tabular}}{{{'l' * grid.left}{'r' * (len(grid.header) - grid.left)}}}",
        r"\toprule",
    ]
    if any(title for title, _ in grid.groups):
        lines += _groups(grid.groups)
    lines += [_line(grid.header), r"\midrule", *map(_line, grid.body)]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def _groups(groups: list[tuple[str, int]]) -> list[str]:
    """Return the line of the groups' names, each over its columns, and the rules below them."""
    titles, rules, start = [], [], 1
    for title, span in groups:
        titles.append(rf"\multicolumn{{{span}}}{{c}}{{{escape(title)}}}")
        if title:
            rules.append(rf"\cmidrule(lr){{{start}-{start + span - 1}}}")
        start += span
    return [" & ".join(titles) + r" \\", " ".join(rules)]


def _line(cells: list[str]) -> str:
    # An empty group first: a [ at the start of a line would be read as the length that the \\ before it may take.
    return "{}" * cells[0].startswith("[") + " & ".join(map(escape, cells)) + r" \\"
