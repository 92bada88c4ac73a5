"""A teacher that is not trained here: its scores, of a checkpoint, a file or a server, as a result like any other."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tmkd.config import TeacherConfig, kind_settings
from tmkd.data.strange import Strange, refusal, warning
from tmkd.errors import DataError
from tmkd.progress import done_before
from tmkd.results.classifier import Classifier, validation_metrics
from tmkd.results.context import RunContext
from tmkd.results.node import Result, check_unchanged, fields_identity, merged, outside
from tmkd.results.rows import Rows
from tmkd.results.soft_labels import SoftLabels
from tmkd.results.task import Task
from tmkd.store.artifacts import SCRATCH
from tmkd.store.identity import key
from tmkd.store.predictions import write_predictions
from tmkd.teachers.registry import source_of
from tmkd.teachers.served.price import tokens_of
from tmkd.teachers.source import Source

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset

    from tmkd.store.artifacts import Artifact
    from tmkd.teachers.kept import KeptScores

log = logging.getLogger(__name__)
ANSWERS = ".answers"  # folder of the store, for answers and scores by the pair: no split or run asks for one twice
WITHOUT = {"validation": "cannot be the best", "test": "gets no row"}  # what a teacher misses without a split


@dataclass(frozen=True)
class Known:
    """What a source's scores are known by."""

    source: Source

    def identity(self) -> Mapping[str, Any]:
        return {"kind": self.source.kind, "source": self.source.identity()}


