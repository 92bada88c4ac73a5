"""How many pairs of a split are longer than what a model reads of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from tmkd.data.batching import lengths_of
from tmkd.data.long_passages import whole_texts
from tmkd.store.memmap import letting_go

BATCH = 10_000  # rows that are in memory at once


def count_cut(rows: Dataset, tokens: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> dict[str, int]:
    """Count the pairs that lost text to ``max_length``.

    Only pairs that are as long as the limit can have lost any; their texts are tokenised again, without it.

    Args:
        rows: question and passage.
        tokens: of ``tmkd.data.batching.tokenise``, in the same order.

    Returns:
        ``pairs``, and of these ``questions`` and ``passages``: in how many that text was cut. Both may be.
    """
    pairs = questions = passages = 0
    texts = rows.select_columns(["question", "passage"])
    with letting_go(rows, tokens):
        for start, read in enumerate(tokens.select_columns(["input_ids", "length"]).iter(BATCH)):
            full = np.flatnonzero(np.asarray(read["length"]) >= max_length)
            if not len(full):
                continue
            found = texts[(start * BATCH + full).tolist()]
            kept = [read["input_ids"][at] for at in full]
            question, passage = (
                np.array([not _holds(ids, whole) for ids, whole in zip(kept, whole_texts(found[name], tokenizer))])
                for name in ("question", "passage")
            )
            pairs += int((question | passage).sum())
            questions += int(question.sum())
            passages += int(passage.sum())
    return {"pairs": pairs, "questions": questions, "passages": passages}


def count_full(tokens: Dataset, max_length: int) -> int:
    """Return how many pairs are as long as ``max_length``: no fewer than were cut."""
    with letting_go(tokens):
        return int((lengths_of(tokens) >= max_length).sum())


def _holds(ids: Sequence[int], part: Sequence[int]) -> bool:
    size = len(part)
    return any(ids[at : at + size] == part for at in range(len(ids) - size + 1))
