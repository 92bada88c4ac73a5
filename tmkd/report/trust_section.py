"""Whom students followed: the weights of teachers that were learnt on validation, as a section of a report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tmkd.report.tables import markdown_lines


def trust_section(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a section of Markdown with a table for each row of the comparison whose weights were learnt.

    Args:
        found: by row ``teachers``, their names, and the fields of ``tmkd.evaluation.trust.Trust``.
    """
    lines = [
        "## Whom students followed",
        "",
        "How much each teacher counts, by the first word of the question, as learnt on the validation split. Types "
        "with few validation questions are taken together; one that is not listed has the weights of all.",
        "",
    ]
    for row, trust in found.items():
        header = ["questions", *trust["teachers"]]
        groups = [("all", trust["overall"]), *zip(trust["groups"], trust["by_group"])]
        body = [[name, *(f"{weight:.2f}" for weight in weights)] for name, weights in groups]
        lines += [f"{row}, of {trust['pairs']:,} pairs:", "", *markdown_lines(header, body, 1), ""]
    return "\n".join(lines)
