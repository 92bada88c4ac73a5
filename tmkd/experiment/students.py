"""The students of an arm as results: one a seed, one a teacher for m-o-m, or all that are trained together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tmkd.experiment.arms import Arm, given
from tmkd.experiment.experiment import Experiment
from tmkd.experiment.families import asked, members
from tmkd.experiment.families.family import RowMembers
from tmkd.experiment.objectives import StudentObjective
from tmkd.results.architecture import Architecture
from tmkd.results.averaged import AveragedStage1, AveragedStudent, seeds_apart
from tmkd.results.classifier import Classifier
from tmkd.results.node import Result
from tmkd.results.soft_labels import SoftLabels
from tmkd.results.soft_targets import TeacherWeights
from tmkd.results.stage1 import SoftLoss, Stage1Student
from tmkd.results.student import Student, StudentExits
from tmkd.results.terms import terms_of


def students(arm: Arm, seed: int) -> Sequence[Classifier]:
    """Return an arm's students for one seed.

    Where an arm has no stage 2, that of stage 1, which has predicted validation and test itself.
    """
    arm = taught(arm, seed)
    if not arm.fine_tune:
        return [soft_student(arm, arm.experiment, objective, seed) for objective in arm.objectives]

    def alone(member: Experiment) -> Student:
        [objective] = arm.objectives
        return _trained(arm, member, objective, seed, arm.name)

    for family in asked(arm.experiment.config):
        if (made := family.students(arm.experiment, arm.name, seed, alone)) is not None:
            return made
    if arm.generations > 1:
        return [_last_generation(arm, seed)]
    return [fine_tuned(arm, arm.experiment, objective, seed, arm.name) for objective in arm.objectives]


def taught(arm: Arm, seed: int) -> Arm:
    """Return the arm with those that teach it: the same for all seeds, or another arm's students of this seed.

    Those are the students whose answers make the other arm's row.
    """
    if arm.assistant is None:
        return arm
    rows = arm_rows(arm.assistant, [students(arm.assistant, seed)])
    return given(arm, rows[arm.assistant.name][0])


def stage1_students(arm: Arm) -> list[Result]:
    """Return the pre-trained students that an arm's students start from, for every seed; none without a stage 1."""
    return [
        stage1_student(own, experiment, objective, seed)
        for seed in arm.experiment.config.student.seeds
        for own in [taught(arm, seed)]
        for objective in own.objectives
        if objective.pretrain
        for experiment in members(own.experiment)
    ]


def corpus_labels(arm: Arm) -> list[SoftLabels]:
    """Return the soft labels of all of an arm's teachers on the corpus, where its stage 1 learns soft labels."""
    experiment = arm.experiment
    found = [
        SoftLabels.of(teacher, experiment.corpus.rows())
        for seed in (experiment.config.student.seeds if experiment.config.stage1.kind == "soft" else [])
        for own in [taught(arm, seed)]
        if any(each.pretrain for each in own.objectives)
        for teacher in own.teachers
    ]
    return list(dict.fromkeys(found))


def arm_rows(arm: Arm, made: Sequence[Sequence[Classifier]]) -> RowMembers:
    """Return the rows of an arm by name: for each seed the students whose probabilities are averaged.

    Args:
        made: for each seed what ``students`` returned.
    """
    config = arm.experiment.config
    for family in asked(config):
        if (rows := family.rows(arm.name, config, made)) is not None:
            return rows
    return {arm.name: [list(seed) for seed in made]}


def stage1_student(arm: Arm, experiment: Experiment, objective: StudentObjective, seed: int) -> Result:
    """Return the student of stage 1 that a student of stage 2 starts from."""
    for family in asked(experiment.config):
        if (student := family.stage1(experiment, seed)) is not None:
            return student
    return soft_student(arm, experiment, objective, seed)


def soft_student(
    arm: Arm, experiment: Experiment, objective: StudentObjective, seed: int
) -> Stage1Student | AveragedStage1:
    """Return the stage-1 student for an objective: taught by its teachers, or by all of them where it has none.

    By the average of all, too, where several students start from one and each goes on with a teacher of its own.
    """
    first, count = _pretrained(arm, experiment, objective, seed), experiment.config.stage1.average_seeds
    return first if count == 1 else AveragedStage1(tuple(seeds_apart(first, count)), first)


