"""Choosing rows: by question, never by row, and by content, never by position, so that a draw survives a reshuffle."""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict

import numpy as np
from datasets import Dataset

log = logging.getLogger(__name__)
BATCH = 10_000  # rows that are in memory at once


def draw_validation(rows: Dataset, share: float, seed: int) -> tuple[Dataset, Dataset]:
    """Divide labelled rows into training and validation rows; all rows of a question go the same way.

    Args:
        share: of the questions, that validate; a draw with a smaller share is part of one with a larger.
    """
    drawn = {question: _fraction(f"{seed}\x1f{question}") < share for question in set(rows["question"])}
    chosen = [drawn[question] for question in rows["question"]]
    return (
        rows.select([at for at, validates in enumerate(chosen) if not validates]),
        rows.select([at for at, validates in enumerate(chosen) if validates]),
    )


def rankable(rows: Dataset, what: str) -> Dataset:
    """Return the rows of the questions that have both a right and a wrong passage; the log tells how many went."""
    labels: dict[str, set[int]] = defaultdict(set)
    for question, label in zip(rows["question_id"], rows["label"]):
        labels[question].add(label)
    kept = [at for at, question in enumerate(rows["question_id"]) if len(labels[question]) > 1]
    left = sum(len(found) < 2 for found in labels.values())
    if left:
        log.info(
            "%s: %d of %d questions (%d rows) lack a right or a wrong passage and are left out",
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
    ids = id_numbers(rows)  # hashes of the content already: their order is random enough
    return rows.select(np.flatnonzero(ids <= np.partition(ids, pairs - 1)[pairs - 1]))


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
    batches = rows.select_columns("id").iter(BATCH)
    return np.fromiter((int(name, 16) for batch in batches for name in batch["id"]), dtype=np.uint64, count=len(rows))


def _fraction(text: str) -> float:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64
