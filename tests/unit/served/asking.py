"""One call of a served teacher."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from datasets import Dataset
from tqdm import tqdm

from tmkd.teachers.served import Served
from tmkd.training.runtime import resolve_runtime

CLASSES = ("irrelevant", "relevant")


def ask(teacher: Served, rows: Dataset, answers: Path, classes: tuple[str, ...] = CLASSES) -> np.ndarray:
    """Return the margins ``[pairs]`` that a teacher opened for this call gives; of one class, they are its logits."""
    with teacher.open(resolve_runtime(device="cpu"), classes, answers) as scorer, tqdm(disable=True) as bar:
        logits = scorer(rows, bar)
    assert logits.dtype == np.float32 and logits.shape == (len(rows), len(classes))
    margins: np.ndarray = logits[:, 1] - logits[:, 0] if len(classes) == 2 else logits[:, 0]
    return margins
