"""From text to batches: tokenise once, put pairs of similar length together, pad to the longest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data import Sampler
from transformers import PreTrainedTokenizerBase

MULTIPLE = 8  # padded lengths are multiples of it: matrix products like them
MEGABATCH = 50  # batches sorted by length together; the larger, the less padding and the less shuffling


def tokenise(rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int, cache: Path | None = None) -> Dataset:
    """Return ``rows`` with the columns id, input_ids, length, and token_type_ids and label where there are any.

    A tokenizer without separators of its own (GPT-2) gets its end-of-text token after the question and the passage.
    ``cache`` is a folder for what does not fit into memory; without it, the tokens are kept there.
    """
    bare = tokenizer.num_special_tokens_to_add(pair=True) == 0

    def encode(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        if bare:
            end = tokenizer.eos_token
            texts = [f"{question}{end}{passage}" for question, passage in zip(batch["question"], batch["passage"])]
            encoded = dict(tokenizer(texts, truncation=True, max_length=max_length - 1, return_attention_mask=False))
            encoded["input_ids"] = [[*ids, tokenizer.eos_token_id] for ids in encoded["input_ids"]]
        else:
            encoded = dict(
                tokenizer(
                    batch["question"],
                    batch["passage"],
                    truncation="longest_first",
                    max_length=max_length,
                    return_attention_mask=False,
                )
            )
        return {**encoded, "length": [len(ids) for ids in encoded["input_ids"]]}

    drop = [name for name in rows.column_names if name not in ("id", "label")]
    if cache is not None:
        cache.mkdir(parents=True, exist_ok=True)
    return rows.map(
        encode,
        batched=True,
        remove_columns=drop,
        desc="tokenise",
        load_from_cache_file=False,
        # or it would be put beside the rows, into an artifact that was published
        cache_file_name=str(cache / "tokens.arrow") if cache else None,
        keep_in_memory=cache is None,
    )


class PairDataset(TorchDataset):
    """Tokenised pairs, with soft targets ``[pairs, teachers, classes]`` (float32) where something is to be learnt."""

    def __init__(self, tokens: Dataset, soft_targets: np.ndarray | None = None) -> None:
        if soft_targets is not None and len(soft_targets) != len(tokens):
            raise ValueError(f"expected soft targets for {len(tokens)} pairs, but found {len(soft_targets)}")
        self.tokens = tokens
        self.soft_targets = soft_targets
        self.lengths = np.asarray(tokens["length"])

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = self.tokens[int(index)]
        if self.soft_targets is not None:
            row["soft_targets"] = self.soft_targets[index]
        return row


class Collator:
    """Pad a list of rows to a batch of tensors: input_ids, attention_mask, token_type_ids, labels, soft_targets."""

    def __init__(self, pad_token_id: int) -> None:
        self.pad_token_id = pad_token_id

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
        longest = max(len(row["input_ids"]) for row in rows)
        width = -(-longest // MULTIPLE) * MULTIPLE
        batch = {
            "input_ids": _pad([row["input_ids"] for row in rows], width, self.pad_token_id),
            "attention_mask": _pad([[1] * len(row["input_ids"]) for row in rows], width, 0),
        }
        if "token_type_ids" in rows[0]:
            batch["token_type_ids"] = _pad([row["token_type_ids"] for row in rows], width, 0)
        if "label" in rows[0]:
            batch["labels"] = torch.tensor([row["label"] for row in rows])
        if "soft_targets" in rows[0]:
            batch["soft_targets"] = torch.from_numpy(np.stack([row["soft_targets"] for row in rows]))
        return batch


class LengthBuckets(Sampler[int]):
    """A shuffled order in which neighbours have similar lengths.

    The order is a function of the seed and the epoch alone, so that a resumed run meets the same batches.
    """

    def __init__(self, lengths: np.ndarray, batch_size: int, seed: int) -> None:
        self.lengths = lengths
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        random = np.random.default_rng([self.seed, self.epoch])
        order = random.permutation(len(self.lengths))
        span = MEGABATCH * self.batch_size
        batches: list[np.ndarray] = []
        short: list[np.ndarray] = []
        for start in range(0, len(order), span):
            mega = order[start : start + span]
            mega = mega[np.argsort(-self.lengths[mega], kind="stable")]
            for at in range(0, len(mega), self.batch_size):
                batch = mega[at : at + self.batch_size]
                (batches if len(batch) == self.batch_size else short).append(batch)
        # only the very last batch may be short, or every batch after it would straddle two buckets
        for index in [*random.permutation(len(batches))]:
            yield from batches[index].tolist()
        for batch in short:
            yield from batch.tolist()


def _pad(rows: Sequence[Sequence[int]], width: int, value: int) -> Tensor:
    padded = np.full((len(rows), width), value, dtype=np.int64)
    for at, row in enumerate(rows):
        padded[at, : len(row)] = row
    return torch.from_numpy(padded)
