"""What an unlabelled corpus shares with the labelled splits: pairs, and questions.

Texts are the same where they are equal without the space around them, as for repetitions and leaks (``labelled``).
Memory holds eight bytes for each pair and each question of the splits, and one batch of the corpus.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from datasets import Dataset

from tmkd.data.schema import pair_id
from tmkd.data.splits import id_numbers
from tmkd.store.memmap import letting_go
from tmkd.store.shards import as_numbers, pack

BATCH = 10_000  # rows that are in memory at once
TRAIN = "train"  # whose text a corpus may hold: it is learnt from anyway


def overlap(
    corpus: Dataset, splits: Mapping[str, Dataset], done: Callable[[int], Any] = lambda _: None
) -> dict[str, dict[str, Any]]:
    """Count what the corpus shares with each split, ``train`` among them.

    Args:
        corpus, splits: pairs with the columns id, question and passage.
        done: is called with the number of pairs of each batch of the corpus.

    Returns:
        For each split ``labelled``, how many pairs of the corpus are pairs of the split; ``pairs``, how many have a
        question of it; ``questions``, how many of its ``of`` questions these are. For validation and test also
        ``held_out``: ``pairs`` and ``questions`` again, but only what train does not share (a pair, or a question), and
        ``example``, the first such pair (``row`` from 1, ``question``), None where there is none. Where questions are
        ranked no two splits share one, and both counts agree; an NLI premise may stand in several splits.
    """
    with letting_go(*splits.values()):
        known = {split: (np.unique(id_numbers(rows)), _distinct(rows)) for split, rows in splits.items()}
    found = {split: _Found(np.zeros(len(known[split][1]), np.int8)) for split in splits}
    start = 0
    with letting_go(corpus):
        for ids, questions in _numbers(corpus):
            asked = {split: _places(known[split][1], questions) for split in splits}
            for split, (places, shared) in asked.items():
                _, labelled = _places(known[split][0], ids)
                found[split].add(places, shared, labelled, labelled | (shared & ~asked[TRAIN][1]), start)
            start += len(ids)
            done(len(ids))
    return {split: counts.summary(corpus, split != TRAIN) for split, counts in found.items()}


@dataclass
class _Found:
    """What is counted of a split; ``met`` [questions]: 1 for those in the corpus, 2 for those that train lacks."""

    met: np.ndarray
    labelled: int = 0
    pairs: int = 0
    held_out: int = 0
    first: int | None = None  # place of a pair that train lacks

    def add(
        self, places: np.ndarray, shared: np.ndarray, labelled: np.ndarray, held_out: np.ndarray, start: int
    ) -> None:
        """Count a batch, [pairs] each: places of questions, whether they are shared, and whether the pairs are."""
        self.labelled += int(labelled.sum())
        self.pairs += int(shared.sum())
        self.held_out += int(held_out.sum())
        self.met[places[shared & ~held_out & (self.met[places] == 0)]] = 1
        self.met[places[held_out]] = 2
        if self.first is None and held_out.any():
            self.first = start + int(held_out.argmax())

    def summary(self, corpus: Dataset, with_held_out: bool) -> dict[str, Any]:
        counts: dict[str, Any] = {"labelled": self.labelled, "pairs": self.pairs}
        counts |= {"questions": int((self.met > 0).sum()), "of": len(self.met)}
        if with_held_out:
            first = None if self.first is None else self.first + 1
            example = first and {"row": first, "question": corpus[first - 1]["question"]}
            counts["held_out"] = {"pairs": self.held_out, "questions": int((self.met > 1).sum()), "example": example}
        return counts


def _places(known: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where in ``known``, sorted and not empty, each of the numbers would be, and whether it is there."""
    places = np.minimum(np.searchsorted(known, numbers), len(known) - 1)
    return places, known[places] == numbers


def _distinct(rows: Dataset) -> np.ndarray:
    return np.unique(np.concatenate([np.unique(questions) for _, questions in _numbers(rows)]))


def _numbers(rows: Dataset) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield ids and questions as numbers, uint64, of batch after batch; a question that comes again is hashed once."""
    for batch in rows.select_columns(["id", "question"]).with_format("arrow").iter(BATCH):
        asked = pa.chunked_array(batch["question"]).combine_chunks().dictionary_encode()
        hashed = as_numbers(pack([pair_id(question, "") for question in asked.dictionary.to_pylist()]))
        yield as_numbers(pack(batch["id"].to_pylist())), hashed[asked.indices.to_numpy()]
