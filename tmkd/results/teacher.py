"""A teacher: fine-tuned on the labelled task with its own settings, one in memory at a time."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tmkd.choices import CUT, POINTWISE
from tmkd.config import TeacherConfig, TrainerConfig, kind_settings
from tmkd.errors import ConfigError
from tmkd.results.classifier import validation_value
from tmkd.results.context import RunContext
from tmkd.results.costs import learning, member
from tmkd.results.encoder import Encoder
from tmkd.results.node import merged, outside, unless
from tmkd.results.questions import pairs_seen, questions_of
from tmkd.results.rows import Rows
from tmkd.results.task import Task
from tmkd.results.trained import TrainedClassifier, new_classifier, validator, write_classifier
from tmkd.results.training_pairs import TrainingPairs
from tmkd.results.work import Member, Work
from tmkd.store.artifacts import SCRATCH, Artifact

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset

    from tmkd.models.classifier import PairClassifier
    from tmkd.models.lora import Adapters

log = logging.getLogger(__name__)
TRAINING = ("seed", "learning_rate", "batch_size", "epochs", "group_size", "batch_questions")  # what ``fit`` takes


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
        own: the pairs that it learns instead of the task's training split; None: those.
        metric: what decides which epoch is best; None: the task's usual one.
    """

    kind: ClassVar[str] = "teacher"

    task: Task
    encoder: Encoder
    trainer: TrainerConfig
    recipe: Mapping[str, Any] = merged()
    number: int = outside(default=1)
    left_out: LeftOut | None = unless(None)
    own: TrainingPairs | None = unless(None)
    metric: str | None = unless(None)

    @classmethod
    def of(
        cls,
        task: Task,
        teacher: TeacherConfig,
        encoder: Encoder,
        trainer: TrainerConfig,
        number: int,
        metric: str | None = None,
    ) -> Teacher:
        own = TrainingPairs.of(task, teacher, number)
        return cls(task, encoder, trainer, recipe(teacher, encoder), number, own=own, metric=metric)

    @property
    def what(self) -> str:
        copy = f", copy {self.left_out.fold + 1} of {self.left_out.folds}" if self.left_out else ""
        own = f", {self.own.what}" if self.own else ""
        return f"teacher {self.number} (learning rate {self.recipe['learning_rate']:g}{own}{copy})"

    @property
    def own_task(self) -> Task:
        return self.task

    @property
    def learnt(self) -> Rows:
        """The pairs that it learns."""
        return self.own.rows() if self.own else self.task.rows("train")

    @property
    def learns_task(self) -> bool:
        """Whether the task's training split is among them."""
        return self.own is None or self.own.with_task

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
        tokens = self._pairs(context, model)
        questions = questions_of(context, self.learnt, tokens, self.task.classes, own.get("group_size"))
        facts = fit(
            model,
            PairDataset(tokens, questions=questions),
            [gold_term(1.0, self.gold_loss)],
            scratch=work / SCRATCH,
            runtime=context.runtime,
            what=f"teacher {self.number}",
            **{name: own[name] for name in TRAINING if name in own},
            **asdict(self.trainer),
            validate=validator(context, self.task, model, self.metric, relative=self.relative),
            metric=self.task.judged_by(self.metric),
        )
        if adapters:
            adapters.merge()
        facts["learnable_parameters"] = learnt
        written = write_classifier(work, model, context, self.task, self.metric, relative=self.relative)
        return {"training": facts, **written}

    def _pairs(self, context: RunContext, model: PairClassifier) -> Dataset:
        """Return the pairs that it learns, without those of the questions of the task that are left out."""
        tokens = self.learnt.read_by(context, model)
        if self.left_out is None:
            return tokens
        from tmkd.data.splits import whole_questions

        task = self.task.rows("train").read(context)
        folds = fold_of(whole_questions(task["question_id"], task["question"]), self.left_out.folds)
        left = {name for name, fold in zip(task["question_id"], folds) if fold == self.left_out.fold}
        asked = self.learnt.read(context)["question_id"]
        return tokens.select([at for at, name in enumerate(asked) if name not in left])

    def member(self, context: RunContext) -> Member:
        shaping = ("dropout", "freeze_embeddings", "lora")
        known = self.timed_as | {name: self.recipe[name] for name in shaping if name in self.recipe}
        what = f"teacher {self.number}"
        return member(context, self.learnt, known, what, lambda: self.untrained(context), self.trainer)

    def cost(self, context: RunContext) -> list[Work]:
        epochs = self.recipe["epochs"]
        who, rows = self.member(context), self.learnt
        passes = epochs * (1 - self._share_left_out(context))
        groups = self.recipe.get("group_size"), self.recipe.get("batch_questions")
        batch, share = pairs_seen(context, rows, tuple(self.task.classes), self.recipe["batch_size"], *groups)
        return learning(context, who, self.task, rows, batch, passes, epochs, heads=1, share=share)

    def _share_left_out(self, context: RunContext) -> float:
        """Return about which share of the pairs it leaves out, as one of several copies."""
        if self.left_out is None:
            return 0.0
        of_task = 1.0
        if self.own:
            of_task = self.task.build(context).details["pairs"]["train"] / self.own.build(context).details["pairs"]
        return of_task / self.left_out.folds


def recipe(teacher: TeacherConfig, encoder: Encoder) -> dict[str, Any]:
    """Return a teacher's hyperparameters: all of its settings but its encoder's and data, and ``long`` if not cut."""
    own = kind_settings(teacher) | {"max_length": teacher.max_length or encoder.settings.max_length}
    own |= {"long": teacher.long or encoder.settings.long}
    apart = ("encoder", "train", "train_with_task")
    return {name: value for name, value in own.items() if name not in apart and (name, value) != ("long", CUT)}


def fold_of(questions: Sequence[str], folds: int) -> np.ndarray:
    """Return the fold ``[pairs]``, from 0, of each pair; all pairs of a question are in one.

    Questions are dealt out in the order of their names' hashes, so that folds differ by one question at most, and the
    order of the rows decides nothing.
    """
    import numpy as np

    known = sorted(set(questions), key=lambda name: hashlib.sha256(name.encode()).digest())
    places = {name: place % folds for place, name in enumerate(known)}
    return np.array([places[name] for name in questions])


def best_teacher(context: RunContext, task: Task, trained: Sequence[Artifact], metric: str) -> int:
    """Return the index of the best teacher on the validation split; the first of equals.

    One that has no score of that split (of a file, maybe) is the best only where none has.
    """
    values = [validation_value(context, task, teacher, metric) for teacher in trained]
    return values.index(max(values))
