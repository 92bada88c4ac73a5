"""What an unlabelled corpus shares with the labelled splits: pairs, and questions.

Texts are the same where they are equal without the space around them, as for repetitions and leaks (``labelled``).
Memory holds eight bytes for each pair and each question of the splits, and one batch of the corpus.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from datasets import Dataset

from tmkd.data.schema import pair_id
from tmkd.data.splits import id_numbers
from tmkd.mapped import letting_go
from tmkd.parts import as_numbers, pack

BATCH = 10_000  # rows that are in memory at once
TRAIN = "train"  # whose text a corpus may hold: it is learnt from anyway


def overlap(
    corpus: Dataset, splits: Mapping[str, Dataset], done: Callable[[int], Any] = lambda _: None
) -> dict[str, dict[str, Any]]:
    """Count what the corpus shares with each split, ``train`` among them.

    Args:
        corpus, splits: pairs with the columns id, question and passage.
        done: told of every batch how many pairs of the corpus it has.

    Returns:
        For each split ``labelled``, how many pairs of the corpus are pairs of the split; ``pairs``, how many have a
        question of it; ``questions``, how many of its ``of`` questions these are. For validation and test also
        ``held_out``: how many pairs of the corpus are pairs of the split, or have a question of it that train lacks;
        and ``example``, the first of these (``row`` from 1, ``question``), None where there is none. Where questions
        are ranked no two splits share one, and ``held_out`` is ``pairs``; an NLI premise may stand in several splits.
    """
    with letting_go(*splits.values()):
        known = {split: (np.unique(id_numbers(rows)), _distinct(rows)) for split, rows in splits.items()}
    met = {split: np.zeros(len(questions), dtype=bool) for split, (_, questions) in known.items()}
    found: dict[str, dict[str, Any]] = {split: {"labelled": 0, "pairs": 0, "held_out": 0} for split in splits}
    first: dict[str, int] = {}
    start = 0
    with letting_go(corpus):
        for ids, questions in _numbers(corpus):
            asked = {split: _places(known[split][1], questions) for split in splits}
            for split, counts in found.items():
                places, shared = asked[split]
                _, labelled = _places(known[split][0], ids)
                met[split][places[shared]] = True
                held_out = labelled | (shared & ~asked[TRAIN][1])
                if held_out.any():
                    first.setdefault(split, start + int(held_out.argmax()))
                for name, rows in (("labelled", labelled), ("pairs", shared), ("held_out", held_out)):
                    counts[name] += int(rows.sum())
            start += len(ids)
            done(len(ids))
    for split, counts in found.items():
        counts |= {"questions": int(met[split].sum()), "of": len(met[split])}
        if split == TRAIN:
            del counts["held_out"]
        else:
            at = first.get(split)
            counts["example"] = None if at is None else {"row": at + 1, "question": corpus[at]["question"]}
    return found


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
