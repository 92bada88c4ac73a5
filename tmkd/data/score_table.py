"""The scores of all files of a teacher as one table, kept in a file, with what was strange in them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from tmkd.data.scores import Scored, Unscored
from tmkd.data.strange import TWO_SCORES, Strange
from tmkd.errors import DataError
from tmkd.store.shards import BATCH, as_numbers, pack

ROWS = 2**40  # more than any file has, so that a file and a row of it are one number


class Table(NamedTuple):
    """The scores of many pairs, in the order of their numbers.

    Attributes:
        numbers: ids as numbers, ``[pairs]``, uint64.
        scores: ``[pairs, 1]`` or ``[pairs, classes]``, float32.
        places: of each pair's first row, ``[pairs]``, int64: its file's place in ``files`` × ``ROWS`` + its number.
        files: their names, each with what its records are counted in.
        strange: what gave no pair a score.
    """

    numbers: np.ndarray
    scores: np.ndarray
    places: np.ndarray
    files: Sequence[str]
    strange: Sequence[Strange]

    def find(self, numbers: np.ndarray) -> np.ndarray:
        """Return the scores of pairs by their numbers ``[n]``: ``[n, 1 or classes]``; NaN where there is none."""
        at, there = self._at(numbers)
        return np.where(there[:, None], self.scores[at], np.float32("nan")).astype(np.float32)

    def others(self, batches: Iterable[np.ndarray]) -> tuple[int, str]:
        """Return how many pairs are in none of the batches of numbers ``[n]``, and the file and row of the first."""
        asked = np.zeros(len(self.numbers), dtype=bool)
        for numbers in batches:
            at, there = self._at(numbers)
            asked[at[there]] = True
        return int((~asked).sum()), "" if asked.all() else place_of(int(self.places[~asked].min()), self.files)

    def _at(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return where each number stands ``[n]``, and whether it is there ``[n]``."""
        at = np.minimum(np.searchsorted(self.numbers, numbers), len(self.numbers) - 1)
        return at, self.numbers[at] == numbers


def make_table(rows: Iterable[Scored | Unscored], name: str) -> Table:
    """Return all scores as a table; a pair with two different scores has none.

    While it is made, 16 bytes a pair and 4 for each of its numbers are held, and the same once more to sort them.

    Args:
        name: of where they are from, for messages.

    Raises:
        DataError: rows with other numbers of scores than the first, or no score.
    """
    numbers: list[np.ndarray] = []
    values: list[np.ndarray] = []
    places: list[np.ndarray] = []
    files: dict[str, int] = {}
    strange: list[Strange] = []
    for batch in _batches(_noting(rows, strange)):
        width = values[0].shape[1] if values else len(batch[0].score)
        for each in batch:
            if len(each.score) != width:
                raise DataError(
                    f"{each.where}: expected {width} numbers for the score as in the rows before but found "
                    f"{len(each.score)}; give all pairs the same."
                )
        numbers.append(as_numbers(pack([each.id for each in batch])))
        values.append(np.array([each.score for each in batch], dtype=np.float32))
        where = (files.setdefault(each.file, len(files)) * ROWS + each.number for each in batch)
        places.append(np.fromiter(where, dtype=np.int64, count=len(batch)))
    if values:
        made = _joined(np.concatenate(numbers), np.concatenate(values), np.concatenate(places), list(files), strange)
        if len(made.numbers):
            return made
        strange = list(made.strange)
    found = f" ({', '.join(each.told for each in strange)}): {strange[0].first}." if strange else "; add rows."
    raise DataError(f"{name}: expected at least one score but found none{found}")


def save_table(table: Table, path: Path) -> None:
    """Write a table into one file."""
    facts = {"files": json.dumps(table.files), "strange": json.dumps(table.strange)}
    save_file({"numbers": table.numbers, "scores": table.scores, "places": table.places}, path, facts)


def load_table(path: Path) -> Table:
    """Return a table as it was saved."""
    with safe_open(path, "numpy") as file:
        numbers, scores, places = (file.get_tensor(name) for name in ("numbers", "scores", "places"))
        return Table(numbers, scores, places, json.loads(file.metadata()["files"]), _strange(file.metadata()))


def load_strange(path: Path) -> list[Strange]:
    """Return what gave no pair a score, without reading the scores."""
    with safe_open(path, "numpy") as file:
        return _strange(file.metadata())


def _strange(facts: Mapping[str, str]) -> list[Strange]:
    return [Strange(*each) for each in json.loads(facts["strange"])]


def _joined(ids: np.ndarray, scores: np.ndarray, places: np.ndarray, files: list[str], strange: list[Strange]) -> Table:
    """Return the table of rows in the order of their files, without pairs whose scores differ."""
    order = np.argsort(ids, kind="stable")
    ids, scores, places = ids[order], scores[order], places[order]
    again = np.flatnonzero(ids[1:] == ids[:-1]) + 1
    kept = np.ones(len(ids), dtype=bool)
    kept[again] = False
    differ = again[(scores[again] != scores[again - 1]).any(axis=1)]
    if len(differ):
        unknown = np.unique(ids[differ])
        kept &= ~np.isin(ids, unknown)
        at = differ[np.argmin(places[differ])]
        here, before = (place_of(int(places[each]), files) for each in (at, at - 1))
        first = (
            f"{here}: the score {_told(scores[at])} is not the {_told(scores[at - 1])} that the same pair has in "
            f"{before}; leave one of the two"
        )
        strange = [*strange, Strange(TWO_SCORES, len(unknown), first)]
    return Table(ids[kept], scores[kept], places[kept], files, strange)


def place_of(place: int, files: Sequence[str]) -> str:
    """Return the file and row of a place in ``Table.places``."""
    return f"{files[place // ROWS]} {place % ROWS}"


def _noting(rows: Iterable[Scored | Unscored], strange: list[Strange]) -> Iterator[Scored]:
    """Yield what has a score; the other rows are added to ``strange``, one entry a kind."""
    last: dict[str, str] = {}  # a row of several pairs counts once
    for each in rows:
        if isinstance(each, Scored):
            yield each
            continue
        if each.kind not in last:
            strange.append(Strange(each.kind, 0, f"{each.where}: {each.told}"))
        if last.get(each.kind) != each.where:
            at = next(at for at, known in enumerate(strange) if known.kind == each.kind)
            strange[at] = strange[at]._replace(number=strange[at].number + 1)
        last[each.kind] = each.where


def _batches(scored: Iterable[Scored]) -> Iterator[list[Scored]]:
    batch: list[Scored] = []
    for each in scored:
        batch.append(each)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _told(scores: np.ndarray) -> str:
    return " ".join(f"{score:.9g}" for score in scores.tolist())
