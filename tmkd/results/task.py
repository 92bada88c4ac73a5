"""The labelled task: three splits of questions with passages and labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tmkd.choices import CLASSES, NO_TASK, PAIRS, SCORE, SHARE
from tmkd.config import CorpusConfig, DataConfig, settings
from tmkd.config.marks import unknown_to
from tmkd.data import readers
from tmkd.data.schema import SPLITS
from tmkd.measures import main_metric
from tmkd.results.context import RunContext
from tmkd.results.node import Result, check_unchanged, outside
from tmkd.results.rows import Rows
from tmkd.store.artifacts import SCRATCH

if TYPE_CHECKING:
    from datasets import Dataset

# Settings that lead to what is read. Not they but what is there counts (raw): its checksum, commit or version.
PLACES = ("path", "passages", "queries", "documents", "subset", "revision", "packages")
FILES = ("train", "validation", "test", "split")  # likewise where they name files; of a hub they name splits
# Settings that count where they are not one of these.
USUAL: dict[str, tuple[Any, ...]] = {
    "separator": (None, ""),
    "quoting": ("csv", None, ""),
    "format": (PAIRS,),
    "stop_words": ("en",),
    "stemmer": (None, ""),
    "characters": (0,),
    "label_kind": (CLASSES,),
    "extra_columns": ([],),
}


@dataclass(frozen=True, eq=False)
class Task(Result):
    """The labelled task.

    Attributes:
        data: the settings that it is read by; ``raw`` is the checksum or versions of what it is read from.
        sections: the settings ``data`` and ``corpus``, for the reader.
    """

    kind: ClassVar[str] = "task"
    alone: ClassVar[bool] = True

    data: Mapping[str, Any]
    raw: Mapping[str, Any]
    sections: tuple[dict[str, Any], dict[str, Any]] = outside()

    @classmethod
    def of(cls, data: DataConfig, corpus: CorpusConfig) -> Task:
        """Return the task of these settings (DataError: what it is read from is not there)."""
        sections = settings(data), settings(corpus)
        return cls(task_settings(data), readers.task_identity(*sections), sections)

    @property
    def what(self) -> str:
        return f"task {self.sections[0]['name']}"

    @property
    def label_kind(self) -> str:
        """What labels are, of ``tmkd.choices.LABEL_KINDS``."""
        return str(self.sections[0]["label_kind"])

    @property
    def classes(self) -> list[str]:
        """The names of a model's logits: one a class, or the score alone where labels are grades or numbers."""
        return list(self.sections[0]["classes"]) if self.label_kind == CLASSES else [SCORE]

    @property
    def ranking(self) -> bool:
        """Whether a question has several passages to put in order."""
        return bool(self.sections[0]["ranking"])

    def judged_by(self, metric: str | None = None) -> str:
        """Return the metric that it is judged by: ``metric``, or its usual one."""
        return main_metric(self.ranking, metric, self.label_kind)

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that it has; none where there are no labels."""
        return () if self.sections[0]["reader"] == NO_TASK else SPLITS

    def rows(self, split: str) -> Rows:
        """Return train, validation or test."""
        return Rows(self, split)

    def check_shares(self, context: RunContext) -> None:
        """Raise DataError, with file and row, where a label is no number from 0 to 1."""
        data, corpus = self.sections
        splits = (self.rows(split).read(context) for split in SPLITS)
        check_shares(splits, lambda changes: readers.read_task({**data, **changes}, corpus))

    def make(self, context: RunContext, work: Path) -> dict[str, Any]:
        from tmkd.store.memmap import save_rows

        task = readers.read_task(*self.sections, cache=work / SCRATCH)
        check_unchanged(self.what, self.raw, readers.task_identity(*self.sections))
        for split in SPLITS:
            save_rows(task.splits[split], work / split)
        return {
            "pairs": {split: len(task.splits[split]) for split in SPLITS},
            "questions": {split: len(set(task.splits[split]["question_id"])) for split in SPLITS},
            "content": readers.content(*task.splits.values()),
            "skipped": task.skipped,
        }


def check_shares(splits: Iterable[Dataset], read: Callable[[dict[str, Any]], object]) -> None:
    """Raise DataError, with file and row, where a label is no number from 0 to 1.

    Args:
        splits: rows with labels.
        read: reads them once more, with these settings of ``data`` in place of others, from where they were read.
    """
    for rows in splits:
        labels = rows.with_format("numpy")["label"][:]
        if not ((labels >= 0) & (labels <= 1)).all():
            read({"label_kind": SHARE, "on_bad_row": "raise"})


def task_settings(data: DataConfig) -> dict[str, Any]:
    """Return the settings that shape the rows of a task."""
    if data.reader == NO_TASK:
        return {"reader": NO_TASK, "classes": list(data.classes)}
    unread: tuple[str, ...] = ()
    if data.reader == "documentation":
        unread = () if data.rankable_only else ("rankable_only",)
    elif data.validation:  # nothing is drawn
        unread = ("validation_share", "seed")
    return shaping(data, unread)


def shaping(section: DataConfig | CorpusConfig, unread: Collection[str] = ()) -> dict[str, Any]:
    """Return the settings that shape the rows that a section's reader reads: of those that it knows, all that are no
    place, nor ``unread``, nor as usual."""
    outside = {known.name for known in dataclasses.fields(section) if "outside" in known.metadata}
    files = FILES if section.reader == "files" else ()
    unknown = unknown_to(section.reader, type(section))
    return counted(settings(section), {*unread, *PLACES, *files, *unknown, *outside})


def counted(section: Mapping[str, Any], unread: Collection[str] = ()) -> dict[str, Any]:
    """Return settings without those that are not read, and those that are as usual."""
    return {name: value for name, value in section.items() if name not in unread and value not in USUAL.get(name, ())}
