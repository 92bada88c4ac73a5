"""Files of a teacher's scores: one number a pair, or one for each class, in any format that can hold them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tmkd.data.bad_rows import NO_SCORE, BadRow
from tmkd.data.fields import shown
from tmkd.data.layouts.layout import SCORE, open_pairs
from tmkd.data.layouts.registry import LAYOUTS
from tmkd.data.layouts.texts import Texts
from tmkd.data.schema import pair_id
from tmkd.data.strange import KINDS
from tmkd.errors import DataError

LARGEST = float(np.finfo(np.float32).max)


class Scored(NamedTuple):
    """A pair with its score.

    Attributes:
        id: the pair's, made from the texts as the readers of task and corpus clean them.
        score: one number, or one for each class.
        file: its name, and what its records are counted in.
        number: of the record in it.
    """

    id: str
    score: tuple[float, ...]
    file: str
    number: int

    @property
    def where(self) -> str:
        return f"{self.file} {self.number}"


class Unscored(NamedTuple):
    """A row that gives no pair a score: its kind in ``tmkd.data.strange.KINDS``, where it is, and what is wrong."""

    kind: str
    where: str
    told: str


def read_scores(
    files: Iterable[Path], format: str, texts: Texts, advance: Callable[[int], Any] = lambda _: None
) -> Iterator[Scored | Unscored]:
    """Yield the scores of all files, in their order, and the rows without one; a pair may come more than once.

    Args:
        format: a name in ``tmkd.choices.SCORE_FORMATS``.
        texts: of queries and documents, where the format has ids.
        advance: called with the bytes read since its last call.

    Raises:
        DataError: a row that cannot be read.
    """
    for file in files:
        source = open_pairs(LAYOUTS[format], file, texts, want=SCORE, advance=advance)
        named = f"{source.name}, {source.unit}"
        for row, record in source.records:
            try:
                if isinstance(record, BadRow):
                    raise record
                value = record[SCORE]
                score = tuple(number(each) for each in (value if isinstance(value, list) else [value]))
            except BadRow as bad:
                if bad.kind not in KINDS:
                    raise DataError(f"{named} {row}: {bad}.") from None
                yield Unscored(bad.kind, f"{named} {row}", str(bad))
                continue
            yield Scored(pair_id(record["question"], record["passage"]), score, named, row)


def number(value: Any) -> float:
    """Return a score, or raise BadRow for what is no number that float32 holds, as scores are kept."""
    no_number = isinstance(value, bool) or (isinstance(value, str) and "_" in value)  # Python takes 1_000 for 1000
    try:
        found = math.nan if no_number else float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not abs(found) <= LARGEST:
        raise BadRow(NO_SCORE, f"the score must be a finite number but is {shown(value)}; score the pair again")
    return found
