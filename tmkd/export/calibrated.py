"""Calibrated scores and cut-offs of a student: computed from its predictions, or read from ``calibration.json``."""

from __future__ import annotations

import json
from pathlib import Path

from tmkd.errors import ModelError
from tmkd.evaluation.ensemble import average_probabilities
from tmkd.evaluation.score_calibration import ScoreCalibration, calibrate_scores
from tmkd.export.answers import Rows, answered, mean_logits
from tmkd.store.artifacts import Artifact
from tmkd.store.disk import written_whole

CALIBRATION = "calibration.json"
GRADES = "it learnt grades or numbers, whose scores are no probabilities."


def calibration_of(artifact: Artifact, *, exported: bool = False, exit: int | None = None) -> ScoreCalibration:
    """Fit an artifact's map and cut-offs on its predictions of validation, and judge them on test.

    Args:
        exported: of an export's scores, the mean of the heads' logits; else of ``Reranker``'s.
        exit: of the early exit after this layer.

    Raises:
        ModelError: its task, or its predictions, are not there.
        DataError: its scores cannot be calibrated: there are too few pairs, or they do not rise with the labels.
    """
    mean = mean_logits if exported else average_probabilities
    validation, test = (
        answered(artifact, Rows.read(artifact, split), split, mean, exit) for split in ("validation", "test")
    )
    if validation.probabilities.shape[1] == 1:
        raise ModelError(f"{artifact.name} has no calibration: {GRADES}")
    return calibrate_scores(validation, test)


def write_calibration(calibration: ScoreCalibration, of: Artifact, folder: Path) -> None:
    """Write ``calibration.json`` into an export."""
    document = {"artifact": of.name, **calibration.to_json()}
    with written_whole(folder / CALIBRATION) as temporary:
        temporary.write_text(json.dumps(document, indent=1) + "\n")


def read_calibration(folder: Path) -> ScoreCalibration:
    """Read ``calibration.json`` of an export (ModelError: there is none, or it is broken)."""
    file = folder / CALIBRATION
    if not file.is_file():
        raise ModelError(
            f"{folder}: expected {CALIBRATION}, which a student's calibrated scores are read from, but there is none: "
            "its README.md says why; or export it again with this version."
        )
    try:
        return ScoreCalibration.from_json(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{file}: expected what tmkd export wrote but it is broken ({error}); export again.") from None
