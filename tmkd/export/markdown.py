"""Texts from elsewhere in Markdown: names and paths stand there as they are, whatever characters they have."""

from __future__ import annotations

import re
from collections.abc import Sequence

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~$&])")


def plain(text: object) -> str:
    """Return a text that is read as itself, in one line."""
    return _SPECIAL.sub(r"\\\1", _line(text))


def code(text: object) -> str:
    """Return a text as code, in one line; in a cell of a table, too."""
    line = _line(text)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{space}{line}{space}{fence}".replace("|", "\\|")


def table(header: Sequence[str], body: Sequence[Sequence[str]], left: int = 1) -> str:
    """Return a table of cells that are Markdown; its first ``left`` columns are aligned to the left."""
    rule = [":--"] * left + ["--:"] * (len(header) - left)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, rule, *body))


def bullets(lines: Sequence[str]) -> str:
    """Return a list."""
    return "\n".join(f"- {line}" for line in lines)


def _line(text: object) -> str:
    return " ".join(str(text).split())
