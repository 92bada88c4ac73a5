"""From text to batches: tokenise once, put pairs of similar length together, pad to the longest."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data import Sampler
from transformers import PreTrainedTokenizerBase

from tmkd.choices import CUT
from tmkd.data.encoding import encode_pairs
from tmkd.data.questions import Questions
from tmkd.states import PairStates, token_axes
from tmkd.store.memmap import letting_go

MULTIPLE = 8  # padded lengths are multiples of it: matrix products like them
ROWS = 10_000  # whose lengths are read together
IN_BATCH = ("input_ids", "token_type_ids", "label")  # columns: each more is another page to be mapped a pair
MEGABATCH = 50  # batches sorted by length together; the larger, the less padding and the less shuffling
# Megabatches an epoch at the least: with one of all pairs, those of one length would share a batch in every epoch.
MEGABATCHES = 8


def tokenise(
    rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int, long: str = CUT, cache: Path | None = None
) -> Dataset:
    """Return ``rows`` with the columns id, input_ids, length, and token_type_ids and label where there are any.

    ``long`` is what is read of a passage that is too long (see ``tmkd.data.long_passages``). ``cache`` is a folder for
    what does not fit into memory; without it, the tokens are kept there.
    """

    def encode(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        return encode_pairs(batch["question"], batch["passage"], tokenizer, max_length, long)

    drop = [name for name in rows.column_names if name not in ("id", "label")]
    if cache is not None:
        cache.mkdir(parents=True, exist_ok=True)
    with letting_go(rows):
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


class StateSource(Protocol):
    """Where teachers' inner states come from."""

    def plan(self, order: Sequence[int]) -> None:
        """Prepare for an epoch that asks for the pairs in this order."""

    def get(self, index: int) -> list[PairStates]:
        """Return the states of one pair, one dictionary a teacher, without padding."""


class PairDataset(TorchDataset[dict[str, Any]]):
    """Tokenised pairs with what is to be learnt of them.

    Args:
        soft_targets: ``[pairs, teachers, classes]``, float32.
        teacher_weights: how much each teacher counts, ``[pairs, teachers]``; None: all alike.
        states: the teachers' inner states.
        questions: which pairs are of one question, where batches are of whole questions.
    """

    def __init__(
        self,
        tokens: Dataset,
        soft_targets: np.ndarray | None = None,
        teacher_weights: np.ndarray | None = None,
        states: StateSource | None = None,
        questions: Questions | None = None,
    ) -> None:
        numbers = None if questions is None else questions.numbers
        known = {"soft targets": soft_targets, "teacher weights": teacher_weights, "question numbers": numbers}
        for name, values in known.items():
            if values is not None and len(values) != len(tokens):
                raise ValueError(f"expected {name} for {len(tokens)} pairs, but found {len(values)}")
        self.tokens = tokens
        self.soft_targets = soft_targets
        self.teacher_weights = teacher_weights
        self.states = states
        self.questions = questions
        self.lengths = lengths_of(tokens)
        self._read = tokens.select_columns([name for name in IN_BATCH if name in tokens.column_names])

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        """Return several rows, as a DataLoader asks for a batch."""
        rows = rows_at(self._read, [int(index) for index in indices])
        for row, index in zip(rows, indices, strict=True):
            if self.soft_targets is not None:
                row["soft_targets"] = self.soft_targets[index]
            if self.teacher_weights is not None:
                row["teacher_weights"] = self.teacher_weights[index]
            if self.states is not None:
                row["teacher_states"] = self.states.get(int(index))
            if self.questions is not None:
                row["questions"] = int(self.questions.numbers[index])
        return rows


def rows_at(tokens: Dataset, places: list[int]) -> list[dict[str, Any]]:
    """Return the rows at some places, as a Collator takes them: together they take a third of the time."""
    columns = tokens[places]
    return [dict(zip(columns, values)) for values in zip(*columns.values())]


def lengths_of(tokens: Dataset) -> np.ndarray:
    """Return the length of each pair, in the smallest signed type that holds them all: one or two bytes a pair."""
    found = [np.empty(0, dtype=np.int8)]
    for batch in tokens.with_format("numpy", columns=["length"]).iter(ROWS):
        found.append(batch["length"].astype(np.min_scalar_type(-1 - batch["length"].max())))
    return np.concatenate(found)


