"""All that the card of an export says of a student: facts that are known, and a sentence for each that is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tmkd.choices import CUT
from tmkd.errors import DataError, ModelError
from tmkd.evaluation.score_calibration import ScoreCalibration
from tmkd.export.calibrated import GRADES, calibration_of
from tmkd.export.latency import Latency
from tmkd.export.origin import Origin, origin
from tmkd.export.quality import Quality, quality
from tmkd.export.standing import Standing, standing
from tmkd.export.student import Student

LOST = "What that costs stands under “What was lost”."
Fact = TypeVar("Fact")


@dataclass(frozen=True)
class Receipt:
    """What is known; a text in place of a fact says why it is not.

    Attributes:
        calibration: of the scores that the export gives.
        standing: None where no comparison in the store names the student.
        latency: None where it was not measured.
        license: of the export, as its owner gave it; None: none was given.
    """

    quality: Quality | str
    standing: Standing | str | None
    calibration: ScoreCalibration | str
    origin: Origin
    latency: Latency | None = None
    license: str | None = None


def receipt(student: Student, latency: Latency | None, license: str | None) -> Receipt:
    """Read the store, where the student lies in one; what is not there is not known."""
    artifact, ranking, kind, long = student.artifact, student.ranking, student.label_kind, student.model.long
    if long != CUT:  # its stored scores are of other texts than those that the export reads
        apart = f"the student reads long passages by long={long}, and an export reads their beginnings. {LOST}"
        return Receipt(apart, None, apart, origin(artifact), latency, license)
    return Receipt(
        _known(lambda: quality(artifact, ranking, kind)),
        _known(lambda: standing(artifact, ranking, kind)),
        GRADES if len(student.model.classes) == 1 else _known(lambda: calibration_of(artifact, exported=True)),
        origin(artifact),
        latency,
        license,
    )


def _known(read: Callable[[], Fact]) -> Fact | str:
    try:
        return read()
    except (ModelError, DataError) as error:
        return str(error)
