"""What a student of stage 2 is made of: where it starts, what it learns from, and its identity."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tmkd.config import settings
from tmkd.pipelines.arms import StudentObjective
from tmkd.pipelines.classifiers import new_student, write_classifier
from tmkd.pipelines.context import RunContext
from tmkd.pipelines.encoders import student_identity
from tmkd.pipelines.exits import exit_facts, exit_losses, exits_spec
from tmkd.pipelines.objective import final_alpha, objective_spec, objective_terms
from tmkd.pipelines.scoring import soft_targets
from tmkd.pipelines.specs import term_spec
from tmkd.pipelines.stage1 import pretrained_student, starting_teacher
from tmkd.pipelines.terms import active_terms, state_terms
from tmkd.store.artifacts import MODEL, Artifact

if TYPE_CHECKING:
    from tmkd.data.batching import PairDataset
    from tmkd.losses.combine import Term
    from tmkd.models.classifier import PairClassifier


@dataclass(frozen=True)
class StudentSpec:
    """What a student of stage 2 is made of, and its identity.

    Attributes:
        start: the student that it goes on from: of stage 1, or an earlier one.
        teacher: whose layers it keeps; None: its encoder's.
        seed: of its heads, its dropout and the order of its pairs.
    """

    context: RunContext
    objective: StudentObjective
    start: Artifact | None
    teacher: Artifact | None
    seed: int
    spec: dict[str, Any]

    @property
    def start_competes(self) -> bool:
        """Whether the weights of stage 1 may be the best "epoch": they can answer, and stage 2 has no new exits."""
        return self.objective.pretrain and self.objective.carry_heads and not self.context.config.student.exits


def student_spec(
    context: RunContext, objective: StudentObjective, trained: list[Artifact], seed: int, before: Artifact | None = None
) -> StudentSpec:
    """Settle what a student is made of; its stage 1 is made if it is not there yet.

    ``seed`` is the run's: of its stage 1, too. The students of m-o-m each add an offset of their own in stage 2.
    """
    config = context.config
    start = pretrained_student(context, objective, trained, seed) if objective.pretrain else before
    teacher = starting_teacher(context, trained)
    seed += objective.seed_offset
    spec: dict[str, Any] = {
        "task": context.task.key,
        "stage1": start.key if objective.pretrain and start else None,
        "student": student_identity(context, teacher),
        "training": settings(config.stage2),
        "trainer": settings(config.trainer),
        "seed": seed,
        **exits_spec(config),
        **objective_spec(context, objective),
    }
    if terms := active_terms(context, objective.terms, stage=2):
        spec["terms"] = {name: term_spec(term) for name, term in terms.items()}
    if before:
        spec["before"] = before.key
    if start:
        spec["carry_heads"] = objective.carry_heads
    fresh = not (start and objective.carry_heads)
    if fresh and objective.teachers and objective.mix == "heads" and config.method.head_init != "shared":
        spec["head_init"] = config.method.head_init
    return StudentSpec(context, objective, start, teacher, seed, spec)


@dataclass(frozen=True)
class PreparedStudent:
    """A student before its training, with all that is needed for it."""

    model: PairClassifier
    pairs: PairDataset
    terms: list[Term]


def prepare(made_of: StudentSpec, known: PairDataset | None = None) -> PreparedStudent:
    """Return the student with the pairs and terms that it learns from.

    ``known`` is a data set whose soft targets are the same: they are not read again.
    """
    from tmkd.data.batching import PairDataset
    from tmkd.models.classifier import prediction_heads
    from tmkd.models.heads import AVERAGE, GOLD

    context, objective = made_of.context, made_of.objective
    average = objective.targets == "average"
    soft = [AVERAGE] if average else [teacher.key for teacher in objective.teachers]
    names = [GOLD, *(soft if objective.mix == "heads" else [])]
    model = _initial(context, names, objective, made_of.start, made_of.teacher)
    tokens = context.tokens("train", model.tokenizer, model.max_length)
    targets, weights = None, None
    if soft and known is not None:
        targets, weights = known.soft_targets, known.teacher_weights
    elif soft:
        chosen = list(objective.teachers)
        targets, weights = soft_targets(context, chosen, "train", average, tokens, objective.teacher_weights)
    more, states = state_terms(context, objective.terms, 2, model, objective.teachers, "train", tokens)
    model.predicting = prediction_heads(model.heads.names, final_alpha(context, objective))
    terms = [*objective_terms(context, objective), *more, *exit_losses(context.config, model.predicting)]
    return PreparedStudent(model, PairDataset(tokens, targets, weights, states), terms)


def write_student(context: RunContext, ready: PreparedStudent, work: Path) -> dict[str, Any]:
    """Write a trained student and its predictions; return what its manifest says of it."""
    return {**write_classifier(work, ready.model, context), **exit_facts(ready.model)}


def _initial(
    context: RunContext, heads: list[str], objective: StudentObjective, start: Artifact | None, teacher: Artifact | None
) -> PairClassifier:
    """Return the student before stage 2: from its encoder, or with stage 1's encoder and, if asked, its heads."""
    from tmkd.models.classifier import PairClassifier

    model = new_student(context, heads, teacher)
    if layers := context.config.student.exits:
        model.add_exits(layers)
    if start is not None:
        earlier = PairClassifier.load(start.folder(MODEL))
        model.encoder.load_state_dict(earlier.encoder.state_dict())
        if objective.carry_heads:
            model.heads.carry_over(earlier.heads.to(context.runtime.device))
            if earlier.exits.layers:  # a student that goes on; stage 1 trains none
                model.exits.load_state_dict(earlier.exits.state_dict())
    return model
