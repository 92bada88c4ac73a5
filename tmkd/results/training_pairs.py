"""The labelled pairs that a teacher learns in place of the task's training split, or beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from tmkd.config import TeacherConfig
from tmkd.data.files_reader import training_files
from tmkd.data.readers import content
from tmkd.data.schema import SPLITS
from tmkd.data.training_pairs import READ_BY, read_training_pairs, training_identity
from tmkd.data.training_pairs import TrainingPairs as ReadPairs
from tmkd.results.context import RunContext
from tmkd.results.node import Result, check_unchanged, outside
from tmkd.results.rows import Rows
from tmkd.results.task import Task, check_shares, counted
from tmkd.store.artifacts import SCRATCH

TRAIN = "train"  # the one split of it


@dataclass(frozen=True, eq=False)
class TrainingPairs(Result):
    """Labelled pairs of files.

    Attributes:
        task: whose classes they have, and whose validation and test pairs are not among them.
        read_by: the settings of ``data`` that the files are read by.
        raw: the checksums of the files.
        with_task: whether the task's training pairs are learnt too.
        path, setting: where the files are, and what that is called in the settings.
    """

    kind: ClassVar[str] = "training_pairs"
    alone: ClassVar[bool] = True

    task: Task
    read_by: Mapping[str, Any]
    raw: Mapping[str, Any]
    with_task: bool
    path: str = outside()
    setting: str = outside()

    @classmethod
    def of(cls, task: Task, teacher: TeacherConfig, number: int) -> TrainingPairs | None:
        """Return a teacher's own training pairs; None: it learns the task's (DataError: no such file)."""
        if teacher.train is None:
            return None
        data, setting = task.sections[0], f"teachers.roster[{number - 1}].train"
        read_by = counted({name: data[name] for name in READ_BY})
        raw = training_identity(teacher.train, data, setting)
        return cls(task, read_by, raw, teacher.train_with_task, teacher.train, setting)

    @property
    def what(self) -> str:
        return f"training pairs of {self.path}{' and the task' if self.with_task else ''}"

    def rows(self) -> Rows:
        return Rows(self, TRAIN)

    def check_shares(self, context: RunContext) -> None:
        """Raise DataError, with file and row, where a label is no number from 0 to 1."""
        check_shares([self.rows().read(context)], lambda changes: self._read(context, changes))

    def _read(self, context: RunContext, changes: Mapping[str, Any], cache: Path | None = None) -> ReadPairs:
        data = {**self.task.sections[0], **changes}
        splits = {split: self.task.rows(split).read(context) for split in SPLITS}
        files = training_files(self.path, data, self.setting)
        return read_training_pairs(files, data, splits, self.with_task, cache)

    def make(self, context: RunContext, work: Path) -> dict[str, Any]:
        from tmkd.store.memmap import save_rows

        found = self._read(context, {}, work / SCRATCH)
        check_unchanged(self.what, self.raw, training_identity(self.path, self.task.sections[0], self.setting))
        save_rows(found.rows, work / TRAIN)
        return {
            "pairs": len(found.rows),
            "questions": len(set(found.rows["question_id"])),
            "shared": found.shared,
            "content": content(found.rows),
            "skipped": found.skipped,
        }
