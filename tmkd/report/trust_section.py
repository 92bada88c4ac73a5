"""Whom students followed: the weights of teachers that were learnt on validation, as a section of a report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tmkd.choices import FIRST_WORD, NOTHING, QUESTION_WORD
from tmkd.report.tables import markdown_lines

WORDS = {
    FIRST_WORD: "by the first word of the question",
    QUESTION_WORD: "by the question word",
    NOTHING: "for all questions alike",
}


def trust_section(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Return a section of Markdown with a table for each row of the comparison whose weights were learnt.

    Args:
        found: by row ``by``, what groups are; ``teachers``, their names; and the fields of
            ``tmkd.evaluation.trust.Trust``. Reports of earlier versions have neither ``by`` nor ``sizes``.
    """
    lines = [
        "## Whom students followed",
        "",
        "How much each teacher counts, as learnt on the validation split. A group with few validation pairs has "
        "weights near those of all; one that is not listed has the weights of all.",
        "",
    ]
    for row, trust in found.items():
        by = trust.get("by", FIRST_WORD)
        sizes = trust.get("sizes") or [None] * len(trust["groups"])
        header = ["group", "validation pairs", *trust["teachers"]]
        groups = [
            ("all", trust["pairs"], trust["overall"]),
            *zip(trust["groups"], sizes, trust["by_group"], strict=True),
        ]
        body = [
            [name, "–" if size is None else f"{size:,}", *(f"{weight:.2f}" for weight in weights)]
            for name, size, weights in groups
        ]
        lines += [f"{row}, {WORDS.get(by, f'by `{by}`')}:", "", *markdown_lines(header, body, 1), ""]
    return "\n".join(lines)
