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
from tmkd.errors import DataError
from tmkd.store.shards import BATCH, as_numbers, pack

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


class Table(NamedTuple):
    """The scores of many pairs, in the order of their numbers.

    Attributes:
        numbers: ids as numbers, ``[pairs]``, uint64.
        scores: ``[pairs, 1]`` or ``[pairs, classes]``, float32.
    """

    numbers: np.ndarray
    scores: np.ndarray

    def find(self, numbers: np.ndarray) -> np.ndarray:
        """Return the scores of pairs by their numbers ``[n]``: ``[n, 1 or classes]``; NaN where there is none."""
        places = np.minimum(np.searchsorted(self.numbers, numbers), len(self.numbers) - 1)
        there = self.numbers[places] == numbers
        return np.where(there[:, None], self.scores[places], np.float32("nan")).astype(np.float32)


def read_scores(
    files: Iterable[Path], format: str, texts: Texts, advance: Callable[[int], Any] = lambda _: None
) -> Iterator[Scored]:
    """Yield the scores of all files, in their order; a pair may come more than once.

    Args:
        format: a name in ``tmkd.choices.SCORE_FORMATS``.
        texts: of queries and documents, where the format has ids.
        advance: called with the bytes read since its last call.

    Raises:
        DataError: a row that cannot be read, or whose score is missing or no finite number.
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
                raise DataError(f"{named} {row}: {bad}.") from None
            yield Scored(pair_id(record["question"], record["passage"]), score, named, row)


def make_table(scored: Iterable[Scored], name: str) -> Table:
    """Return all scores as a table.

    While it is made, 24 bytes a pair and 4 for each of its numbers are held, and the same once more to sort them.

    Args:
        name: of where they are from, for messages.

    Raises:
        DataError: two different scores for one pair, rows with other numbers of scores than the first, or no row.
    """
    numbers: list[np.ndarray] = [np.empty(0, dtype=np.uint64)]
    values: list[np.ndarray] = []
    places: list[np.ndarray] = [np.empty((0, 2), dtype=np.int64)]
    files: dict[str, int] = {}
    for batch in _batches(scored):
        width = values[0].shape[1] if values else len(batch[0].score)
        for each in batch:
            if len(each.score) != width:
                raise DataError(
                    f"{each.where}: expected {width} numbers for the score as in the rows before but found "
                    f"{len(each.score)}; give all pairs the same."
                )
        numbers.append(as_numbers(pack([each.id for each in batch])))
        values.append(np.array([each.score for each in batch], dtype=np.float32))
        places.append(np.array([(files.setdefault(each.file, len(files)), each.number) for each in batch], np.int64))
    ids = np.concatenate(numbers)
    if not len(ids):
        raise DataError(f"{name}: expected at least one score but found none; add rows.")
    scores, where = np.concatenate(values), np.concatenate(places)
    order = np.argsort(ids, kind="stable")
    ids, scores, where = ids[order], scores[order], where[order]
    again = np.flatnonzero(ids[1:] == ids[:-1]) + 1
    differ = again[(scores[again] != scores[again - 1]).any(axis=1)]
    if len(differ):
        at = differ[np.lexsort(where[differ].T[::-1])[0]]
        names = list(files)
        here, before = (f"{names[file]} {number}" for file, number in (where[at], where[at - 1]))
        raise DataError(
            f"{here}: the score {_told(scores[at])} is not the {_told(scores[at - 1])} that the same pair has in "
            f"{before}; leave one of the two."
        )
    first = np.ones(len(ids), dtype=bool)
    first[again] = False
    return Table(ids[first], scores[first])


def _batches(scored: Iterable[Scored]) -> Iterator[list[Scored]]:
    batch: list[Scored] = []
    for each in scored:
        batch.append(each)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def number(value: Any) -> float:
    """Return a score, or raise BadRow for what is no number that float32 holds, as scores are kept."""
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not abs(found) <= LARGEST:
        raise BadRow(NO_SCORE, f"the score must be a finite number but is {shown(value)}; score the pair again")
    return found


def _told(scores: np.ndarray) -> str:
    return " ".join(f"{score:.9g}" for score in scores.tolist())