def _pretrained(arm: Arm, experiment: Experiment, objective: StudentObjective, seed: int) -> Stage1Student:
    config, stage1 = experiment.config, experiment.config.stage1
    own = objective.stage2
    chosen = tuple(arm.teachers) if objective.shared_start or not own.teachers else own.teachers
    # an arm that learns from the average as one teacher does so in both stages
    targets = "average" if own.targets == "average" or objective.shared_start else stage1.targets
    targets = "one" if len(chosen) == 1 else targets
    return Stage1Student(
        experiment.corpus,
        chosen,
        targets,
        config.data.outputs,
        _architecture(arm, experiment),
        experiment.stage1_training,
        config.trainer,
        seed,
        SoftLoss(stage1.loss, stage1.temperature) if stage1.kind == "soft" else SoftLoss(None),
        experiment.task,
        config.method.head_init if targets == "heads" else "shared",
        stage1.share,
        TeacherWeights.of(stage1.teacher_weights, config.method.weights, len(chosen), config.method.trust_by),
        terms_of(config.method.terms, objective.terms, 1),
        config.teachers.on_missing,
    )


def fine_tuned(
    arm: Arm, experiment: Experiment, objective: StudentObjective, seed: int, called: str, before: Result | None = None
) -> Student | AveragedStudent:
    """Return the student of one objective and one seed; ``before`` is an earlier student that it goes on from."""
    first = _trained(arm, experiment, objective, seed, called, before)
    count = experiment.config.stage2.average_seeds
    return first if count == 1 else AveragedStudent(tuple(seeds_apart(first, count)), first)


def _trained(
    arm: Arm, experiment: Experiment, objective: StudentObjective, seed: int, called: str, before: Result | None = None
) -> Student:
    config, method, own = experiment.config, experiment.config.method, objective.stage2
    stage1 = stage1_student(arm, experiment, objective, seed) if objective.pretrain else None
    start = stage1 or before
    fresh = own.teachers and own.mix == "heads" and not (start and objective.carry_heads)
    exits = tuple(config.student.exits)
    return Student(
        experiment.task,
        stage1,
        _architecture(arm, experiment),
        config.stage2,
        config.trainer,
        seed + objective.seed_offset,
        own,
        StudentExits(exits, method.exits) if exits else None,
        terms_of(method.terms, objective.terms, 2),
        before,
        objective.carry_heads if start else None,
        method.head_init if fresh else "shared",
        experiment.own_metric,
        called=called,
    )


def _architecture(arm: Arm, experiment: Experiment) -> Architecture:
    return experiment.architecture(arm.teachers[arm.best])


def _last_generation(arm: Arm, seed: int) -> Student | AveragedStudent:
    """Return the last of several students, each the teacher of the next.

    Each starts afresh (born-again networks, Furlanello et al. 2018), or goes on from the one before in a cycle of the
    learning rate of its own, all cycles together as long as one training (snapshot distillation, Yang et al. 2019).
    """
    objective = arm.objectives[0]
    each = [arm.experiment] * arm.generations
    if arm.continues:
        each = [arm.experiment.varied({"stage2": {"epochs": epochs, "patience": 0}}) for epochs in _cycles(arm)]
    student = fine_tuned(arm, each[0], objective, seed, f"{arm.name}, 1")
    for number, experiment in enumerate(each[1:], start=2):
        taught = replace(objective, stage2=replace(objective.stage2, targets="one", teachers=(student,)))
        before = student if arm.continues else None
        student = fine_tuned(arm, experiment, taught, seed, f"{arm.name}, {number}", before)
    return student


def _cycles(arm: Arm) -> list[int]:
    """Return the epochs of each cycle, which are those of one training together; the first cycles have the rest."""
    epochs, rest = divmod(arm.experiment.config.stage2.epochs, arm.generations)
    return [epochs + (number < rest) for number in range(arm.generations)]
