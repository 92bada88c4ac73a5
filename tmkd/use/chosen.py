"""The student and the teachers of a finished comparison, as the command line takes them when none is named."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tmkd.errors import ConfigError
from tmkd.experiment.names import ENSEMBLE
from tmkd.measures import usual_metric
from tmkd.report.facts import COMPARISON
from tmkd.store.artifacts import MODEL, open_artifact
from tmkd.store.disk import reading_from

PREFERRED = "TMKD"  # the row whose student is taken
TEACHER = "teacher "  # how the names of their rows begin, that of all together too


@dataclass(frozen=True)
class Chosen:
    """Folders of models, and the row of the comparison that the student is in."""

    arm: str
    student: Path
    teachers: list[Path]


def chosen(report: Path, artifacts: Path) -> Chosen:
    """Return the student with the best validation metric of the row TMKD, or of the first row, and the teachers.

    Args:
        report: ``reports/NAME``.

    Raises:
        ConfigError: nothing is trained yet, or its artifacts are gone.
    """
    file = report / COMPARISON
    rows = read_comparison(report, "run `tmkd stage3` first, or name a student with --model")["rows"]
    students = [row for row in rows if folders_of(row, artifacts) and not row["arm"].startswith(TEACHER)]
    if not students:
        raise ConfigError(
            f"{file} names no student that is in {artifacts}; run `tmkd stage3` again, or give its folder of results "
            "with --artifacts."
        )
    student = next((row for row in students if row["arm"] == PREFERRED), students[0])
    teaching = [row for row in rows if row["arm"].startswith(TEACHER)]
    together = [row for row in teaching if row["arm"] == ENSEMBLE] or teaching
    teachers = folders_of(together[0], artifacts) if together else []
    return Chosen(student["arm"], max(folders_of(student, artifacts), key=validation_of), teachers)


def read_comparison(folder: Path, first: str = "run `tmkd stage3` first, or name the folder with --reports") -> Any:
    """Return what the JSON of a comparison holds.

    Args:
        folder: ``reports/NAME``.
        first: what to do where there is no comparison at all.

    Raises:
        ConfigError: there is none, or it cannot be read.
    """
    file = folder / COMPARISON
    if not file.exists():
        there = sorted(path.parent.name for path in folder.parent.glob(f"*/{COMPARISON}"))
        known = f"; there are only: {', '.join(there)}" if there else ""
        raise ConfigError(f"{file}: expected a finished comparison but there is none{known}; {first}.")
    with reading_from(file, ConfigError, "mend its permissions"):
        text = file.read_text(encoding="utf-8", errors="replace")
    try:
        found = json.loads(text)
        if isinstance(found["rows"], list):
            return found
        why = "'rows' is no list"
    except (ValueError, KeyError, TypeError) as error:
        why = str(error)
    raise ConfigError(f"{file}: expected the JSON of a comparison but it is broken ({why}); run `tmkd stage3` again.")


def folders_of(row: dict[str, Any], artifacts: Path) -> list[Path]:
    """Return the folders of a row's models; teachers that are not trained here have none."""
    return [artifacts / name for name in row["artifacts"] if (artifacts / name / MODEL).is_dir()]


def validation_of(folder: Path) -> float:
    """Return the best that a model had on validation, in its task's usual metric; 0 where it is not known."""
    found: dict[str, float] = open_artifact(folder).details.get("validation", {})
    return found.get(usual_metric(found), 0.0)
