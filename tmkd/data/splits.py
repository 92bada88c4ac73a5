"""Choosing rows: by question, never by row, and by content, never by position, so that a draw survives a reshuffle."""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from datasets import Dataset

from tmkd.store.shards import as_numbers, ids_of

log = logging.getLogger(__name__)
BATCH = 10_000  # rows that are in memory at once
FIRST = 16  # bits of an id by which many are counted apart
REST = np.uint64(64 - FIRST)


def draw_validation(rows: Dataset, share: float, seed: int) -> tuple[Dataset, Dataset]:
    """Divide labelled rows into training and validation rows; all rows of a question go the same way.

    A question is what shares an id or a text: ids may have several texts, and a text several ids.

    Args:
        share: of the questions, that validate; a draw with a smaller share is part of one with a larger.
    """
    question, names = _named(rows["question"], rows["question_id"])  # a question's smallest text names it
    drawn = np.array([_fraction(f"{seed}\x1f{name}") < share for name in names])
    chosen = drawn[question]
    return rows.select(np.flatnonzero(~chosen)), rows.select(np.flatnonzero(chosen))


def whole_questions(question_ids: Sequence[str], questions: Sequence[str]) -> list[str]:
    """Return the question of each row ``[rows]``, by its smallest id: what shares an id or a text is one question."""
    question, names = _named(question_ids, questions)
    found: list[str] = names[question].tolist()
    return found


def _named(first: Sequence[str], second: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the group of each row ``[rows]``, what shares one of two texts, and each group's smallest first text."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    names, place = np.unique(np.asarray(first, dtype=object), return_inverse=True)
    others, beside = np.unique(np.asarray(second, dtype=object), return_inverse=True)
    size = len(names) + len(others)
    links = coo_array((np.ones(len(place)), (place, len(names) + beside)), shape=(size, size))
    _, group = connected_components(links, directed=False)
    _, smallest = np.unique(group[: len(names)], return_index=True)
    return group[place], names[smallest]


def rankable(rows: Dataset, what: str) -> Dataset:
    """Return the rows of the questions that have both a right and a wrong passage, or passages of two different grades;
    log how many are left out."""
    labels: dict[str, set[float]] = defaultdict(set)
    for question, label in zip(rows["question_id"], rows["label"]):
        labels[question].add(label)
    kept = [at for at, question in enumerate(rows["question_id"]) if len(labels[question]) > 1]
    left = sum(len(found) < 2 for found in labels.values())
    if left:
        log.info(
            "%s: %d of %d questions (%d rows) have passages of one label alone and are left out",
            what,
            left,
            len(labels),
            len(rows) - len(kept),
        )
    return rows.select(kept)


def draw_pairs(rows: Dataset, pairs: int) -> Dataset:
    """Return ``pairs`` of the rows in their order (all, if there are no more); fewer are always part of more."""
    if pairs >= len(rows):
        return rows
    # Ids are hashes of the content already: their order is random enough. The greatest one that is drawn is looked for
    # by its first bits and then among those that share them, or all of them would have to be in memory.
    counts = np.zeros(2**FIRST, dtype=np.int64)
    for numbers in _id_batches(rows):
        counts += np.bincount((numbers >> REST).astype(np.int64), minlength=len(counts))
    below = counts.cumsum()
    first = np.searchsorted(below, pairs)
    alike = np.concatenate([numbers[numbers >> REST == first] for numbers in _id_batches(rows)])
    place = pairs - 1 - below[first] + counts[first]
    greatest = np.partition(alike, place)[place]
    return rows.select(np.flatnonzero(np.concatenate([numbers <= greatest for numbers in _id_batches(rows)])))


def held_out(rows: Dataset, column: str, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the places of the rows to learn from, and of about ``share`` of them to judge by.

    Rows with the same text in ``column`` go the same way, so that what judges has not been learnt.
    """
    batches = rows.select_columns(column).iter(BATCH)
    texts = (text for batch in batches for text in batch[column])
    drawn = np.fromiter((_fraction(f"held out\x1f{text}") < share for text in texts), dtype=bool, count=len(rows))
    return np.flatnonzero(~drawn), np.flatnonzero(drawn)


def id_numbers(rows: Dataset) -> np.ndarray:
    """Return the ids of pairs as numbers [rows], uint64, which have the order of the ids: 8 bytes each."""
    return np.concatenate([np.empty(0, dtype=np.uint64), *_id_batches(rows)])


def _id_batches(rows: Dataset) -> Iterator[np.ndarray]:
    return (as_numbers(ids) for ids in ids_of(rows))


def _fraction(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64
