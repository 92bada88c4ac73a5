"""Stage 2: fine-tune the student on the labelled task with the multi-head loss ``l = (1 − α) l_g + α l_s``.

The student starts from stage 1 or straight from its encoder; ``l_s`` is the mean over one soft head, for a teacher or
the teachers' average, or over a head each. Its prediction is the mean of the heads' probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tmkd.artifacts import SCRATCH, Artifact
from tmkd.config import Config, MethodConfig, settings
from tmkd.metrics import main_metric
from tmkd.pipelines.arms import Arm, Lesson, arms
from tmkd.pipelines.encoders import student_identity
from tmkd.pipelines.exits import exit_facts, exit_losses, exits_spec
from tmkd.pipelines.inputs import Inputs
from tmkd.pipelines.scoring import soft_targets
from tmkd.pipelines.specs import course_spec, soft_spec, weights_spec
from tmkd.pipelines.stage1 import new_student, pretrained_student, starting_teacher
from tmkd.pipelines.teachers import MODEL, validator, write_predictions
from tmkd.pipelines.terms import active_terms, amount, state_terms

if TYPE_CHECKING:
    from tmkd.data.batching import PairDataset
    from tmkd.losses.combine import Amount, Term
    from tmkd.models.classifier import PairClassifier


def run(config: Config) -> list[Artifact]:
    """Return every student of every arm, for every seed and number of teachers that the config names."""
    made: dict[str, Artifact] = {}
    for arm in arms(Inputs(config)):
        for seed in arm.inputs.config.student.seeds:
            for student in students(arm, seed):
                made[student.name] = student
    return list(made.values())


def students(arm: Arm, seed: int) -> list[Artifact]:
    """Return an arm's students for one seed: one, one a teacher for m-o-m, or all that are trained together."""
    if arm.inputs.config.method.online.kind != "none":
        from tmkd.pipelines.peers import peers  # it is made of what is in this file

        return peers(arm, seed)
    if arm.generations > 1:
        return [_last_generation(arm, seed)]
    return [fine_tuned_student(arm.inputs, arm.name, lesson, arm.trained, seed) for lesson in arm.lessons]


def _last_generation(arm: Arm, seed: int) -> Artifact:
    """Return the last of several students, each the teacher of the next.

    Each starts afresh (born-again networks, Furlanello et al. 2018), or goes on from the one before in a cycle of the
    learning rate of its own, all cycles together as long as one training (snapshot distillation, Yang et al. 2019).
    """
    inputs, lesson = arm.inputs, arm.lessons[0]
    if arm.continues:
        epochs = max(1, round(inputs.config.stage2.epochs / arm.generations))
        inputs = inputs.varied({"stage2": {"epochs": epochs, "patience": 0}})
    student = fine_tuned_student(inputs, f"{arm.name}, 1", lesson, arm.trained, seed)
    for number in range(2, arm.generations + 1):
        taught = replace(lesson, targets="one", teachers=(student,))
        before = student if arm.continues else None
        student = fine_tuned_student(inputs, f"{arm.name}, {number}", taught, arm.trained, seed, before)
    return student


def fine_tuned_student(
    inputs: Inputs, name: str, lesson: Lesson, trained: list[Artifact], seed: int, before: Artifact | None = None
) -> Artifact:
    """Return the student of one lesson and one seed, with its predictions on validation and test.

    ``before`` is an earlier student that it goes on from.
    """
    made_of = recipe(inputs, lesson, trained, seed, before)
    of = f" of {lesson.teachers[0].name}" if lesson.targets == "one" else ""
    what = f"{name}{of}, seed {seed}"
    return inputs.store.build("stage2", made_of.spec, lambda work: _train(made_of, what, work), what)


@dataclass(frozen=True)
class Recipe:
    """What a student of stage 2 is made of, and its identity.

    Attributes:
        start: the student that it goes on from: of stage 1, or an earlier one.
        teacher: whose layers it keeps; None: its encoder's.
    """

    inputs: Inputs
    lesson: Lesson
    start: Artifact | None
    teacher: Artifact | None
    seed: int
    spec: dict[str, Any]