class Collator:
    """Pad a list of rows to a batch of tensors: input_ids, attention_mask, token_type_ids, labels, soft_targets,
    teacher_weights, questions, and teacher_states: for each teacher a dictionary of tensors.

    ``questions``, ``[batch]``, int64, is there where a batch is of whole questions; equal numbers are one question.

    Args:
        most: positions that the encoder has, where padding to a multiple stops; None: any number.
    """

    def __init__(self, pad_token_id: int, most: int | None = None) -> None:
        self.pad_token_id = pad_token_id
        self.most = most

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        longest = max(len(row["input_ids"]) for row in rows)
        width = padded(longest)
        if self.most is not None:
            width = max(longest, min(width, self.most))
        batch: dict[str, Any] = {
            "input_ids": _pad([row["input_ids"] for row in rows], width, self.pad_token_id),
            "attention_mask": _pad([[1] * len(row["input_ids"]) for row in rows], width, 0),
        }
        if "token_type_ids" in rows[0]:
            batch["token_type_ids"] = _pad([row["token_type_ids"] for row in rows], width, 0)
        if "label" in rows[0]:
            batch["labels"] = torch.tensor([row["label"] for row in rows])
        if "questions" in rows[0]:
            batch["questions"] = torch.tensor([row["questions"] for row in rows])
        for name in ("soft_targets", "teacher_weights"):
            if name in rows[0]:
                batch[name] = torch.from_numpy(np.stack([row[name] for row in rows]))
        if "teacher_states" in rows[0]:
            teachers = zip(*(row["teacher_states"] for row in rows))
            batch["teacher_states"] = [
                {state: _pad_state([states[state] for states in teacher], state[0], width) for state in teacher[0]}
                for teacher in teachers
            ]
        return batch


def padded(lengths: Any) -> Any:
    """Return a length, or an array of lengths, rounded up to what pairs are padded to."""
    return -(-lengths // MULTIPLE) * MULTIPLE


class LengthBuckets(Sampler[int]):
    """A shuffled order in which neighbours are padded to similar lengths.

    Pairs of one padded length are in random order, and so are the pairs of the last, short batch: which pairs meet in a
    batch says little about the next epoch. The order is a function of the seed and the epoch alone, so that a resumed
    run meets the same batches.
    """

    def __init__(self, lengths: np.ndarray, batch_size: int, seed: int) -> None:
        self.lengths = lengths
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0
        self.on_order: Callable[[np.ndarray], None] | None = None  # gets the order of each epoch before it begins

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        size, count = self.batch_size, len(self.lengths)
        random = np.random.default_rng([self.seed, self.epoch])
        order = np.arange(count, dtype=np.min_scalar_type(-1 - count))  # an epoch may be of hundreds of millions
        random.shuffle(order)
        batches = count // size
        # Only the very last batch may be short, or every batch after it would straddle two buckets.
        short = order[batches * size :]
        spans = max(-(-batches // MEGABATCH), min(batches, MEGABATCHES))
        edges = np.linspace(0, batches, spans + 1).round().astype(np.int64) * size
        for start, end in itertools.pairwise(edges):
            mega = order[start:end]
            widths = padded(self.lengths[mega].astype(np.int64))
            order[start:end] = mega[np.argsort(-widths, kind="stable")]
        turns = random.permutation(batches)
        if self.on_order is not None:
            self.on_order(np.concatenate([order[: batches * size].reshape(-1, size)[turns].ravel(), short]))
        for turn in turns:
            yield from order[turn * size : (turn + 1) * size].tolist()
        yield from short.tolist()


def _pad_state(rows: Sequence[np.ndarray], kind: str, width: int) -> Tensor:
    shape = [width if axis in token_axes(kind) else size for axis, size in enumerate(rows[0].shape)]
    padded = np.zeros((len(rows), *shape), dtype=rows[0].dtype)
    for at, row in enumerate(rows):
        padded[at][tuple(slice(size) for size in row.shape)] = row
    return torch.from_numpy(padded)


def _pad(rows: Sequence[Sequence[int]], width: int, value: int) -> Tensor:
    padded = np.full((len(rows), width), value, dtype=np.int64)
    for at, row in enumerate(rows):
        padded[at, : len(row)] = row
    return torch.from_numpy(padded)
