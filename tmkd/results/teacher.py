"""A teacher: fine-tuned on the labelled task with its own settings, one in memory at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tmkd.config import TeacherConfig, TrainerConfig, settings
from tmkd.evaluation.metrics import main_metric
from tmkd.results.classifier import Classifier, learning, member, new_classifier, validator, write_classifier
from tmkd.results.context import RunContext
from tmkd.results.encoder import Encoder
from tmkd.results.node import merged, outside
from tmkd.results.task import Task
from tmkd.results.work import Member, Work
from tmkd.store.artifacts import SCRATCH, Artifact

if TYPE_CHECKING:
    from tmkd.models.classifier import PairClassifier


@dataclass(frozen=True, eq=False)
class Teacher(Classifier):
    """A fine-tuned teacher.

    Attributes:
        recipe: its hyperparameters.
        number: its place in the roster, from 1.
    """

    kind: ClassVar[str] = "teacher"

    task: Task
    encoder: Encoder
    trainer: TrainerConfig
    recipe: Mapping[str, Any] = merged()
    number: int = outside(default=1)

    @classmethod
    def of(cls, task: Task, teacher: TeacherConfig, encoder: Encoder, trainer: TrainerConfig, number: int) -> Teacher:
        return cls(task, encoder, trainer, recipe(teacher, encoder), number)

    @property
    def what(self) -> str:
        return f"teacher {self.number} (learning rate {self.recipe['learning_rate']:g})"

    @property
    def own_task(self) -> Task:
        return self.task

    @property
    def timed_as(self) -> dict[str, Any]:
        return {"encoder": self.encoder.identity(), "max_length": self.recipe["max_length"]}

    def untrained(self, context: RunContext) -> PairClassifier:
        """Return the teacher before its training, with the gold head alone."""
        from tmkd.models.heads import GOLD

        shape = {name: self.recipe[name] for name in ("max_length", "dropout", "freeze_embeddings")}
        return new_classifier(context, self.encoder.source(context), [GOLD], self.task.classes, **shape)

    def make(self, context: RunContext, work: Path) -> dict[str, Any]:
        import torch

        from tmkd.data.batching import PairDataset
        from tmkd.losses.combine import gold_term
        from tmkd.training.fit import fit

        own = self.recipe
        torch.manual_seed(own["seed"])
        model = self.untrained(context)
        facts = fit(
            model,
            PairDataset(self.task.rows("train").read_by(context, model)),
            [gold_term(1.0)],
            scratch=work / SCRATCH,
            runtime=context.runtime,
            what=f"teacher {self.number}",
            **{name: own[name] for name in ("seed", "learning_rate", "batch_size", "epochs")},
            **asdict(self.trainer),
            validate=validator(context, self.task, model),
            metric=main_metric(self.task.ranking),
        )
        return {"training": facts, **write_classifier(work, model, context, self.task)}

    def member(self, context: RunContext) -> Member:
        known = self.timed_as | {name: self.recipe[name] for name in ("dropout", "freeze_embeddings")}
        what = f"teacher {self.number}"
        return member(context, self.task, known, what, lambda: self.untrained(context), self.trainer)

    def cost(self, context: RunContext) -> list[Work]:
        epochs = self.recipe["epochs"]
        who, rows = self.member(context), self.task.rows("train")
        return learning(context, who, self.task, rows, self.recipe["batch_size"], epochs, epochs, heads=1)


def recipe(teacher: TeacherConfig, encoder: Encoder) -> dict[str, Any]:
    """Return a teacher's hyperparameters: all of its settings but its encoder's."""
    own = settings(teacher) | {"max_length": teacher.max_length or encoder.settings.max_length}
    return {name: value for name, value in own.items() if name != "encoder"}


def best_teacher(trained: Sequence[Artifact], metric: str) -> int:
    """Return the index of the best teacher on the validation split; the first of equals."""
    values = [teacher.details["validation"][metric] for teacher in trained]
    return values.index(max(values))
