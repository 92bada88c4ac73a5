"""Reading pairs with one model: forward passes only, the longest batches first."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor, nn
from tqdm import tqdm

from tmkd.data.batching import Collator, lengths_of, rows_at
from tmkd.errors import REMEDY, TrainingDiverged
from tmkd.models.classifier import PairClassifier
from tmkd.models.positions import positions_of
from tmkd.training.runtime import Runtime

INPUTS = ("input_ids", "token_type_ids")
Columns = Mapping[str, Sequence[Any]]  # of tokens in memory: a Dataset costs milliseconds, which one question feels


@torch.inference_mode()
def predict(
    model: PairClassifier,
    tokens: Dataset | Columns,
    runtime: Runtime,
    bar: tqdm | None = None,
    answer: Callable[..., Tensor] | None = None,
) -> np.ndarray:
    """Return every head's logits ``[pairs, heads, classes]``, float32, in the order of ``tokens``.

    Args:
        bar: is moved on by the number of pairs.
        answer: of a batch to something else of the model's, ``[batch, anything, classes]``.

    Raises:
        TrainingDiverged: not all of them are finite.
    """
    answer = answer or logits_of(model)
    logits = np.empty((0, len(model.heads.names), len(model.classes)), dtype=np.float32)
    lengths = lengths_of(tokens) if isinstance(tokens, Dataset) else np.asarray(tokens["length"])
    for chosen, batch in longest_first(model, lengths, batches_of(model, tokens), runtime, bar):
        scored = answered(answer, batch, runtime)
        if not len(logits):
            logits = np.empty((len(lengths), *scored.shape[1:]), dtype=np.float32)
        logits[chosen] = scored
    return logits


def logits_of(model: PairClassifier) -> Callable[..., Tensor]:
    """Return what gives every head's logits of a batch, ``[batch, heads, classes]``."""
    return lambda **batch: model(**batch).logits


@torch.inference_mode()
def answered(answer: Callable[..., Tensor], batch: Mapping[str, Any], runtime: Runtime) -> np.ndarray:
    """Return what ``answer`` gives of one batch, on the device: ``[batch, anything, classes]``, float32.

    Raises:
        TrainingDiverged: not all of it is finite.
    """
    with runtime.scoring():
        scored = answer(**batch).float().cpu().numpy()
    if not np.isfinite(scored).all():  # or they would go into metrics and soft labels unnoticed
        raise TrainingDiverged(f"The classifier's scores are not finite (NaN or infinite numbers); {REMEDY}.")
    return scored


def longest_first(
    model: nn.Module,
    lengths: np.ndarray,
    batch_of: Callable[[np.ndarray], Mapping[str, Any]],
    runtime: Runtime,
    bar: tqdm | None = None,
) -> Iterator[tuple[np.ndarray, dict[str, Any]]]:
    """Yield places of pairs and the batch of them, on the device; the model is not training meanwhile.

    Pairs of similar length share a batch, and a device that has no memory for the longest says so at once.

    Args:
        lengths: of all pairs.
        batch_of: of places to the batch of the pairs there.
        bar: is moved on by the number of pairs.
    """
    was_training = model.training
    if was_training:
        model.eval()
    order = np.argsort(-lengths, kind="stable")
    for start in range(0, len(order), runtime.score_batch):
        chosen = order[start : start + runtime.score_batch]
        yield chosen, to_device(batch_of(chosen), runtime.device)
        if bar is not None:
            bar.update(len(chosen))
    if was_training:
        model.train()


def batches_of(model: PairClassifier, tokens: Dataset | Columns) -> Callable[[np.ndarray], dict[str, Tensor]]:
    """Return what puts pairs, known by their places, into a batch as the model reads it."""
    collate = Collator(model.tokenizer.pad_token_id, positions_of(model.encoder))
    if isinstance(tokens, Dataset):
        inputs = tokens.select_columns([name for name in INPUTS if name in tokens.column_names])
        return lambda chosen: collate(rows_at(inputs, chosen.tolist()))
    read = [name for name in INPUTS if name in tokens]
    return lambda chosen: collate([{name: tokens[name][at] for name in read} for at in chosen])


def predict_together(
    model: PairClassifier, tokens: Dataset, runtime: Runtime, answer: Callable[..., Tensor] | None = None
) -> np.ndarray:
    """As ``predict``, in every process at once: each scores its share of the pairs, and all have the result."""
    if (processes := runtime.processes) is None:
        return predict(model, tokens, runtime, answer=answer)
    own = predict(model, tokens.select(range(processes.rank, len(tokens), processes.count)), runtime, answer=answer)
    shares = processes.gather(own)
    logits = np.empty((len(tokens), *shares[0].shape[1:]), dtype=np.float32)
    for rank, share in enumerate(shares):
        if len(share):
            logits[rank :: processes.count] = share
    return logits


def pairs_per_second(
    model: PairClassifier,
    tokens: Dataset,
    runtime: Runtime,
    rounds: int = 3,
    answer: Callable[..., Tensor] | None = None,
) -> float:
    """Return the median speed over ``rounds`` passes, after one to warm up, padding and batching included.

    ``answer`` is as for ``predict``.
    """
    predict(model, tokens, runtime, answer=answer)
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        predict(model, tokens, runtime, answer=answer)
        times.append(time.perf_counter() - started)
    return len(tokens) / float(np.median(times))


def to_device(batch: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    """Return the batch with its tensors on the device."""
    return {name: value.to(device) if isinstance(value, Tensor) else value for name, value in batch.items()}
