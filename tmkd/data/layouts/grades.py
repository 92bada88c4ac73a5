"""Grades of relevance on their way from one format to another: kept where the other one can hold them, else folded."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tmkd.choices import PAIRS
from tmkd.data.bad_rows import NO_CLASS, BadRow
from tmkd.data.fields import shown
from tmkd.data.layouts.layout import LABEL, Layout, open_pairs
from tmkd.data.layouts.pairs import Losses
from tmkd.data.layouts.texts import Texts
from tmkd.spelling import as_text, is_number

QRELS = ("beir", "trec", "msmarco")  # formats of which each label is a grade
HOLD_GRADES = (PAIRS, "sentence_transformers", *QRELS)  # others tell right from wrong alone
FOLDED = "grades (above 0 is right, the others are wrong)"


def with_grades(layout: Layout) -> Layout:
    """Return a format whose labels are its grades, where it is one of ``QRELS``."""
    return replace(layout, pairs=layout.graded) if layout.graded and layout.name in QRELS else layout


def whole(value: Any) -> int | None:
    """Return a whole number, in any spelling (1, 1.0, "1.0"); None for any other value."""
    found = as_text(value)
    number = float(found) if found is not None and is_number(found) else math.nan
    return int(number) if number.is_integer() else None


def grade_of(value: Any, place: str) -> int:
    """Return the grade that stands in ``place``, or raise BadRow: it is no whole number."""
    if (grade := whole(value)) is None:
        raise BadRow(NO_CLASS, f"{place} must be a whole number but is {shown(value)}; mend the grade")
    return grade


def kept(grade: int, keep: bool, losses: Losses) -> int | bool:
    """Return a grade, or whether it is relevant, above 0; what is folded then, and is neither 0 nor 1, is counted."""
    if keep:
        return grade
    losses.lost[FOLDED] += grade not in (0, 1)
    return grade > 0


def keeps_grades(layout: Layout, target: str, files: Iterable[Path], texts: Texts) -> bool:
    """Whether labels of ``target`` are to be grades.

    Our own pairs have the names of classes where every grade is 0 or 1, which only reading all of them tells.
    """
    if target != PAIRS or layout.name not in QRELS:
        return target in HOLD_GRADES
    records = (record for file in files for _, record in open_pairs(with_grades(layout), file, texts).records)
    return any((whole(record.get(LABEL)) or 0) > 1 for record in records if not isinstance(record, BadRow))