def recipe(
    inputs: Inputs, lesson: Lesson, trained: list[Artifact], seed: int, before: Artifact | None = None
) -> Recipe:
    """Settle what a student is made of; its stage 1 is made if it is not there yet."""
    config = inputs.config
    start = pretrained_student(inputs, lesson, trained, seed) if lesson.pretrain else before
    teacher = starting_teacher(inputs, trained)
    spec: dict[str, Any] = {
        "task": inputs.task.key,
        "stage1": start.key if lesson.pretrain and start else None,
        "student": student_identity(inputs, teacher),
        "training": settings(config.stage2),
        "trainer": settings(config.trainer),
        "seed": seed,
        **exits_spec(config),
    }
    if lesson.teachers:
        spec |= {"teachers": [teacher.key for teacher in lesson.teachers], "targets": lesson.targets}
        spec |= {"alpha": float(lesson.alpha), **soft_spec(_loss_name(lesson), lesson.temperature)}
        if lesson.mix != "heads":
            spec["mix"] = lesson.mix
        if lesson.teacher_weights != "mean":
            spec["weights"] = weights_spec(lesson.teacher_weights, config.method.weights)
        if course := _course(inputs, lesson):
            spec["course"] = course
    if terms := active_terms(inputs, lesson.terms, stage=2):
        spec["terms"] = {name: settings(term) for name, term in terms.items()}
    if before:
        spec["before"] = before.key
    if start:
        spec["carry_heads"] = lesson.carry_heads
    return Recipe(inputs, lesson, start, teacher, seed, spec)


@dataclass(frozen=True)
class Ready:
    """A student before its training, with all that is needed for it; ``heads`` are those that predict."""

    model: PairClassifier
    pairs: PairDataset
    terms: list[Term]
    heads: list[int]


def _train(made_of: Recipe, what: str, work: Path) -> dict[str, Any]:
    import torch

    from tmkd.training.fit import fit

    inputs, config = made_of.inputs, made_of.inputs.config
    torch.manual_seed(made_of.seed)
    ready = prepare(made_of)
    facts = fit(
        ready.model,
        ready.pairs,
        ready.terms,
        scratch=work / SCRATCH,
        runtime=inputs.runtime,
        what=what,
        seed=made_of.seed,
        **settings(config.stage2),
        **settings(config.trainer),
        validate=validator(inputs, ready.model, ready.heads),
        metric=main_metric(config.data.ranking),
    )
    return {"training": facts, **write_student(inputs, ready, work)}


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
        chosen, labels = list(lesson.teachers), tokens["label"]
        targets, weights = soft_targets(inputs, chosen, "train", average, tokens["id"], lesson.teacher_weights, labels)
    more, states = state_terms(inputs, lesson.terms, 2, model, lesson.teachers, "train")
    heads = prediction_heads(model.heads.names, lesson.alpha)
    pairs = PairDataset(tokens, targets, weights, states)
    return Ready(model, pairs, [*_loss(inputs, lesson), *more, *exit_losses(inputs.config, heads)], heads)


def write_student(inputs: Inputs, ready: Ready, work: Path) -> dict[str, Any]:
    """Write a trained student and its predictions; return what its manifest says of it."""
    validation = write_predictions(work, ready.model, inputs, ready.heads)
    ready.model.save(work / MODEL)
    return {"validation": validation, "parameters": ready.model.parameter_count, **exit_facts(ready.model)}


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


def _loss(inputs: Inputs, lesson: Lesson) -> list[Term]:
    """Return the paper's two terms, or their like for a student whose one head learns from both."""
    from tmkd.losses.combine import gold_term, soft_term, weighed_term

    method = inputs.config.method
    if not lesson.teachers:
        return [gold_term(1.0)]
    if method.alpha_end is None and lesson.alpha == 1 and lesson.mix == "heads":
        return [soft_term(1.0, lesson.loss, _temperature(method, lesson))]
    alpha = amount(lesson.alpha, method.alpha_end, method.schedule)
    if lesson.mix == "weigh":
        return [weighed_term(alpha, _temperature(method, lesson))]
    rest = amount(1.0 - lesson.alpha, None if method.alpha_end is None else 1.0 - method.alpha_end, method.schedule)
    head = "gold" if lesson.mix == "blend" else "soft"
    return [gold_term(rest), soft_term(alpha, lesson.loss, _temperature(method, lesson), head)]


def _loss_name(lesson: Lesson) -> str:
    """One mixed target is learnt by cross-entropy, whatever ``loss`` says."""
    return "ce" if lesson.mix == "weigh" else lesson.loss


def _temperature(method: MethodConfig, lesson: Lesson) -> Amount:
    return amount(lesson.temperature, method.temperature_end, method.schedule)


def _course(inputs: Inputs, lesson: Lesson) -> dict[str, Any]:
    """Return what changes while the student learns, for its identity; squared error knows no temperature."""
    method = inputs.config.method
    cool = None if _loss_name(lesson) == "mse" else method.temperature_end
    return course_spec(
        alpha=(lesson.alpha, method.alpha_end, method.schedule),
        temperature=(lesson.temperature, cool, method.schedule),
    )
