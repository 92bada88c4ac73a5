"""An export from beginning to end: written beside its place, proven there, and renamed into it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from tmkd.choices import CROSS_ENCODER, EXPORTS, HF, ONNX, ONNX_INT8, OPENVINO
from tmkd.errors import ConfigError, ModelError
from tmkd.evaluation.score_calibration import ScoreCalibration
from tmkd.export import int8
from tmkd.export.calibrated import write_calibration
from tmkd.export.card import losses, write_card
from tmkd.export.checkpoint import check_checkpoint, write_checkpoint
from tmkd.export.graph import write_onnx, write_openvino
from tmkd.export.hub import check_push, push_folder
from tmkd.export.latency import measure
from tmkd.export.modular import write_modular
from tmkd.export.pairs import pairs_for
from tmkd.export.programs import Readers
from tmkd.export.receipt import Receipt, receipt
from tmkd.export.student import Student
from tmkd.export.tokenizer import name_known_class
from tmkd.export.verification import Proof, verify
from tmkd.store.disk import alone, check_new, folder_written_whole
from tmkd.training.runtime import resolve_runtime

log = logging.getLogger(__name__)
MOST_PAIRS = 10_000
MOST_LOST = 0.005
LARGEST = 2**31  # bytes of an ONNX file
NEEDS = {  # packages, by target, and the extra that brings them
    ONNX: (("onnx", "onnxscript", "onnxruntime"), "onnx"),
    ONNX_INT8: (("onnx", "onnxscript", "onnxruntime"), "onnx"),
    OPENVINO: (("onnx", "onnxscript", "openvino"), "openvino"),
}


@dataclass(frozen=True)
class Exported:
    """A folder that was written.

    Attributes:
        lost: what differs from the student, a sentence each.
        proof: what each program said; None where nobody was asked.
        receipt: what the card says of the student.
        address: of its page on the hub; None: it was not uploaded.
    """

    folder: Path
    lost: list[str]
    proof: Proof | None
    receipt: Receipt
    address: str | None = None


def export_model(
    artifact: str | Path,
    to: str,
    into: str | Path,
    *,
    verify: bool = True,
    pairs: str | Path | None = None,
    most_pairs: int = MOST_PAIRS,
    most_lost: float = MOST_LOST,
    processor: str = "auto",
    threads: int = 0,
    latency: bool = True,
    license: str | None = None,
    push: str | None = None,
) -> Exported:
    """Write a trained student as a folder that other programs read, whole or not at all.

    Args:
        artifact: the folder of a student or a teacher, ``artifacts/stage2-KEY``.
        to: hf, cross-encoder, onnx, onnx-int8 or openvino.
        into: a new folder.
        verify: let every installed program that reads such folders score pairs, and compare.
        pairs: a file of them, with question, passage, and maybe label and question_id; None: the task's test split, if
            it lies beside the artifact, else made-up texts.
        most_pairs: of more, the first ones.
        most_lost: of MAP (of accuracy, where nothing is ranked), by onnx-int8.
        processor: whose int8 instructions onnx-int8 is for: auto (this machine's), avx512_vnni, avx2 or arm64.
        threads: of the programs; 0: all cores.
        latency: time the export, for the card: some seconds.
        license: of the export, for the card, as the hub names it (apache-2.0); None: the card says that none was given.
        push: OWNER/NAME of a repository on the hub, to which the folder is uploaded; it is private where it is new.

    Raises:
        ConfigError: a name that is not known, a package that is missing, ``into`` exists, or the hub refuses.
        ModelError: the student cannot be exported so, or a program scores otherwise.
        DamagedArtifact, DataError: the artifact or the pairs cannot be read.
    """
    folder = Path(into).expanduser()
    processor = int8.chosen(processor)
    _check_arguments(to, folder, most_pairs, Path(pairs) if pairs else None)
    if push is not None:
        check_push(push)
    student = Student.read(Path(artifact).expanduser())
    _check_student(student, to)
    runtime = resolve_runtime(device="cpu", precision="fp32", threads=threads)
    asked = pairs_for(student, Path(pairs) if pairs else None, most_pairs) if verify or latency else None
    with alone(folder), folder_written_whole(folder) as work:
        log.info("write %s --to %s", student.artifact.name, to)
        _writer(to, processor)(student, work)
        name_known_class(work)
        readers, proof = Readers(to, work), None
        if verify and asked is not None:
            log.info("verify with %d pairs (%s)", len(asked), asked.source)
            proof = _verify(student, readers, asked, runtime, most_lost)
        timed = measure(readers, asked) if latency and asked is not None else None
        known = receipt(student, timed, license)
        if isinstance(known.calibration, ScoreCalibration):
            write_calibration(known.calibration, student.artifact, work)
        write_card(student, to, work, proof, known)
    address = None if push is None else push_folder(folder, push, f"{student.artifact.name}, by tmkd export --to {to}")
    return Exported(folder, losses(student, to, proof), proof, known, address)


_verify = verify  # which an argument's name hides


def _writer(to: str, processor: str) -> Callable[[Student, Path], None]:
    writers: dict[str, Callable[[Student, Path], None]] = {
        HF: write_checkpoint,
        CROSS_ENCODER: write_modular,
        ONNX: write_onnx,
        ONNX_INT8: partial(int8.write_int8, processor=processor),
        OPENVINO: write_openvino,
    }
    return writers[to]


def _check_arguments(to: str, folder: Path, most_pairs: int, pairs: Path | None) -> None:
    if to not in EXPORTS:
        raise ConfigError(f"--to: expected one of {', '.join(EXPORTS)}, got {to}.")
    packages, extra = NEEDS.get(to, ((), ""))
    if missing := [name for name in packages if find_spec(name) is None]:
        raise ConfigError(
            f"--to {to}: expected {', '.join(missing)} to be installed; run pip install -c constraints.txt "
            f'"tmkd[{extra}]".'
        )
    check_new(folder)
    if most_pairs < 1:
        raise ConfigError(f"--most-pairs: expected at least 1, got {most_pairs}.")
    if pairs is not None and not pairs.is_file():
        raise ConfigError(f"--pairs: expected a file, got {pairs}, which is none.")


def _check_student(student: Student, to: str) -> None:
    if to == HF:
        check_checkpoint(student)
    if to in NEEDS and (size := 4 * student.model.parameter_count) >= LARGEST:
        raise ModelError(
            f"--to {to}: expected a model below 2 GiB, which is all that one ONNX file holds, got "
            f"{size / 2**30:.1f} GiB; export --to {CROSS_ENCODER}."
        )
