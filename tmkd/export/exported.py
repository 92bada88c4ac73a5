"""An export that is read again: ``tmkd.Reranker`` runs it by the program that it is for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
from transformers import AutoTokenizer

from tmkd.choices import CROSS_ENCODER, ONNX, ONNX_INT8, OPENVINO
from tmkd.data.long_texts import without_ends
from tmkd.errors import ConfigError, ModelError, TmkdError
from tmkd.export.graph import FILE, OPENVINO_FILE
from tmkd.export.programs import OPENVINO_BF16, PROGRAMS, Scorer
from tmkd.export.student import ALL_CLASSES, probabilities
from tmkd.models.hub import first_sentence

AUTO = "auto"  # whatever the folder is for
BACKENDS = (AUTO, "torch", "onnx", "openvino")
CLASSIFIER = "ForSequenceClassification"  # a model that has its head in itself; others need both of these
LEADS = ("modules.json", "config_sentence_transformers.json")
SHORTEST = 8  # tokens of a pair, as of the settings


@dataclass(frozen=True)
class ExportedModel:
    """A folder that ``tmkd export`` wrote.

    Attributes:
        folder: where it is.
        classes: their names; the last means "right" where ranked.
        scorer: the program that it is for, with a tokenizer of its own.
        tokenizer: finds what of two long texts need not be shown to that program.
        max_length: tokens of a pair that it reads.
        batch: pairs that the program scores fastest at once.
    """

    folder: Path
    classes: tuple[str, ...]
    scorer: Scorer
    tokenizer: Any
    max_length: int
    batch: int

    @classmethod
    def read(cls, folder: Path, backend: str, max_length: int | None = None, precision: str = "auto") -> ExportedModel:
        """Load it on the CPU; ``auto`` takes the backend that the folder's files are for.

        Args:
            max_length: tokens of a pair to read; None: as many as it was exported with.
            precision: bf16, which OpenVINO computes in alone; else that of the export.

        Raises:
            ConfigError: a backend whose package is missing, or which has no bf16.
            ModelError: the folder is no export, or none for this backend, or not whole, or it reads fewer tokens.
        """
        try:
            config = json.loads((folder / "config.json").read_text())
            classes, kind = config[ALL_CLASSES], str(config.get("architectures"))
        except (OSError, ValueError, KeyError, TypeError):
            raise ModelError(
                f"Expected the folder of a student (artifacts/stage2-KEY) or of an export of one, but {folder} is "
                "neither; reports/NAME/comparison.json names the artifacts of every row."
            ) from None
        target = _target(folder, backend)
        if precision == "bf16" and target != OPENVINO:
            raise ConfigError(
                f"precision=bf16: expected an export --to {OPENVINO} with backend={OPENVINO}, which alone computes an "
                f"export in it, got one --to {target}; leave precision at auto."
            )
        program = OPENVINO_BF16 if precision == "bf16" else PROGRAMS[target][-1]
        if not program.installed:
            raise ConfigError(f"{folder}: expected {program.name} to be installed, which runs this export; install it.")
        length = chosen_length(max_length, own_length(folder))
        _check_head(folder, target != CROSS_ENCODER or CLASSIFIER in kind)
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder)
            scorer = program.load(folder, max_length)
        except TmkdError:
            raise
        except Exception as error:  # of whatever kind: each program has its own
            raise ModelError(
                f"{folder}: {program.name} cannot load it ({first_sentence(error)[:300].rstrip('.')}); a file is "
                "missing, cut off or not to be read, so copy the export again, as a whole."
            ) from None
        return cls(folder, tuple(classes), scorer, tokenizer, length, program.batch)

    def probabilities(self, questions: Sequence[str], passages: Sequence[str], batch_size: int | None) -> np.ndarray:
        """Return the probabilities ``[pairs, classes]``, float64."""
        texts = without_ends(questions, passages, self.tokenizer, self.max_length)
        return probabilities(self.scorer(*texts, batch_size or self.batch), len(self.classes))


def _check_head(folder: Path, classifier: bool) -> None:
    """Raise ModelError where sentence-transformers would give an encoder a random head, for want of the export's."""
    if not classifier and (gone := [name for name in LEADS if not (folder / name).is_file()]):
        raise ModelError(
            f"{folder}: expected {gone[0]}, which leads to the export's head, but there is none, and scores would be "
            "random; copy the export again, as a whole."
        )


def own_length(folder: Path) -> int:
    """Return how many tokens of a pair an export reads (ModelError: its tokenizer's settings do not say it)."""
    file = folder / "tokenizer_config.json"
    try:
        return int(json.loads(file.read_text())["model_max_length"])
    except (OSError, ValueError, KeyError, TypeError):
        raise ModelError(f"{file}: expected model_max_length, which an export has; export the student again.") from None


def chosen_length(asked: int | None, own: int) -> int:
    """Return how many tokens of a pair are read; ``own`` is what the model learnt to read.

    Raises:
        ModelError: more are asked for, or so few that a pair is lost.
    """
    if asked is not None and not (isinstance(asked, Integral) and SHORTEST <= asked <= own):
        raise ModelError(f"max_length: expected from {SHORTEST} to the {own} tokens that the model reads, got {asked}.")
    return asked or own


def targets(folder: Path) -> dict[str, str]:
    """Return what a folder was exported to, by the backend that runs it."""
    found = {}
    if (folder / "model.safetensors").is_file():
        found["torch"] = CROSS_ENCODER  # whose program reads hf, too
    if (folder / FILE.parent).is_dir():
        found["onnx"] = ONNX if (folder / FILE).is_file() else ONNX_INT8
    if (folder / OPENVINO_FILE).is_file():
        found["openvino"] = OPENVINO
    return found


def _target(folder: Path, backend: str) -> str:
    """Return what the folder was exported to, as far as the backend reads it."""
    there = targets(folder)
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
