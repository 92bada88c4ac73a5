"""The pipeline on a corpus made on the spot, with a model that costs next to nothing: everything but it is real."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tmkd.config import Config, resolve
from tmkd.experiment.experiment import Experiment

CHUNK = 50_000
WORDS = np.array(list("abcdefghijklmnopqrstuvwxyz"))  # a token each, to the smoke experiment's tokeniser


def write_corpus(path: Path, count: int) -> None:
    """Write ``count`` pairs that all differ as JSON lines, 24 tokens each."""
    random = np.random.default_rng(1)
    with path.open("w") as file:
        for start in range(0, count, CHUNK):
            size = min(CHUNK, count - start)
            words = [" ".join(row) for row in random.choice(WORDS, (size, 13))]
            file.writelines(
                json.dumps({"question": f"which {start + at:08d}"[6:], "passage": text}) + "\n"
                for at, text in enumerate(words)
            )


def checked(folder: Path, settings: Sequence[str]) -> Config:
    """Return the checked config of the command line's settings; paths lie under ``folder``."""
    from hydra import compose, initialize_config_dir

    from tmkd.config import check
    from tmkd.shipped import CONF

    paths = [f"paths.{name}={folder / name}" for name in ("artifacts", "reports", "runs")]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return check(resolve(compose("config", [*settings, *paths])))


def experiment(folder: Path, corpus: Path) -> Experiment:
    """Return the smoke experiment with this corpus, one teacher, one arm, one seed."""
    settings = [
        "experiment=smoke",
        "corpus=files",
        f"corpus.path={corpus}",
        "teachers.count=1",
        "method=tmkd",
        "student.seeds=[1]",
        "stage1.batch_size=128",
        "runtime.device=cpu",
    ]
    return Experiment(checked(folder, settings))


def simulate(progress: Path | None = None) -> None:
    """Let every classifier answer from the mean of its token numbers instead of its encoder.

    Its heads still learn. ``progress`` is a file that holds, after every batch, the pairs scored so far.
    """
    from tmkd.models.classifier import PairClassifier, PairOutput
    from tmkd.models.heads import GOLD

    counter = os.open(progress, os.O_RDWR | os.O_CREAT) if progress else None
    seen = 0

    def forward(self: Any, input_ids: Any, attention_mask: Any, **_: Any) -> PairOutput:
        nonlocal seen
        mean = (input_ids * attention_mask).float().mean(dim=1, keepdim=True) / 50
        h1 = mean.expand(-1, self.heads.linear.in_features)
        logits = self.heads(h1)
        if counter is not None:
            seen += len(input_ids)
            os.pwrite(counter, f"{seen:012d}".encode(), 0)
        gold = self.heads.names[0] == GOLD
        return PairOutput(logits, logits[:, 0] if gold else None, logits[:, 1:] if gold else logits, h1=h1)

    PairClassifier.forward = forward  # type: ignore[method-assign, assignment]
