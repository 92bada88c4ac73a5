"""Which pairs are of one question, and which of them an epoch learns from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from datasets import Dataset

from tmkd.data.splits import id_numbers
from tmkd.store.memmap import letting_go

ROWS = 10_000  # whose question ids are read together


@dataclass(frozen=True)
class Questions:
    """The questions of some pairs.

    Attributes:
        numbers: ``[pairs]``, integers from 0: equal where two pairs are of one question; there may be gaps.
        right: ``[pairs]``, bool: whether the passage answers it; None where there are no labels.
    """

    numbers: np.ndarray
    right: np.ndarray | None = None


def number_questions(rows: Dataset, by: str = "question_id") -> np.ndarray:
    """Return the number of each row's question, from 0 in the order of their first rows: ``[rows]``, int32.

    Args:
        by: the column that tells questions apart.
    """
    chunks = [column.combine_chunks().dictionary_encode() for column in _column(rows, by)]
    if not chunks:
        return np.empty(0, dtype=np.int32)
    unified = pa.chunked_array(chunks).unify_dictionaries()
    return np.concatenate([chunk.indices.to_numpy() for chunk in unified.chunks])


def any_group(rows: Dataset) -> bool:
    """Return whether any question has several passages; rows are read until one has."""
    # in most files they are neighbours
    if any(len(column.unique()) < len(column) for column in _column(rows, "question_id")):
        return True
    return len(np.unique(number_questions(rows))) < len(rows)


def shared_ids(rows: Dataset) -> dict[str, tuple[str, str]]:
    """Return the question ids that stand for questions with different texts, each with the first two of these."""
    ids, texts = number_questions(rows), number_questions(rows, by="question")
    first = np.unique(ids, return_index=True)[1]
    other = np.flatnonzero(texts != texts[first[ids]])
    shared, at = np.unique(ids[other], return_index=True)
    return {
        rows[int(first[number])]["question_id"]: (
            rows[int(first[number])]["question"],
            rows[int(other[place])]["question"],
        )
        for number, place in zip(shared, at, strict=True)
    }


def numbers_of(rows: Dataset, some: Dataset) -> np.ndarray:
    """Return the question numbers ``[some]`` of some of the rows, which have the ids and the order of these."""
    numbers = number_questions(rows)
    if len(some) == len(rows):
        return numbers
    kept = np.isin(id_numbers(rows), id_numbers(some))
    if kept.sum() != len(some):
        raise ValueError(f"expected {len(some)} pairs to be among the rows once each, but found {kept.sum()}")
    return numbers[kept]


class Groups:
    """The pairs of each question that an epoch learns from.

    With a limit, the right passages come first: all of them, as long as a wrong one fits as well, else one that is
    drawn. The other places are for wrong passages, which are drawn again in every epoch. Without labels all are drawn.
    Which pairs are drawn changes from epoch to epoch, but not how many: ``sizes`` stays the same.

    Args:
        limit: pairs of a question at most; 0: all.

    Attributes:
        sizes: pairs of each question, ``[questions]``; ``starts`` are where each begins in what ``draw`` returns.
    """

    def __init__(self, questions: Questions, limit: int) -> None:
        known = np.bincount(questions.numbers) > 0
        small = np.min_scalar_type(-1 - 2 * len(questions.numbers))  # there may be hundreds of millions
        # The right passages of a question are one part, the wrong ones the next; without labels one is empty.
        part = (2 * known.cumsum() - 2).astype(small)[questions.numbers]
        part += ~questions.right if questions.right is not None else True
        held = np.bincount(part, minlength=2 * int(known.sum()))
        self._order = np.argsort(part, kind="stable").astype(small)
        self._parts = part[self._order]
        # of each pair in its part
        self._place = (np.arange(len(part)) - np.repeat(held.cumsum() - held, held)).astype(small)
        right, wrong = held[0::2], held[1::2]
        if limit:
            right = np.where(right < limit, right, 1)
            wrong = np.minimum(wrong, limit - right)
        self._taken = np.stack([right, wrong], axis=1).ravel()
        self._all = bool((self._taken == held).all())
        self.sizes = right + wrong
        self.starts = self.sizes.cumsum() - self.sizes

    def draw(self, random: np.random.Generator) -> np.ndarray:
        """Return the pairs of an epoch, ``[sum of sizes]``, question after question, the right ones first."""
        if self._all:
            return self._order
        mixed = self._order[np.lexsort((random.random(len(self._order), dtype=np.float32), self._parts))]
        drawn: np.ndarray = mixed[self._place < self._taken[self._parts]]
        return drawn


def _column(rows: Dataset, name: str) -> Iterator[pa.ChunkedArray]:
    with letting_go(rows):
        for table in rows.select_columns(name).with_format("arrow").iter(ROWS):
            yield table[name]
