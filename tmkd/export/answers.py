"""What a student predicted of its task's splits, with their labels: read from the store, where it was trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from datasets import Dataset, load_from_disk
from scipy.special import softmax

from tmkd.data.schema import parts_of
from tmkd.errors import ModelError
from tmkd.evaluation.ensemble import average_probabilities
from tmkd.evaluation.score_calibration import Split
from tmkd.store.artifacts import Artifact
from tmkd.store.predictions import PREDICTIONS, predictions

# Logits of the heads that predict [heads, pairs, classes], to probabilities [pairs, classes]
Mean = Callable[[np.ndarray], np.ndarray]


def mean_logits(logits: np.ndarray) -> np.ndarray:
    """Return the probabilities of an export, whose one linear map is the mean of the heads; of one logit the score."""
    mean: np.ndarray = logits.astype(np.float64).mean(axis=0)
    return mean if mean.shape[-1] == 1 else softmax(mean, axis=-1)


def task_folder(artifact: Artifact) -> Path:
    """Return where the task of an artifact is, if it lies beside it."""
    return artifact.root / f"task-{artifact.manifest['spec'].get('task')}"


@dataclass(frozen=True)
class Rows:
    """The labelled rows of a split."""

    labels: np.ndarray
    question_ids: list[str]
    parts: list[str] | None

    @classmethod
    def read(cls, artifact: Artifact, split: str) -> Rows:
        """Read the split of an artifact's task (ModelError: it does not lie beside the artifact)."""
        folder = task_folder(artifact) / split
        if not folder.is_dir():
            raise ModelError(
                f"{artifact.name}: expected the task that it was trained on beside it ({folder.parent.name}), whose "
                "labels its scores are calibrated by, but there is none; export the student where it was trained: "
                "calibration.json of the export has the map."
            )
        rows = Dataset.with_format(load_from_disk(str(folder)), None)
        return cls(np.asarray(rows["label"]), list(rows["question_id"]), parts_of(rows))


def answered(
    artifact: Artifact, rows: Rows, split: str, mean: Mean = average_probabilities, exit: int | None = None
) -> Split:
    """Return what an artifact predicted of a split.

    Args:
        mean: of several heads.
        exit: the layer whose early exit answers.

    Raises:
        ModelError: the artifact has no predictions of it.
    """
    if PREDICTIONS not in artifact.manifest["files"]:
        raise ModelError(
            f"{artifact.name}: expected its predictions ({PREDICTIONS}) but there are none; train it again."
        )
    try:
        logits = predictions(artifact, split, exit)
    except KeyError:
        raise ModelError(f"{artifact.name}: expected predictions of the {split} split but it has none.") from None
    if logits.shape[1] != len(rows.labels):
        raise ModelError(
            f"{artifact.name}: expected predictions of the {len(rows.labels)} pairs of {split} but found "
            f"{logits.shape[1]}; its task is another one."
        )
    return Split(mean(logits), rows.labels, rows.question_ids)
