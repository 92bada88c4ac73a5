"""What contenders work on, made on the spot: pairs of the paper's lengths, teachers, and the student before training.

Speed depends on shapes and lengths, not on what a model knows, so the texts are random words and the teachers' heads
random weights. Every model is tmkd's ``PairClassifier``, for the peers too: what is compared is who trains it and how.
"""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset, load_from_disk
from torch import nn
from torch.utils.data import DataLoader, RandomSampler, Sampler
from transformers import BertModel

from tmkd.data.batching import Collator, LengthBuckets, PairDataset, tokenise
from tmkd.data.schema import pair_id
from tmkd.models.classifier import PairClassifier
from tmkd.models.encoder import load_encoder
from tmkd.models.heads import AVERAGE, GOLD
from tmkd.training.runtime import Runtime, resolve_runtime

CLASSES = ("wrong", "right")
MAX_LENGTH = 64
QUESTION_WORDS, PASSAGE_WORDS = 5.86, 43.74  # means of DeepQA, the paper's Table 2
WARMUP, WEIGHT_DECAY, MAX_GRAD_NORM, LEARNING_RATE = 0.1, 0.01, 1.0, 2e-4


def encoder(case: dict[str, Any], **how: Any) -> Any:
    """Return the case's encoder: MiniLM, 6 layers of 384, or a random one of 3 layers of 32 (``encoder: tiny``)."""
    return load_encoder(source="tiny" if case["encoder"] == "tiny" else "embedded", **how)


def teacher_encoder(case: dict[str, Any], number: int) -> Any:
    """Return a teacher's encoder: the case's, or a random BERT of [layers, width] where the case's ``shapes`` say so.

    Tokens are read from disk by all, so its tokenizer, and thereby its vocabulary, is the case's. So are its heads of
    attention: MiniLM has as many as BERT-base and MPNet, 12.
    """
    like = encoder(case)
    shape = case["shapes"][number] if "shapes" in case else None
    if shape is None:
        return like
    layers, width = shape
    config = copy.deepcopy(like.model.config)
    config.update({"num_hidden_layers": layers, "hidden_size": width, "intermediate_size": 4 * width})
    return dataclasses.replace(like, model=BertModel(config, add_pooling_layer=False))


def pairs(count: int, words: Sequence[str], seed: int = 1) -> Dataset:
    """Return pairs of random words, about as long as DeepQA's (one word a token), with random labels."""
    random = np.random.default_rng(seed)
    vocabulary = np.array(words)
    long = np.stack([random.poisson(QUESTION_WORDS, count), random.gamma(4, PASSAGE_WORDS / 4, count).round()], axis=1)
    rows = []
    for question, passage in long.astype(int).clip(2, 120):
        one, other = (" ".join(random.choice(vocabulary, size)) for size in (question, passage))
        rows.append(
            {"id": pair_id(one, other), "question": one, "passage": other, "label": int(random.integers(len(CLASSES)))}
        )
    return Dataset.from_list(rows)


def make(case: dict[str, Any], folder: Path) -> None:
    """Write ``rows``, ``tokens`` and ``teacher-<i>`` for a case."""
    model = encoder(case)
    words = sorted(word for word in model.tokenizer.get_vocab() if word.isascii() and word.isalpha())
    rows = pairs(case["pairs"], words)
    rows.save_to_disk(str(folder / "rows"))
    tokenise(rows, model.tokenizer, MAX_LENGTH).save_to_disk(str(folder / "tokens"))
    for number in range(case.get("teachers", 0)):
        torch.manual_seed(100 + number)
        teacher = PairClassifier(teacher_encoder(case, number), [GOLD], CLASSES, MAX_LENGTH)
        # logits of a trained teacher's size: near zero, a soft loss that went wrong would hardly show
        nn.init.normal_(teacher.heads.linear.weight, std=2 / math.sqrt(teacher.heads.linear.in_features))
        teacher.save(folder / f"teacher-{number + 1}")


def runtime(case: dict[str, Any]) -> Runtime:
    """Return tmkd's runtime with its defaults, but for the precision."""
    return resolve_runtime(precision=case["precision"], device="cpu")


def tokens(folder: Path) -> Dataset:
    """Return the case's pairs, tokenised once for all contenders."""
    return load_from_disk(str(folder / "tokens"))


def teachers(case: dict[str, Any], folder: Path) -> list[PairClassifier]:
    """Return the teachers, frozen, with dropout off."""
    found = [PairClassifier.load(folder / f"teacher-{n + 1}", attention="eager") for n in range(case["teachers"])]
    return [teacher.eval().requires_grad_(False) for teacher in found]


def student(case: dict[str, Any], targets: str, seed: int) -> PairClassifier:
    """Return the student before training: the bottom 3 layers, a gold head and one soft head, or one a teacher.

    It is a function of the arguments: every contender gets the same weights.
    """
    torch.manual_seed(seed)
    bottom = encoder(case, keep=3, dropout=0.0, freeze_embeddings=True, pooling="mean", attention="eager")
    soft = [AVERAGE] if targets == "average" else [f"teacher-{n + 1}" for n in range(case["teachers"])]
    return PairClassifier(bottom, [GOLD, *soft], CLASSES, MAX_LENGTH)


class EveryEpoch(LengthBuckets):
    """The order in which tmkd meets the pairs, for trainers that do not tell a sampler which epoch begins."""

    def __iter__(self) -> Iterator[int]:
        yield from super().__iter__()
        self.set_epoch(self.epoch + 1)


def loader(case: dict[str, Any], folder: Path, seed: int, buckets: bool = True) -> DataLoader:
    """Return the batches that tmkd would see, in its order, padded as it pads them; or as chance has it."""
    dataset = PairDataset(tokens(folder))
    order: Sampler
    if buckets:
        order = EveryEpoch(dataset.lengths, case["batch_size"], seed)
    else:
        order = RandomSampler(dataset, generator=torch.Generator().manual_seed(seed))
    return DataLoader(dataset, batch_size=case["batch_size"], sampler=order, collate_fn=Collator(0))
