"""A teacher: fine-tuned on the labelled task with its own settings, one in memory at a time."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tmkd.choices import CUT, POINTWISE
from tmkd.config import TeacherConfig, TrainerConfig, kind_settings
from tmkd.errors import ConfigError
from tmkd.evaluation.metrics import main_metric
from tmkd.results.context import RunContext
from tmkd.results.encoder import Encoder
from tmkd.results.node import merged, outside, unless
from tmkd.results.task import Task
from tmkd.results.trained import TrainedClassifier, learning, member, new_classifier, validator, write_classifier
from tmkd.results.work import Member, Work
from tmkd.store.artifacts import SCRATCH, Artifact

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset

    from tmkd.models.classifier import PairClassifier
    from tmkd.models.lora import Adapters

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LeftOut:
    """A part of the training questions that a copy of a teacher never sees: the ``fold``-th of ``folds``, from 0."""

    fold: int
    folds: int


@dataclass(frozen=True, eq=False)
class Teacher(TrainedClassifier):
    """A fine-tuned teacher.

    Attributes:
        recipe: its hyperparameters.
        number: its place in the roster, from 1.
        left_out: what it does not learn, as one of several copies.
    """

    kind: ClassVar[str] = "teacher"

    task: Task
    encoder: Encoder
    trainer: TrainerConfig
    recipe: Mapping[str, Any] = merged()
    number: int = outside(default=1)
    left_out: LeftOut | None = unless(None)

    @classmethod
    def of(cls, task: Task, teacher: TeacherConfig, encoder: Encoder, trainer: TrainerConfig, number: int) -> Teacher:
        return cls(task, encoder, trainer, recipe(teacher, encoder), number)

    @property
    def what(self) -> str:
        copy = f", copy {self.left_out.fold + 1} of {self.left_out.folds}" if self.left_out else ""
        return f"teacher {self.number} (learning rate {self.recipe['learning_rate']:g}{copy})"

    @property
    def own_task(self) -> Task:
        return self.task

    @property
    def timed_as(self) -> dict[str, Any]:
        return {"encoder": self.encoder.identity(), "max_length": self.recipe["max_length"]}

    @property
    def gold_loss(self) -> str:
        """What it learns from gold labels by."""
        return str(self.recipe.get("gold_loss", POINTWISE))

    @property
    def relative(self) -> list[int]:
        """Its head, if that is known up to a scale and a constant alone (see ``Objective.relative``)."""
        return [] if self.gold_loss == POINTWISE else [0]

    def untrained(self, context: RunContext) -> PairClassifier:
        """Return the teacher before its training, with the gold head alone, and with its adapters if it has any."""
        return self._start(context)[0]

    def _start(self, context: RunContext) -> tuple[PairClassifier, Adapters | None]:
        from tmkd.models.heads import GOLD
        from tmkd.models.lora import Adapters, check_installed

        shape = {name: self.recipe[name] for name in ("max_length", "dropout", "freeze_embeddings")}
        shape |= {"long": self.recipe.get("long", CUT)}
        lora = self.recipe.get("lora")
        try:
            if lora:
                check_installed()  # before a large encoder is read
            model = new_classifier(context, self.encoder.source(context), [GOLD], self.task.classes, **shape)
            return model, Adapters(model.encoder, **lora) if lora else None
        except ConfigError as error:
            raise ConfigError(f"teachers.roster[{self.number - 1}].{error}") from None

    def make(self, context: RunContext, work: Path) -> dict[str, Any]:
        import torch

        from tmkd.data.batching import PairDataset
        from tmkd.losses.combine import gold_term
        from tmkd.models.lora import learnable
        from tmkd.training.fit import fit

        own = self.recipe
        torch.manual_seed(own["seed"])
        model, adapters = self._start(context)
        learnt = learnable(model)
        if adapters:
            log.info(
                "%s: LoRA, %s of %s parameters are trained", self.what, f"{learnt:,}", f"{model.parameter_count:,}"
            )
        facts = fit(
            model,
            PairDataset(self._learnt(context, model)),
            [gold_term(1.0, self.gold_loss)],
            scratch=work / SCRATCH,
            runtime=context.runtime,
            what=f"teacher {self.number}",
            **{name: own[name] for name in ("seed", "learning_rate", "batch_size", "epochs")},
            **asdict(self.trainer),
            validate=validator(context, self.task, model, relative=self.relative),
            metric=main_metric(self.task.ranking),
        )
        if adapters:
            adapters.merge()
        facts["learnable_parameters"] = learnt
        return {"training": facts, **write_classifier(work, model, context, self.task, relative=self.relative)}

    def _learnt(self, context: RunContext, model: PairClassifier) -> Dataset:
        """Return the training pairs, without those of the questions that are left out."""
        rows = self.task.rows("train")
        tokens = rows.read_by(context, model)
        if self.left_out is None:
            return tokens
        folds = fold_of(rows.read(context)["question_id"], self.left_out.folds)
        return tokens.select((folds != self.left_out.fold).nonzero()[0])

    def member(self, context: RunContext) -> Member:
        shaping = ("dropout", "freeze_embeddings", "lora")
        known = self.timed_as | {name: self.recipe[name] for name in shaping if name in self.recipe}
        what = f"teacher {self.number}"
        return member(context, self.task, known, what, lambda: self.untrained(context), self.trainer)

    def cost(self, context: RunContext) -> list[Work]:
        epochs = self.recipe["epochs"]
        who, rows = self.member(context), self.task.rows("train")
        passes = epochs * (1 - 1 / self.left_out.folds) if self.left_out else epochs
        return learning(context, who, self.task, rows, self.recipe["batch_size"], passes, epochs, heads=1)


def recipe(teacher: TeacherConfig, encoder: Encoder) -> dict[str, Any]:
    """Return a teacher's hyperparameters: all of its settings but its encoder's, and ``long`` unless it is cut."""
    own = kind_settings(teacher) | {"max_length": teacher.max_length or encoder.settings.max_length}
    own |= {"long": teacher.long or encoder.settings.long}
    return {name: value for name, value in own.items() if name != "encoder" and (name, value) != ("long", CUT)}


def fold_of(question_ids: Sequence[str], folds: int) -> np.ndarray:
    """Return the fold ``[pairs]``, from 0, of each pair; all pairs of a question are in one.

    Questions are dealt out in the order of their ids' hashes, so that folds differ by one question at most, and the
    order of the rows decides nothing.
    """
    import numpy as np

    known = sorted(set(question_ids), key=lambda name: hashlib.sha256(name.encode()).digest())
    places = {name: place % folds for place, name in enumerate(known)}
    return np.array([places[name] for name in question_ids])


def best_teacher(trained: Sequence[Artifact], metric: str) -> int:
    """Return the index of the best teacher on the validation split; the first of equals.

    One that has no score of that split (of a file, maybe) is the best only where none has.
    """
    values = [(teacher.details["validation"] or {}).get(metric, -math.inf) for teacher in trained]
    return values.index(max(values))
