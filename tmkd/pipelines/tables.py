"""A table of the paper, filled up task by task: each run of stage 3 adds the column of its task.

reports/<name>/<task>/                 the task's comparison, as of any experiment
reports/<name>/columns/<task>.json     what the table takes from it
reports/<name>/table.*, claims.csv     made again from all columns that are there
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from tmkd.choices import FINE_TUNED
from tmkd.config import (
    COLUMNS,
    Config,
    EncoderConfig,
    Stage1Config,
    Stage2Config,
    TeacherConfig,
    encoder_of,
    settings,
    task_folder,
)
from tmkd.errors import ConfigError, DataError
from tmkd.measures import main_metric
from tmkd.report.paper_table import Claim, PaperRow, PaperTable
from tmkd.report.rows import CHANCE, Row
from tmkd.report.task_column import Column, claim_tests
from tmkd.store.artifacts import Artifact
from tmkd.store.disk import writing_to

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger(__name__)
COLUMN = "column.json"  # in the comparison's artifact


def report_folder(config: Config) -> Path:
    """Return where the comparison goes: a folder of the experiment, or of the task in it where there is a table."""
    folder = Path(config.paths.reports) / config.name
    return folder / task_folder(config) if config.table.rows else folder


def check_columns(config: Config) -> None:
    """Read the other tasks' columns of the table, before anything is trained for this one's.

    Raises:
        DataError: one of them is no column, or one of an earlier version.
    """
    if config.table.rows:
        folder = Path(config.paths.reports) / config.name / COLUMNS
        for path in sorted(set(folder.glob("*.json")) - {folder / f"{task_folder(config)}.json"}):
            _read(path)


def column_spec(config: Config, names: Mapping[str, str]) -> dict[str, Any] | None:
    """Return what shapes the column besides the comparison; None where there is no table.

    Args:
        names: for each arm, and for ``teacher`` and ``ensemble``, what the comparison calls it.
    """
    table = config.table
    if not table.rows:
        return None
    return {
        "rows": {label: names[row.arm] for label, row in table.rows.items()},
        "claims": [[claim.better, claim.worse] for claim in table.claims],
        "column": config.data.column,
        "stands_in": config.data.stands_in,
        "encoders": encoders(config),
    }


def write_column(
    config: Config,
    work: Path,
    spec: Mapping[str, Any],
    rows: Sequence[Row],
    values: Mapping[str, np.ndarray],
    pairs: int,
) -> None:
    """Write the column into the comparison's folder.

    Args:
        spec: of the comparison, with what ``column_spec`` gave.
        rows: of the comparison.
        values: the main metric of each question [seeds, questions], by the rows' names.
        pairs: how many were evaluated.
    """
    wanted, where = spec["table"], spec["machine"]
    metric = main_metric(config.data.ranking, config.metric, config.data.label_kind)
    by_name = {row.arm: row for row in rows}
    shown = {CHANCE: by_name[CHANCE], **{label: by_name[name] for label, name in wanted["rows"].items()}}
    shown_values = {label: values[name] for label, name in wanted["rows"].items()}
    column = Column(
        task=config.data.name,
        fingerprint=spec["fingerprint"],
        paper=wanted["column"],
        stands_in=wanted["stands_in"],
        metric=metric,
        questions=values[rows[-1].arm].shape[1],
        pairs=pairs,
        encoders=wanted["encoders"],
        machine=f"{where['processor']}, {where['cores']} cores, device {where['device']}",
        rows=shown,
        tests=claim_tests(wanted["claims"], shown, shown_values),
    )
    (work / COLUMN).write_text(json.dumps(column.to_json(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def add_column(config: Config, comparison: Artifact) -> Path:
    """Put the comparison's column beside those of other tasks, write the table again from all; return its folder."""
    from tmkd.report.table_folder import write_table

    folder = Path(config.paths.reports) / config.name
    place = folder / COLUMNS / f"{task_folder(config)}.json"
    with writing_to(folder, "paths.reports"):
        place.parent.mkdir(parents=True, exist_ok=True)
        # One at a time: else of two runs that end together, the one that has not seen the other's may write last.
        with FileLock(folder / ".table.lock"), tempfile.TemporaryDirectory(dir=folder, prefix=".table") as made:
            if place.exists() and (other := _task(place)) != config.data.name:
                raise ConfigError(
                    f"data.name: expected a name whose folder {place.stem} is its own, got {config.data.name!r} beside "
                    f"{other!r}; rename one."
                )
            work = Path(made)
            shutil.copyfile(comparison.file(COLUMN), work / COLUMN)
            os.replace(work / COLUMN, place)
            columns = [_read(path) for path in sorted(place.parent.glob("*.json"))]
            write_table(work, config.name, _table(config), columns)
            for path in sorted(work.iterdir()):
                os.replace(path, folder / path.name)
    log.info("table   %s/table.md, of %s", folder, ", ".join(column.task for column in columns))
    return folder


def encoders(config: Config) -> str:
    """Describe the encoders of teachers and students, and how the students are trained: columns may differ in both."""
    roster, student = config.teachers.roster[: config.teachers.size], config.student
    taught = dict.fromkeys(
        _encoder(encoder_of(teacher, config)) if teacher.kind == FINE_TUNED else f"{teacher.kind} {_named(teacher)}"
        for teacher in roster
    )
    kept = "" if student.layers is None else f"{_count(student.layers, 'layer')} of "
    kept = f"the bottom {kept}" if kept and student.keep == "bottom" else kept
    note = f"Teachers here: {len(roster)} × {' and '.join(taught)}; students, where no row says else: "
    note += kept + _encoder(encoder_of(student, config))
    multi = any(arm.pretrain and arm.targets == "heads" for arm in config.method.arms.values())
    if multi and config.stage1.targets == "average":
        note += "; TMKD's stage 1, where no row says else, learns the teachers' average, the paper's a head for each"
    pretrained = any(arm.pretrain for arm in config.method.arms.values())
    note += f"; {_count(len(config.student.seeds), 'seed')}"
    note += f", stage 1: {_trained(config.stage1)}" if pretrained else ""
    return f"{note}, stage 2: {_trained(config.stage2)}, α = {config.method.alpha:g}"


def _named(teacher: TeacherConfig) -> str:
    return Path(teacher.name or teacher.path or str(teacher.url)).name


def _trained(stage: Stage1Config | Stage2Config) -> str:
    return f"{_count(stage.epochs, 'epoch')} at {stage.learning_rate:g}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _encoder(encoder: EncoderConfig) -> str:
    names = {
        "embedded": "MiniLM",
        "mpnet": "MPNet",
        "hub": str(encoder.name),
        "tiny": f"random weights ({encoder.layers} × {encoder.width})",
        "bilstm": f"Bi-LSTM ({encoder.layers} × {encoder.width})",
    }
    return names[encoder.source]


def _table(config: Config) -> PaperTable:
    table = config.table
    rows = {label: PaperRow(**settings(row)) for label, row in table.rows.items()}
    return PaperTable(table.title, table.source, table.axis, rows, [Claim(**settings(c)) for c in table.claims])


def _read(path: Path) -> Column:
    try:
        return Column.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DataError(
            f"{path}: expected a column of the table, as this version writes it; remove it and run its task again."
        ) from None


def _task(path: Path) -> str:
    """Return the task of a column that is about to be replaced, so that an earlier version's will do."""
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["task"])
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{path}: expected a column of the table; remove it and run its task again.") from None
