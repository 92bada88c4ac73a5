"""Stage 2: a student fine-tuned on the labelled task with the multi-head loss ``l = (1 − α) l_g + α l_s``.

The student starts from stage 1 or straight from its encoder; ``l_s`` is the mean over one soft head, for a teacher or
the teachers' average, or over a head each. Its prediction is the mean of the heads' probabilities.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tmkd.config import ExitsConfig, Stage2Config, TrainerConfig, settings
from tmkd.results.architecture import Architecture, StudentClassifier
from tmkd.results.context import RunContext
from tmkd.results.costs import learning
from tmkd.results.node import Result, identity, merged, outside, unless
from tmkd.results.objective import Objective
from tmkd.results.questions import pairs_seen, questions_of
from tmkd.results.soft_targets import reads, soft_targets
from tmkd.results.task import Task
from tmkd.results.terms import Terms, state_terms, states_cost
from tmkd.results.trained import validator, write_classifier
from tmkd.results.work import Work
from tmkd.store.artifacts import MODEL, SCRATCH

if TYPE_CHECKING:
    from tmkd.data.batching import PairDataset
    from tmkd.losses.combine import Term
    from tmkd.models.classifier import PairClassifier


@dataclass(frozen=True)
class StudentExits:
    """The exits of a student, and what they learn."""

    layers: tuple[int, ...]
    learning: ExitsConfig = merged()


@dataclass(frozen=True, eq=False)
class Student(StudentClassifier):
    """A fine-tuned student, with its predictions on validation and test.

    Attributes:
        stage1: the student of stage 1 that it starts from; None: it starts from its encoder.
        before: an earlier student of stage 2 that it goes on from.
        carry_heads: whether its heads start from those of the student it starts from; None where there is none.
        head_init: how heads that do not start from others do.
        metric: what decides which epoch is best; None: the task's usual one.
        called: its arm's name, for the log.
    """

    kind: ClassVar[str] = "stage2"

    task: Task
    stage1: Result | None
    student: Architecture
    training: Stage2Config
    trainer: TrainerConfig
    seed: int
    objective: Objective = merged()
    exits: StudentExits | None = unless(None)
    terms: Terms | None = unless(None)
    before: Result | None = unless(None)
    carry_heads: bool | None = unless(None)
    head_init: str = unless("shared")
    metric: str | None = unless(None)
    heads_seed: int | None = unless(None)
    called: str = outside(default="student")

    @property
    def what(self) -> str:
        of = f" of {self.objective.teachers[0].name}" if self.objective.targets == "one" else ""
        return f"{self.called}{of}, seed {self.seed}"

    @property
    def averages_heads(self) -> bool:
        return bool(self.objective.teachers) and self.objective.mix == "heads"

    @property
    def start_competes(self) -> bool:
        """Whether the weights of stage 1 may be the best "epoch": they can answer, and stage 2 has no new exits."""
        return self.stage1 is not None and bool(self.carry_heads) and self.exits is None

    def reads(self, context: RunContext) -> list[Result]:
        return reads(self.objective.teachers, self.task.rows("train"), self.objective.weights)

    def make(self, context: RunContext, work: Path) -> dict[str, Any]:
        from tmkd.training.fit import fit

        self.seed_start()
        ready = self.prepare(context)
        facts = fit(
            ready.model,
            ready.pairs,
            ready.terms,
            scratch=work / SCRATCH,
            runtime=context.runtime,
            what=self.what,
            seed=self.seed,
            **settings(self.training),
            **asdict(self.trainer),
            validate=validator(context, self.task, ready.model, self.metric, relative=self.objective.relative),
            metric=self.task.judged_by(self.metric),
            start_competes=self.start_competes,
        )
        followed = {"trust": ready.trust} if ready.trust else {}
        return {"training": facts, **followed, **self.write(context, ready.model, work)}

    def prepare(self, context: RunContext, known: PairDataset | None = None) -> PreparedStudent:
        """Return the student with the pairs and terms that it learns from.

        ``known`` is a data set whose soft targets are the same: they are not read again.
        """
        from tmkd.data.batching import PairDataset

        own, rows = self.objective, self.task.rows("train")
        model = self.initial(context)
        tokens = rows.read_by(context, model)
        targets, weights, trust = None, None, None
        if own.teachers and known is not None and own.missing != "skip":  # then tokens of its own must be left out
            targets, weights = known.soft_targets, known.teacher_weights
        elif own.teachers:
            average = own.targets == "average"
            found = soft_targets(context, own.teachers, rows, average, tokens, own.weights, own.missing)
            tokens, targets, weights, trust = found.tokens, found.logits, found.weights, found.trust
        more, states = state_terms(context, self.terms, model, own.teachers, own.weights, rows, tokens)
        model.predicting = own.predicting
        model.objective = own.identity() | ({"terms": identity(self.terms)} if self.terms else {})
        terms = [*own.terms(), *more, *self._exit_losses(model.predicting)]
        questions = questions_of(context, rows, tokens, self.task.classes, self.training.group_size)
        return PreparedStudent(model, PairDataset(tokens, targets, weights, states, questions), terms, trust)

    def initial(self, context: RunContext) -> PairClassifier:
        """Return the student before stage 2: from its encoder, or with stage 1's encoder and, if asked, its heads."""
        from tmkd.models.classifier import PairClassifier

        model = self.student.new(context, self.objective.heads, self.task.classes, self.head_init)
        if self.exits:
            model.add_exits(self.exits.layers)
        if (start := self.stage1 or self.before) is not None:
            earlier = PairClassifier.load(start.build(context).folder(MODEL))
            model.encoder.load_state_dict(earlier.encoder.state_dict())
            if self.carry_heads:
                model.heads.carry_over(earlier.heads.to(context.runtime.device))
                if earlier.exits.layers:  # a student that goes on; stage 1 trains none
                    model.exits.load_state_dict(earlier.exits.state_dict())
        return model

    def write(self, context: RunContext, model: PairClassifier, work: Path) -> dict[str, Any]:
        """Write the trained student and its predictions; return what its manifest says of it.

        The parameters that each exit needs, and those that all exits add, are in it.
        """
        from tmkd.models.exits import exit_parameters

        facts = write_classifier(work, model, context, self.task, self.metric, relative=self.objective.relative)
        if layers := model.exits.layers:
            each = {str(layer): exit_parameters(model, layer) for layer in layers}
            facts["exits"] = each | {"all": exit_parameters(model)}
        return facts

    def cost(self, context: RunContext) -> list[Work]:
        rows, own, epochs = self.task.rows("train"), self.objective, self.training.epochs
        who, heads = self.member(context), 1 + len(own.teachers)
        groups = self.training.group_size, self.training.batch_questions
        batch, seen = pairs_seen(context, rows, tuple(self.task.classes), self.training.batch_size, *groups)
        works = learning(context, who, self.task, rows, batch, epochs, epochs, heads, seen)
        return works + states_cost(context, self.terms, own.teachers, rows, epochs * seen)

    def _exit_losses(self, heads: list[int]) -> list[Term]:
        from tmkd.losses.exits import exit_terms

        return exit_terms(list(self.exits.layers), heads, **asdict(self.exits.learning)) if self.exits else []


@dataclass(frozen=True)
class PreparedStudent:
    """A student before its training, with all that is needed for it."""

    model: PairClassifier
    pairs: PairDataset
    terms: list[Term]
    trust: dict[str, Any] | None = None  # who is followed (``SoftTargets.trust``)
