"""A short trial of a classifier on this machine: how fast it learns and scores, and in how much memory.

The trial trains and scores with the very functions that a run uses, on pairs of the task. Its results are kept nowhere:
a machine is as busy as it is now.
"""

from __future__ import annotations

import functools
import tempfile
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasets import Dataset

    from tmkd.models.classifier import PairClassifier
    from tmkd.training.runtime import Runtime

SECONDS = 3.0  # how long a trial is timed, at the least
LEARNING_RATE = 1e-6  # the speed is the same at any, and none diverges at this one


@dataclass(frozen=True)
class Trial:
    """What is known of a classifier after its trial.

    Attributes:
        parameters: of the classifier; ``learnable`` are those that a training changes, ``saved`` those that a
            checkpoint holds.
        speeds: tokens a second, padding and batching included, by the training's batch size; of scoring under None.
        peak_bytes: the most memory held: the device's where it has its own, else the process's.
        sizes: pairs and tokens of each split that it reads, by ``Work.source``.
    """

    parameters: int
    learnable: int
    saved: int
    speeds: dict[int | None, float]
    peak_bytes: float
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)


def try_out(
    model: PairClassifier,
    tokens: Dataset,
    batches: Collection[int | None],
    runtime: Runtime,
    what: str,
    trainer: dict[str, Any],
) -> Trial:
    """Train and score ``model`` on some of ``tokens``; its weights are of no use afterwards.

    Args:
        tokens: labelled.
        batches: the batch sizes to train with; None to score, in batches of ``runtime.score_batch``.
        what: for the bars.
        trainer: ``warmup``, ``weight_decay``, ``max_grad_norm`` and ``schedule`` of the run.
    """
    from tqdm import tqdm

    from tmkd.data.batching import PairDataset
    from tmkd.losses.combine import gold_term
    from tmkd.models.lora import learnable
    from tmkd.training.cost import measured
    from tmkd.training.fit import fit
    from tmkd.training.predict import predict

    def train(part: Dataset, batch: int) -> float:
        with tempfile.TemporaryDirectory() as scratch:
            facts = fit(
                model,
                PairDataset(part),
                [gold_term(1.0)],
                scratch=Path(scratch),
                runtime=runtime,
                what=f"calibrate: train {what}",
                seed=1,
                learning_rate=LEARNING_RATE,
                batch_size=batch,
                epochs=1,
                **trainer,
            )
        return float(facts["cost"]["peak_bytes"])

    def score(part: Dataset) -> float:
        with (
            tqdm(total=len(part), desc=f"calibrate: score with {what}", unit="pair", dynamic_ncols=True) as bar,
            measured(runtime.device) as cost,
        ):
            predict(model, part, runtime, bar)
        return cost["peak_bytes"]

    saved = sum(weight.numel() for weight in model.state_dict().values())
    speeds: dict[int | None, float] = {}
    peaks = [0.0]
    for batch in batches:
        if batch is None:
            speeds[batch], peak = timed(score, tokens, runtime.score_batch)
        else:
            speeds[batch], peak = timed(functools.partial(train, batch=batch), tokens, batch)
        peaks.append(peak)
    return Trial(model.parameter_count, learnable(model), saved, speeds, max(peaks))


def timed(run: Callable[[Dataset], float], tokens: Dataset, pairs: int) -> tuple[float, float]:
    """Return the tokens a second of ``run``, and what it returned (bytes) when it was timed.

    After a first call to warm up, with ``pairs`` of the tokens, it is called with more and more of them, until it takes
    ``SECONDS`` or there are no more.
    """
    from tmkd.data.splits import draw_pairs

    run(draw_pairs(tokens, pairs))
    while True:
        part = draw_pairs(tokens, pairs)
        started = time.perf_counter()
        peak = run(part)
        seconds = time.perf_counter() - started
        if seconds >= SECONDS or len(part) == len(tokens):
            return sum(part["length"]) / seconds, peak
        pairs = round(pairs * max(2.0, 1.2 * SECONDS / seconds))
