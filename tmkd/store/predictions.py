"""What a classifier predicts of validation and test: in its artifact, so that later tables need no model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tmkd.store.artifacts import Artifact

if TYPE_CHECKING:
    import numpy as np

PREDICTIONS = "predictions.safetensors"


def write_predictions(work: Path, logits: dict[str, np.ndarray]) -> None:
    """Write logits ``[heads, pairs, classes]`` by split, for every later table."""
    import numpy as np
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(each) for name, each in logits.items()}, work / PREDICTIONS)


def predictions(artifact: Artifact, split: str, exit: int | None = None) -> np.ndarray:
    """Return a classifier's predicting heads' logits ``[heads, pairs, classes]`` on validation or test.

    ``exit`` names a layer of a student: the one head of the exit after it.
    """
    from safetensors.numpy import load_file

    return load_file(artifact.file(PREDICTIONS))[split if exit is None else f"{split}, exit {exit}"]