@dataclass(frozen=True, eq=False)
class UntrainedTeacher(Classifier):
    """A teacher whose scores are taken as they are.

    Attributes:
        known: what scores.
        number: its place in the roster, from 1.
        missing: whether a split that it has scored in part is refused (raise) or not predicted (skip, average).
        asked: the splits that the run asks it for.
    """

    kind: ClassVar[str] = "teacher"
    alone: ClassVar[bool] = True

    task: Task
    known: Known = merged()
    number: int = outside(default=1)
    missing: str = outside(default="raise")
    asked: tuple[Rows, ...] = outside(default=())

    @classmethod
    def of(
        cls, task: Task, teacher: TeacherConfig, number: int, missing: str = "raise", asked: Sequence[Rows] = ()
    ) -> UntrainedTeacher:
        return cls(task, Known(source_of(teacher.kind, kind_settings(teacher))), number, missing, tuple(asked))

    @property
    def what(self) -> str:
        return f"teacher {self.number} ({self.known.source.what})"

    @property
    def own_task(self) -> Task:
        return self.task

    def check(self) -> None:
        """Raise what its source can tell before anything is scored (see ``Source.check``)."""
        source = self.known.source
        source.check(self.task.classes)
        if self.missing == "raise" and (strange := source.strange()):
            raise DataError(refusal(strange, whole=False))

    def needs(self) -> list[Result]:
        return super().needs() if self.task.splits else []

    def build(self, context: RunContext) -> Artifact:
        made = super().build(context)
        self.allow(made.details, context)
        for split, lacking in made.details.get("partly", {}).items():
            self._allow_part(split, lacking, context, "")
        return made

    def make(self, context: RunContext, work: Path) -> dict[str, Any]:
        import numpy as np

        from tmkd.store.soft_labels import read_soft_labels

        found, partly, scored = {}, {}, {}
        for split in [name for name in self.task.splits if name != "train"]:
            folder, rows = work / SCRATCH / split, self.task.rows(split)
            folder.mkdir(parents=True, exist_ok=True)
            scored = self._score(context, rows, folder)
            logits = read_soft_labels(folder, rows.read(context)["id"])
            gaps = np.flatnonzero(np.isnan(logits).any(axis=1))
            if not len(gaps):
                found[split] = logits[None]
            elif len(gaps) == len(logits):  # a file's
                log.warning("%s has no score of the %s split: it gets no row, and cannot be the best", self.what, split)
            else:
                partly[split] = f"{len(gaps)} of {len(logits)}"
                self._allow_part(split, partly[split], context, f" (the first is {rows.named(context, int(gaps[0]))})")
        write_predictions(work, found)
        metrics = validation_metrics(context, self.task, found["validation"]) if "validation" in found else None
        known = {"validation": metrics, "predicted": list(found), "pairs_per_second": scored.get("pairs_per_second")}
        strange = {"strange": scored["strange"]} if "strange" in scored else {}
        return known | ({"partly": partly} if partly else {}) | strange

    def label(self, context: RunContext, rows: Rows, work: Path) -> dict[str, Any]:
        details = self._score(context, rows, work)
        if details["missing"] == details["pairs"]:
            raise DataError(
                f"{self.what}: expected scores of the {details['pairs']} pairs of {rows.split}, but it has none (the "
                f"first is {rows.named(context, 0)}); score these pairs, with their texts as they are in the data."
            )
        return details

    def price(self, context: RunContext, rows: Rows, part: int | None = None) -> object | None:
        """Return what its scores of a split cost, to be printed; None: nothing but time.

        Args:
            part: how many of the pairs it is asked for, which cost about as much as others; None: all.
        """
        if not self.known.source.paid:
            return None
        pairs = rows.read(context)
        tokens, questions = 0.0, set()
        for batch in pairs.select_columns(["question_id", "question", "passage"]).iter(1000):
            questions.update(batch["question_id"])
            tokens += tokens_of(*batch["question"], *batch["passage"])
        share = 1.0 if part is None else min(part / len(pairs), 1.0)
        numbers = (round(share * each) for each in (len(pairs), len(questions), tokens))
        return self.known.source.price(*numbers)

    def _score(self, context: RunContext, rows: Rows, work: Path) -> dict[str, Any]:
        import numpy as np

        from tmkd.store.soft_labels import each_shard, write_soft_labels

        check_unchanged(self.what, self.spec, fields_identity(self))
        pairs, size, source = rows.read(context), context.runtime.shard_size, self.known.source
        answers = self._folder(context, self.kind)
        started = time.monotonic()
        with (
            context.bar(len(pairs), f"teacher {self.number} scores {rows.split}") as bar,
            source.open(context.runtime, self.task.classes, answers) as scorer,
            self._kept(context) as kept,
        ):

            def score(part: Dataset) -> np.ndarray:
                return kept.scored(part, scorer, bar) if kept else scorer(part, bar)

            scored = write_soft_labels(work, pairs, score, size, functools.partial(done_before, bar), None)
        if kept and kept.reused:
            scored -= kept.reused
            log.info("%s: %d of %d pairs were scored before, and are looked up", self.what, kept.reused, len(pairs))
        whole = source.computed and scored == len(pairs)
        speed = scored / (time.monotonic() - started) if whole else None
        missing = sum(int(np.isnan(shard).any(axis=1).sum()) for shard in each_shard(work))
        details: dict[str, Any] = {
            "pairs": len(pairs),
            "missing": missing,
            "scored_in_the_last_run": scored,
            "pairs_per_second": speed,
        }
        if strange := source.strange(answers):
            details["strange"] = list(strange)
        self.allow(details, context)
        self._tell_unasked(answers, context)
        return details

    @contextmanager
    def _kept(self, context: RunContext) -> Iterator[KeptScores | None]:
        """Return the scores that were computed already, for as long as they are open; None: its source computes none.

        They go by what scores, the classes and the version of soft labels, not by the task.
        """
        from tmkd.teachers.kept import KeptScores

        if not self.known.source.computed:
            yield None
            return
        with closing(KeptScores(self._folder(context, SoftLabels.kind, classes=self.task.classes))) as kept:
            yield kept

    def _folder(self, context: RunContext, stage: str, **more: Any) -> Path:
        """Return the folder that all splits and runs of this source share; a new version of the stage has another."""
        known = key(stage, {**self.known.identity(), **more})
        return context.store.root / ANSWERS / f"{self.known.source.kind}-{known}"

    def allow(self, details: Mapping[str, Any], context: RunContext) -> None:
        strange = [Strange(*each) for each in details.get("strange", ())]
        if strange and self.missing == "raise":
            raise DataError(refusal(strange, whole=True))
        if strange and context.once("strange", self.name):
            log.warning("%s: %s", self.what, warning(strange))

    def _tell_unasked(self, answers: Path, context: RunContext) -> None:
        """Log how many scores the run does not ask for, as soon as all that it asks for is there."""
        there = all(rows.owner.find(context) is not None for rows in self.asked)
        if not self.asked or not there or not context.once("unasked", self.name):
            return
        if found := self.known.source.unasked(answers, (rows.read(context) for rows in self.asked)):
            splits = ", ".join(rows.split for rows in self.asked)
            log.info("%s: %s are not among the pairs that this run asks for (%s)", self.what, found, splits)

    def _allow_part(self, split: str, lacking: str, context: RunContext, first: str) -> None:
        """Say that a split which lacks scores is not predicted, or raise DataError where scores must not be missing.

        Args:
            lacking: how many of its pairs, in words.
        """
        if self.missing == "raise":
            raise DataError(
                f"{self.what}: expected a score of every pair of {split}, or of none, but {lacking} have none{first}; "
                "score them, leave the split out, or set teachers.missing=skip or average: then it teaches, but "
                f"{WITHOUT[split]}."
            )
        if context.once("partly", self.name, split):
            told = f"{self.what} has no score of {lacking} pairs of {split}: it teaches, but"
            log.warning("%s %s", told, WITHOUT[split])
