"""Text for a masked language model: in each pair some tokens are hidden, others every epoch.

Which ones is a function of the seed, the epoch and the pair, so that a resumed run meets the same masks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch.utils.data import Dataset as TorchDataset
from transformers import PreTrainedTokenizerBase

from tmkd.data.batching import Collator, lengths_of
from tmkd.errors import DataError
from tmkd.losses.language import UNMASKED


def mask_tokens(
    tokens: np.ndarray, random: np.random.Generator, *, share: float, special: np.ndarray, mask: int, vocabulary: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return what a model reads and what it is to predict, both ``[tokens]``: the token, or ``UNMASKED``.

    Of the ordinary tokens, ``share`` are to be predicted, one at least; of these 80 % become ``mask``, 10 % a random
    token and 10 % stay (Devlin et al. 2019, section 3.1).

    Args:
        special: tokens that are left alone.
        vocabulary: random tokens are below it.
    """
    ordinary = np.flatnonzero(~np.isin(tokens, special))
    # The fraction is a matter of chance, or short pairs would have too many or too few.
    count = min(len(ordinary), max(1, int(share * len(ordinary) + random.random())))
    chosen = random.choice(ordinary, count, replace=False)
    wanted = np.full_like(tokens, UNMASKED)
    wanted[chosen] = tokens[chosen]
    fate = random.random(count)
    read = tokens.copy()
    read[chosen[fate < 0.8]] = mask
    other = chosen[(fate >= 0.8) & (fate < 0.9)]
    read[other] = random.integers(vocabulary, size=len(other))
    return read, wanted


class MaskedPairs(TorchDataset[dict[str, Any]]):
    """Tokenised pairs, masked: ``input_ids`` as the model reads them, and ``masked``, what it is to predict.

    The masks are those of ``epoch``, which whoever trains on the pairs counts up.

    Raises:
        DataError: no pairs.
        ValueError: the tokenizer has no token for a masked one.
    """

    states = None  # of teachers, as a PairDataset may have

    def __init__(self, tokens: Dataset, tokenizer: PreTrainedTokenizerBase, share: float, seed: int) -> None:
        if not len(tokens):
            raise DataError("expected text to mask, but there is none; give the corpus more pairs.")
        if tokenizer.mask_token_id is None:
            raise ValueError("expected a tokenizer with a mask token")
        self.tokens = tokens
        self.lengths = lengths_of(tokens)
        self.share = share
        self.seed = seed
        self.epoch = 0
        self.special = np.asarray(sorted(set(tokenizer.all_special_ids)))
        self.mask = tokenizer.mask_token_id
        self.vocabulary = len(tokenizer)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = self.tokens[int(index)]
        random = np.random.default_rng([self.seed, self.epoch, int(row["id"], 16)])
        read, wanted = mask_tokens(
            np.asarray(row["input_ids"]),
            random,
            share=self.share,
            special=self.special,
            mask=self.mask,
            vocabulary=self.vocabulary,
        )
        return {**row, "input_ids": read, "masked": wanted}


class MaskedCollator:
    """Pad rows of MaskedPairs to a batch of tensors: as ``Collator``, with ``masked``, ``UNMASKED`` at padding."""

    def __init__(self, pad_token_id: int, most: int | None = None) -> None:
        self.collate = Collator(pad_token_id, most)

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        batch = self.collate(rows)
        masked = torch.full_like(batch["input_ids"], UNMASKED)
        for at, row in enumerate(rows):
            masked[at, : len(row["masked"])] = torch.from_numpy(row["masked"])
        return {**batch, "masked": masked}
