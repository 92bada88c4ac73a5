"""What a student of stage 2 is made of: where it starts, what it learns from, and its identity."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tmkd.artifacts import MODEL, Artifact
from tmkd.config import settings
from tmkd.pipelines.arms import Lesson
from tmkd.pipelines.encoders import student_identity
from tmkd.pipelines.exits import exit_facts, exit_losses, exits_spec
from tmkd.pipelines.inputs import Inputs
from tmkd.pipelines.objective import final_alpha, objective, objective_spec
from tmkd.pipelines.scoring import soft_targets
from tmkd.pipelines.specs import term_spec
from tmkd.pipelines.stage1 import new_student, pretrained_student, starting_teacher
from tmkd.pipelines.teachers import write_classifier
from tmkd.pipelines.terms import active_terms, state_terms

if TYPE_CHECKING:
    from tmkd.data.batching import PairDataset
    from tmkd.losses.combine import Term
    from tmkd.models.classifier import PairClassifier


@dataclass(frozen=True)
class Recipe:
    """What a student of stage 2 is made of, and its identity.

    Attributes:
        start: the student that it goes on from: of stage 1, or an earlier one.
        teacher: whose layers it keeps; None: its encoder's.
        seed: of its heads, its dropout and the order of its pairs.
    """

    inputs: Inputs
    lesson: Lesson
    start: Artifact | None
    teacher: Artifact | None
    seed: int
    spec: dict[str, Any]

    @property
    def start_competes(self) -> bool:
        """Whether the weights of stage 1 may be the best "epoch": they can answer, and stage 2 has no new exits."""
        return self.lesson.pretrain and self.lesson.carry_heads and not self.inputs.config.student.exits


def recipe(
    inputs: Inputs, lesson: Lesson, trained: list[Artifact], seed: int, before: Artifact | None = None
) -> Recipe:
    """Settle what a student is made of; its stage 1 is made if it is not there yet.

    ``seed`` is the run's: of its stage 1, too. The students of m-o-m each add an offset of their own in stage 2.
    """
    config = inputs.config
    start = pretrained_student(inputs, lesson, trained, seed) if lesson.pretrain else before
    teacher = starting_teacher(inputs, trained)
    seed += lesson.seed_offset
    spec: dict[str, Any] = {
        "task": inputs.task.key,
        "stage1": start.key if lesson.pretrain and start else None,
        "student": student_identity(inputs, teacher),
        "training": settings(config.stage2),
        "trainer": settings(config.trainer),
        "seed": seed,
        **exits_spec(config),
        **objective_spec(inputs, lesson),
    }
    if terms := active_terms(inputs, lesson.terms, stage=2):
        spec["terms"] = {name: term_spec(term) for name, term in terms.items()}
    if before:
        spec["before"] = before.key
    if start:
        spec["carry_heads"] = lesson.carry_heads
    fresh = not (start and lesson.carry_heads)
    if fresh and lesson.teachers and lesson.mix == "heads" and config.method.head_init != "shared":
        spec["head_init"] = config.method.head_init
    return Recipe(inputs, lesson, start, teacher, seed, spec)


@dataclass(frozen=True)
class Ready:
    """A student before its training, with all that is needed for it."""

    model: PairClassifier
    pairs: PairDataset
    terms: list[Term]


def prepare(made_of: Recipe, known: PairDataset | None = None) -> Ready:
    """Return the student with the pairs and terms that it learns from.

    ``known`` is a data set whose soft targets are the same: they are not read again.
    """
    from tmkd.data.batching import PairDataset
    from tmkd.models.classifier import prediction_heads
    from tmkd.models.heads import AVERAGE, GOLD

    inputs, lesson = made_of.inputs, made_of.lesson
    average = lesson.targets == "average"
    soft = [AVERAGE] if average else [teacher.key for teacher in lesson.teachers]
    names = [GOLD, *(soft if lesson.mix == "heads" else [])]
    model = _initial(inputs, names, lesson, made_of.start, made_of.teacher)
    tokens = inputs.tokens("train", model.tokenizer, model.max_length)
    targets, weights = None, None
    if soft and known is not None:
        targets, weights = known.soft_targets, known.teacher_weights
    elif soft:
        chosen = list(lesson.teachers)
        targets, weights = soft_targets(inputs, chosen, "train", average, tokens, lesson.teacher_weights)
    more, states = state_terms(inputs, lesson.terms, 2, model, lesson.teachers, "train", tokens)
    model.predicting = prediction_heads(model.heads.names, final_alpha(inputs, lesson))
    terms = [*objective(inputs, lesson), *more, *exit_losses(inputs.config, model.predicting)]
    return Ready(model, PairDataset(tokens, targets, weights, states), terms)


def write_student(inputs: Inputs, ready: Ready, work: Path) -> dict[str, Any]:
    """Write a trained student and its predictions; return what its manifest says of it."""
    return {**write_classifier(work, ready.model, inputs), **exit_facts(ready.model)}


def _initial(
    inputs: Inputs, heads: list[str], lesson: Lesson, start: Artifact | None, teacher: Artifact | None
) -> PairClassifier:
    """Return the student before stage 2: from its encoder, or with stage 1's encoder and, if asked, its heads."""
    from tmkd.models.classifier import PairClassifier

    model = new_student(inputs, heads, teacher)
    if layers := inputs.config.student.exits:
        model.add_exits(layers)
    if start is not None:
        earlier = PairClassifier.load(start.folder(MODEL))
        model.encoder.load_state_dict(earlier.encoder.state_dict())
        if lesson.carry_heads:
            model.heads.carry_over(earlier.heads.to(inputs.runtime.device))
            if earlier.exits.layers:  # a student that goes on; stage 1 trains none
                model.exits.load_state_dict(earlier.exits.state_dict())
    return model
