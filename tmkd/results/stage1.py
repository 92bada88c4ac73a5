"""Stage 1: a student pre-trained on unlabelled pairs, with the teachers' soft labels alone (``l = l_s``).

The default target is the teachers' average; ``stage1.targets=heads`` gives each teacher a head, as the paper does.
Without a soft loss, further terms alone are learnt, as in the first training of FitNets (Romero et al. 2015) and FSP
(Yim et al. 2017).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tmkd.choices import RANKING_LOSSES
from tmkd.config import TrainerConfig
from tmkd.results.architecture import Architecture, StudentClassifier
from tmkd.results.classifier import Classifier
from tmkd.results.context import RunContext
from tmkd.results.corpus import Corpus
from tmkd.results.costs import learning
from tmkd.results.node import Result, merged, outside, unless
from tmkd.results.objective import soft_identity
from tmkd.results.questions import pairs_seen, questions_of
from tmkd.results.soft_targets import TeacherWeights, reads, soft_targets
from tmkd.results.task import Task
from tmkd.results.terms import Terms, state_terms, states_cost
from tmkd.results.trained import write_classifier
from tmkd.results.work import Work
from tmkd.store.artifacts import SCRATCH

if TYPE_CHECKING:
    from tmkd.models.classifier import PairClassifier

LEARNT = ("teachers", "targets", "objective", "loss", "temperature", "weights", "terms")  # saved with the model


@dataclass(frozen=True)
class SoftLoss:
    """The loss of the soft labels; None: they are not learnt, further terms alone are."""

    loss: str | None
    temperature: float = 1.0

    def identity(self) -> Mapping[str, Any]:
        return soft_identity(self.loss, self.temperature) if self.loss else {"objective": "terms"}


@dataclass(frozen=True, eq=False)
class Stage1Student(StudentClassifier):
    """A pre-trained student.

    Attributes:
        targets: one (teacher), average or heads.
        training: its learning rate, batch size and epochs, and how questions make a batch where they do.
        share: of the corpus.
        task: what it predicts, for a row of its own.
    """

    kind: ClassVar[str] = "stage1"

    corpus: Corpus
    teachers: tuple[Classifier, ...]
    targets: str
    classes: list[str]
    student: Architecture
    training: Mapping[str, Any]
    trainer: TrainerConfig
    seed: int
    soft: SoftLoss = merged()
    task: Task = outside()
    head_init: str = unless("shared")
    share: float = unless(1.0)
    weights: TeacherWeights | None = unless(None)
    terms: Terms | None = unless(None)
    missing: str = unless("raise")
    heads_seed: int | None = unless(None)

    @property
    def what(self) -> str:
        taught = {"one": "one teacher", "average": f"the average of {len(self.teachers)} teachers"}
        by = taught.get(self.targets, f"{len(self.teachers)} teachers, a head each")
        return f"stage-1 student of {by}, seed {self.seed}"

    def reads(self, context: RunContext) -> list[Result]:
        return reads(self.teachers, self.corpus.rows(), self.weights) if self.soft.loss else []

    def untrained(self, context: RunContext) -> PairClassifier:
        """Return the student before its training, with the heads that it learns with."""
        from tmkd.models.heads import AVERAGE

        heads = [AVERAGE] if self.targets == "average" else [teacher.key for teacher in self.teachers]
        return self.student.new(context, heads, self.classes, self.head_init)

    def make(self, context: RunContext, work: Path) -> dict[str, Any]:
        from tmkd.data.batching import PairDataset
        from tmkd.data.splits import draw_pairs
        from tmkd.losses.combine import soft_term
        from tmkd.store.memmap import letting_go
        from tmkd.training.fit import fit

        self.seed_start()
        model, rows = self.untrained(context), self.corpus.rows()
        model.objective = {name: self.spec[name] for name in LEARNT if name in self.spec}
        tokens = rows.read_by(context, model)
        tokens = draw_pairs(tokens, max(1, round(len(tokens) * self.share)))
        losses, states = state_terms(context, self.terms, model, self.teachers, self.weights, rows, tokens)
        soft, weights, followed = None, None, {}
        if self.soft.loss:
            average = self.targets == "average"
            found = soft_targets(context, self.teachers, rows, average, tokens, self.weights, self.missing)
            tokens, soft, weights = found.tokens, found.logits, found.weights
            followed = {"trust": found.trust} if found.trust else {}
            losses = [soft_term(1.0, self.soft.loss, self.soft.temperature), *losses]
        questions = questions_of(context, rows, tokens, self.classes, self.training.get("group_size"))
        with letting_go(tokens, soft, weights, at_random=True):
            facts = fit(
                model,
                PairDataset(tokens, soft, weights, states, questions),
                losses,
                scratch=work / SCRATCH,
                runtime=context.runtime,
                what="stage 1",
                seed=self.seed,
                **self.training,
                **asdict(self.trainer),
            )
        return {"training": facts, **followed, **self.write(context, model, work)}

    def write(self, context: RunContext, model: PairClassifier, work: Path) -> dict[str, Any]:
        relative = model.predicting if self.soft.loss in RANKING_LOSSES else []
        return write_classifier(work, model, context, self.task, relative=relative)

    def cost(self, context: RunContext) -> list[Work]:
        rows, passes = self.corpus.rows(), self.training["epochs"] * self.share
        who, heads = self.member(context), 1 + len(self.teachers)
        groups = self.training.get("group_size"), self.training.get("batch_questions")
        batch, seen = pairs_seen(context, rows, tuple(self.classes), self.training["batch_size"], *groups)
        works = learning(context, who, self.task, rows, batch, passes, judged=0, heads=heads, share=seen)
        return works + states_cost(context, self.terms, self.teachers, rows, passes * seen)
