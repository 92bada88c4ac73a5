"""An export that is read again: ``tmkd.Reranker`` runs it by the program that it is for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from transformers import AutoTokenizer

from tmkd.choices import CROSS_ENCODER, ONNX, ONNX_INT8, OPENVINO
from tmkd.data.long_texts import without_ends
from tmkd.errors import ConfigError, ModelError
from tmkd.export.graph import FILE, OPENVINO_FILE
from tmkd.export.programs import BATCH, PROGRAMS, Scorer
from tmkd.export.student import ALL_CLASSES, probabilities

AUTO = "auto"  # whatever the folder is for
BACKENDS = (AUTO, "torch", "onnx", "openvino")


@dataclass(frozen=True)
class ExportedModel:
    """A folder that ``tmkd export`` wrote.

    Attributes:
        folder: where it is.
        classes: their names; the last means "right" where ranked.
        scorer: the program that it is for, with a tokenizer of its own.
        tokenizer: finds what of two long texts need not be shown to that program.
    """

    folder: Path
    classes: tuple[str, ...]
    scorer: Scorer
    tokenizer: Any

    @classmethod
    def read(cls, folder: Path, backend: str) -> ExportedModel:
        """Load it on the CPU; ``auto`` takes the backend that the folder's files are for.

        Raises:
            ConfigError: a backend that is not known, or whose package is missing.
            ModelError: the folder is no export, or none for this backend.
        """
        if backend not in BACKENDS:
            raise ConfigError(f"backend: expected one of {', '.join(BACKENDS)}, got {backend}.")
        try:
            classes: Any = json.loads((folder / "config.json").read_text())[ALL_CLASSES]
        except (OSError, ValueError, KeyError):
            raise ModelError(
                f"Expected the folder of a student (artifacts/stage2-KEY) or of an export of one, but {folder} is "
                "neither; reports/NAME/comparison.json names the artifacts of every row."
            ) from None
        program = PROGRAMS[_target(folder, backend)][-1]
        if not program.installed:
            raise ConfigError(f"{folder}: expected {program.name} to be installed, which runs this export; install it.")
        return cls(folder, tuple(classes), program.load(folder), AutoTokenizer.from_pretrained(folder))

    def probabilities(self, questions: Sequence[str], passages: Sequence[str], batch_size: int | None) -> np.ndarray:
        """Return the probabilities ``[pairs, classes]``, float64."""
        texts = without_ends(questions, passages, self.tokenizer, self.tokenizer.model_max_length)
        return probabilities(self.scorer(*texts, batch_size or BATCH), len(self.classes))


def _target(folder: Path, backend: str) -> str:
    """Return what the folder was exported to, as far as the backend reads it."""
    there = {}
    if (folder / "model.safetensors").is_file():
        there["torch"] = CROSS_ENCODER  # whose program reads hf, too
    if (folder / FILE.parent).is_dir():
        there["onnx"] = ONNX if (folder / FILE).is_file() else ONNX_INT8
    if (folder / OPENVINO_FILE).is_file():
        there["openvino"] = OPENVINO
    if backend == AUTO and len(there) == 1:
        return next(iter(there.values()))
    if backend in there:
        return there[backend]
    if backend == AUTO and there:
        raise ModelError(f"{folder}: expected one export but it holds several; name backend={' or '.join(there)}.")
    raise ModelError(
        f"{folder}: expected an export that backend={backend} can run, but it has other files; export the student --to "
        f"{backend.replace('torch', CROSS_ENCODER).replace(AUTO, CROSS_ENCODER)}, or name another backend."
    )
