"""How fast an export answers on this machine: measured when it is written, in a few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from tmkd.export.pairs import Pairs
from tmkd.export.programs import Readers
from tmkd.store.provenance import processor

PASSAGES = 20  # of one question, scored at once
MANY = 128  # pairs, for the throughput
SECONDS = 1.5  # for each of the two
RUNS = 3  # of each, at least: of slow models


@dataclass(frozen=True)
class Latency:
    """What was measured.

    Attributes:
        program: that read the folder.
        median, slow: milliseconds for a question with ``PASSAGES`` passages, 50 and 95 % of the runs below.
        runs: how many.
        pairs_per_second: of many pairs, ``batch`` at once.
        words: of a mean pair.
        threads, processor: of the machine.
    """

    program: str
    median: float
    slow: float
    runs: int
    pairs_per_second: float
    batch: int
    words: float
    threads: int
    processor: str


def measure(readers: Readers, pairs: Pairs) -> Latency | None:
    """Time the first program that reads such folders; None where none is installed.

    Args:
        pairs: texts like those that it will read; the first ones are taken, again and again where they are few.
    """
    if not readers.installed:
        return None
    program, score = readers.installed[0], readers.first
    at = np.resize(np.arange(len(pairs)), MANY)
    questions, passages = ([texts[place] for place in at] for texts in (pairs.questions, pairs.passages))
    one = [questions[0]] * PASSAGES
    alone = _timed(lambda: score(one, passages[:PASSAGES], program.batch))
    many = _timed(lambda: score(questions, passages, program.batch))
    words = float(np.mean([len(f"{question} {passage}".split()) for question, passage in zip(questions, passages)]))
    median, slow = (1000 * np.quantile(alone, (0.5, 0.95))).tolist()
    return Latency(
        program.name,
        median,
        slow,
        len(alone),
        MANY / float(np.median(many)),
        program.batch,
        words,
        torch.get_num_threads(),
        processor(),
    )


def _timed(run: Callable[[], object]) -> list[float]:
    """Return the seconds of each run, after one that does not count."""
    run()
    found: list[float] = []
    while len(found) < RUNS or sum(found) < SECONDS:
        started = time.perf_counter()
        run()
        found.append(time.perf_counter() - started)
    return found
