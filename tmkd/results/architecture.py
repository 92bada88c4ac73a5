"""A student before its training: which layers of which encoder it keeps."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tmkd.choices import CUT
from tmkd.config import StudentConfig, TrainerConfig
from tmkd.results.context import RunContext
from tmkd.results.costs import member
from tmkd.results.encoder import Encoder
from tmkd.results.node import Result, fields_identity, unless
from tmkd.results.task import Task
from tmkd.results.trained import TrainedClassifier, new_classifier
from tmkd.results.work import Member
from tmkd.store.artifacts import Artifact

if TYPE_CHECKING:
    from tmkd.models.classifier import PairClassifier


@dataclass(frozen=True)
class Architecture:
    """What a student is built as.

    Attributes:
        layers: how many it keeps of its encoder; None: all.
        keep: which layers, bottom or every.
        long: what it reads of a passage that is too long.
        init: the trained teacher whose layers it keeps; None: its encoder's.
    """

    encoder: Encoder
    layers: int | None
    dropout: float | None
    freeze_embeddings: bool
    max_length: int
    token_types: bool = unless(True)
    keep: str = unless("bottom")
    long: str = unless(CUT)
    init: Result | None = unless(None)

    @classmethod
    def of(cls, student: StudentConfig, encoder: Encoder, init: Result | None = None) -> Architecture:
        return cls(
            encoder,
            student.layers,
            student.dropout,
            student.freeze_embeddings,
            student.max_length or encoder.settings.max_length,
            student.token_types,
            "bottom" if student.layers is None else student.keep,
            student.long or encoder.settings.long,
            init,
        )

    def new(
        self,
        context: RunContext,
        heads: Sequence[str],
        classes: Sequence[str],
        head_init: str = "shared",
        start: Artifact | None = None,
    ) -> PairClassifier:
        """Return the student with fresh heads, on the runtime's device.

        ``start`` holds the encoder whose layers it keeps; None: that of ``init``, or its own.
        """
        if start is None and self.init is not None:
            start = self.init.build(context)
        return new_classifier(
            context,
            self.encoder.source(context, start),
            heads,
            classes,
            self.max_length,
            dropout=self.dropout,
            freeze_embeddings=self.freeze_embeddings,
            keep=self.layers,
            keep_which=self.keep,
            token_types=self.token_types,
            head_init=head_init,
            long=self.long,
        )

    @property
    def timed_as(self) -> dict[str, Any]:
        """What its speed is known by."""
        return fields_identity(self)

    @property
    def costed_as(self) -> dict[str, Any]:
        """What its cost depends on: one that starts from a teacher is as fast as one that starts from its encoder."""
        return {name: value for name, value in self.timed_as.items() if name != "init"}


class StudentClassifier(TrainedClassifier):
    """A trained student of either stage; its fields have those below among them.

    Attributes:
        seed: of its heads, its dropout and the order of its pairs.
        heads_seed: of its fresh heads, where they are those of a student with another seed; None: ``seed``.
    """

    task: Task
    student: Architecture
    trainer: TrainerConfig
    seed: int
    heads_seed: int | None

    @property
    def own_task(self) -> Task:
        return self.task

    @property
    def timed_as(self) -> dict[str, Any]:
        return self.student.timed_as

    @abstractmethod
    def write(self, context: RunContext, model: PairClassifier, work: Path) -> dict[str, Any]:
        """Write what was trained, and its predictions; return what its manifest says of it."""

    def seed_start(self) -> None:
        """Seed the random numbers that a student starts from; those of its training follow from ``seed`` alone."""
        import torch

        torch.manual_seed(self.seed if self.heads_seed is None else self.heads_seed)

    def member(self, context: RunContext) -> Member:
        from tmkd.models.heads import GOLD

        def untrained() -> PairClassifier:
            alike = replace(self.student, init=None)  # the teacher that it starts from may not be there
            return alike.new(context, [GOLD], self.task.classes)

        return member(context, self.task.rows("train"), self.student.costed_as, "the student", untrained, self.trainer)


class DerivedStudent(TrainedClassifier):
    """A classifier that another result has trained, or is made of several: task, shape and cost are a student's.

    Attributes:
        student: whose they are.
    """

    student: StudentClassifier

    @property
    def own_task(self) -> Task:
        return self.student.own_task

    @property
    def timed_as(self) -> dict[str, Any]:
        return self.student.timed_as

    @property
    def averages_heads(self) -> bool:
        return self.student.averages_heads

    def member(self, context: RunContext) -> Member:
        return self.student.member(context)
