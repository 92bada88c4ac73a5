"""From a folder to what scores: an artifact of the store, or what ``tmkd export`` wrote."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tmkd.config.run import RuntimeConfig, check_runtime
from tmkd.errors import ConfigError, ModelError
from tmkd.evaluation.score_calibration import ScoreCalibration
from tmkd.export.calibrated import calibration_of, read_calibration
from tmkd.export.exported import AUTO, BACKENDS, ExportedModel, own_length
from tmkd.export.student import check_answers
from tmkd.models.classifier import PairClassifier
from tmkd.reranker.scorer import ClassifierScorer, check_exit
from tmkd.store.artifacts import MODEL, open_artifact
from tmkd.store.catalogue import locate
from tmkd.training.runtime import Runtime, resolve_runtime

Model = PairClassifier | ExportedModel
Scorer = ClassifierScorer | ExportedModel


@dataclass(frozen=True)
class Loaded:
    """A model, what it runs on, and what finds its calibration when that is asked for."""

    model: Model
    runtime: Runtime
    calibrate: Callable[[], ScoreCalibration]


def load_model(
    folder: str | Path,
    artifacts: str | Path | None,
    exit_at: int | None,
    device: str,
    precision: str,
    threads: int,
    backend: str,
    max_length: int | None,
) -> Loaded:
    """Read a folder; arguments and errors are those of ``Reranker.from_pretrained``."""
    check_runtime(RuntimeConfig(precision=precision, threads=threads))
    if backend not in BACKENDS:
        raise ConfigError(f"backend: expected one of {', '.join(BACKENDS)}, got {backend}.")
    folder = Path(folder).expanduser() if artifacts is None else locate(folder, Path(artifacts).expanduser())
    if not (folder / MODEL).is_dir():
        runtime = resolve_runtime(device="cpu", precision="fp32", threads=threads)
        exported = ExportedModel.read(folder, backend, max_length, precision)
        _check_export_device(str(device))
        whole = own_length(folder)
        return Loaded(exported, runtime, lambda: _of_length(max_length, whole, partial(read_calibration, folder)))
    if backend not in (AUTO, "torch"):
        raise ModelError(f"{folder}: expected an export where backend={backend}; run tmkd export --to {backend}.")
    runtime = resolve_runtime(device=device, precision=precision, threads=threads)
    artifact = open_artifact(folder)
    check_answers(artifact)
    student = PairClassifier.load(artifact.folder(MODEL), attention=runtime.attention)
    find = partial(calibration_of, artifact, exit=exit_at)
    return Loaded(student, runtime, lambda: _of_length(max_length, student.max_length, find))


def _check_export_device(device: str) -> None:
    if device not in (AUTO, "cpu"):
        raise ConfigError(
            f"device: expected auto or cpu, since an export runs on the CPU, got {device}; take one of these, or load "
            "the student itself (artifacts/stage2-KEY), which a GPU can run."
        )


def _of_length(asked: int | None, whole: int, find: Callable[[], ScoreCalibration]) -> ScoreCalibration:
    """Return a calibration (ModelError: it is not of scores of as many tokens as are read)."""
    if asked not in (None, whole):
        raise ModelError(
            f"max_length: expected the {whole} tokens that the calibration and the cut-offs are of, got {asked}; leave "
            "max_length away, or find cut-offs of your own with `tmkd evaluate --cutoffs`."
        )
    return find()


def scorer_of(model: Model, runtime: Runtime, exit_at: int | None, max_length: int | None) -> Scorer:
    """Return what scores by a model.

    Raises:
        ModelError: there is no such exit, which an export never has; or it does not read ``max_length`` tokens.
    """
    if isinstance(model, PairClassifier):
        return ClassifierScorer(model, runtime, exit_at, max_length)
    check_exit(exit_at, ())
    if max_length not in (None, model.max_length):
        raise ModelError(
            f"max_length: expected the {model.max_length} tokens that this export was loaded with, got {max_length}; "
            "load it with Reranker.from_pretrained(max_length=...)."
        )
    return model
