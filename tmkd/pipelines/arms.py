"""The arms of a comparison: from two switches to the students that must be trained.

What an arm is follows from the settings, never from a preset: with one teacher, its head, the average and the teacher
itself are one arm.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tmkd.artifacts import Artifact
from tmkd.checks.method import WITHOUT_TEACHER
from tmkd.config import ArmConfig, Config, encoder_of, teaching
from tmkd.config import settings as settings_of
from tmkd.errors import ConfigError
from tmkd.metrics import main_metric
from tmkd.pipelines.exits import check_student_exits, exits_spec
from tmkd.pipelines.inputs import Inputs
from tmkd.pipelines.language import check_language
from tmkd.pipelines.names import ENSEMBLE, row_name, settle, teacher_row, with_count
from tmkd.pipelines.online import check_peers, members, online_facts
from tmkd.pipelines.overlap import check_overlaps
from tmkd.pipelines.teachers import best_teacher, check_encoders, check_roster, teachers, untrained
from tmkd.pipelines.terms import check_terms
from tmkd.report.rows import BASELINE


@dataclass(frozen=True)
class Lesson:
    """What one student learns from: ``targets`` is none, one, average or heads."""

    targets: str
    teachers: tuple[Artifact, ...]
    pretrain: bool
    alpha: float
    loss: str
    temperature: float
    carry_heads: bool
    mix: str = "heads"
    teacher_weights: str = "mean"
    terms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Arm:
    """A row of the comparison.

    Attributes:
        name: unique in the table.
        series: its line in the figure over teacher counts: the name it would have with several teachers.
        count: how many teachers there are.
        lessons: one a student (several for m-o-m).
        key: what ``method.arms`` calls it.
        generations, continues: whether students teach each other in a row.
        inputs: the config that it is made with (its own ``set`` included).
        trained: the teachers that there are for it.
    """

    name: str
    series: str
    count: int
    lessons: tuple[Lesson, ...]
    settings: dict[str, Any]
    key: str
    inputs: Inputs
    trained: list[Artifact]
    generations: int = 1
    continues: bool = False


def arms(inputs: Inputs) -> list[Arm]:
    """Return the arms to compare, for each number of teachers; some may come to the same."""
    config = inputs.config
    counts: list[int | None] = [*config.comparison.teacher_counts] or [None]  # None: each arm's own
    check_arms(inputs)
    check_overlaps(inputs)
    found: list[Arm] = []
    for count in counts:
        for name, arm in config.method.arms.items():
            own = inputs.varied(arm.set)
            trained = teachers(own, count)
            best = best_teacher(trained, main_metric(config.data.ranking))
            found.append(make_arm(name, arm, own, trained, best, count_in_name=len(counts) > 1))
    return found


def baseline(inputs: Inputs) -> str | None:
    """Return the row that the others are tested against: the one named, or KD (1-o-1) where it is among them.

    Raises:
        ConfigError: no row is called so, or the settings of an arm make no sense.
    """
    config, wanted = inputs.config, inputs.config.comparison.baseline
    counts: list[int | None] = [*config.comparison.teacher_counts] or [None]
    names, several = [], len(counts) > 1
    for count in counts:
        for arm in config.method.arms.values():
            own = inputs.varied(arm.set).config
            teachers = count or own.teachers.count
            names.append(with_count(row_name(arm, own, teachers), teachers, several))
    most = max(config.comparison.teacher_counts or [config.teachers.count])
    names += [teacher_row(number) for number in range(1, most + 1)]
    names += [with_count(ENSEMBLE, count or config.teachers.count, several) for count in counts]
    if wanted is None:
        return BASELINE if BASELINE in names else None
    if wanted not in names:
        raise ConfigError(f"comparison.baseline: expected one of {', '.join(dict.fromkeys(names))}; got {wanted}.")
    return wanted


def check_arms(inputs: Inputs) -> None:
    """Raise ConfigError for the first arm that cannot be; each is judged by its own settings, before any training."""
    seen: list[Any] = []
    for name, arm in inputs.config.method.arms.items():
        own = inputs.varied(arm.set)
        _check(own, name, arm)
        for each in (own, *members(own)):
            made_of = (each.config.encoder, each.config.teachers, each.config.student)
            if made_of not in seen and untrained(each):
                check_encoders(each.config)
            seen.append(made_of)


def _check(inputs: Inputs, name: str, arm: ArmConfig) -> None:
    """Raise ConfigError for an arm whose students, teachers and losses cannot go together."""
    method = inputs.config.method
    if method.mix != "heads" and arm.targets == "heads" and len(teaching(inputs.config)) > 1:
        raise ConfigError(f"method.mix: expected heads, where method.arms.{name}.targets is heads, got {method.mix}.")
    settled = settle(arm, method)
    if not settled.soft:
        _check_alone(inputs, name, arm)
    check_roster(inputs.config)
    check_peers(inputs, name, arm)
    for member in members(inputs):
        if settled.terms:
            check_terms(member, name, settled.terms)
        if arm.pretrain and member.config.stage1.kind == "language":
            check_language(member, name, settled.terms)
        if member.config.student.exits:
            check_student_exits(member, name)


def _check_alone(inputs: Inputs, name: str, arm: ArmConfig) -> None:
    """Raise ConfigError for what an arm without soft labels has no use for, if it is α that takes them away."""
    method = inputs.config.method
    if arm.generations > 1:
        raise ConfigError(f"method.arms.{name}: expected α above 0, since each generation teaches the next, got 0.")
    for term in method.terms if arm.terms is None else arm.terms:
        if arm.targets != "none" and method.terms[term].loss not in WITHOUT_TEACHER:
            raise ConfigError(
                f"method.arms.{name}: expected α above 0, since its term {term} needs a teacher, and at α = 0 nobody "
                f"teaches; give it other terms (method.arms.{name}.terms=[]) or another α."
            )


def make_arm(
    key: str, arm: ArmConfig, inputs: Inputs, teachers: list[Artifact], best: int, count_in_name: bool = False
) -> Arm:
    """Settle an arm for the given teachers.

    Args:
        inputs: with the arm's own settings.
        best: index of the best teacher on the validation split, the teacher of a 1-o-1 arm that names none.
        count_in_name: add the number of teachers, where arms with several counts stand in one table.
    """
    method, settled = inputs.config.method, settle(arm, inputs.config.method)
    targets = settled.targets
    chosen = {
        "none": [],
        "one": [teachers[best if arm.teacher is None else arm.teacher - 1]],
    }.get(targets, teachers)
    base = Lesson(
        targets,
        tuple(chosen),
        arm.pretrain,
        settled.alpha,
        settled.loss,
        settled.temperature,
        method.carry_heads and inputs.config.stage1.kind == "soft",  # of a language there are no heads to carry over
        method.mix,
        method.teacher_weights if len(chosen) > 1 and targets in ("average", "heads") else "mean",
        settled.terms,
    )
    if targets == "students":
        lessons = tuple(replace(base, targets="one", teachers=(teacher,)) for teacher in chosen)
    elif len(chosen) == 1:
        lessons = (replace(base, targets="one"),)
    else:
        lessons = (base,)
    settings = {
        "pretrain": arm.pretrain,
        "targets": targets,
        "teachers": [teacher.name for teacher in chosen],
        "alpha": settled.alpha if settled.soft else None,
        "loss": settled.loss if settled.soft else None,
        "temperature": settled.temperature if settled.soft and settled.loss != "mse" else None,
        **({"set": arm.set} if arm.set else {}),
        **({"generations": arm.generations, "continues": arm.continues} if arm.generations > 1 else {}),
        **_word_vectors(inputs.config),
        **({"terms": {term: settings_of(method.terms[term]) for term in base.terms}} if base.terms else {}),
        **exits_spec(inputs.config),
        **online_facts(method.online),
    }
    return Arm(
        with_count(row_name(arm, inputs.config, len(teachers)), len(teachers), count_in_name),
        row_name(arm, inputs.config, max(2, len(teachers))),
        len(teachers),
        lessons,
        settings,
        key,
        inputs,
        teachers,
        arm.generations,
        arm.continues,
    )


def _word_vectors(config: Config) -> dict[str, str]:
    """Return where a Bi-LSTM's word vectors are from; nothing for other students."""
    encoder = encoder_of(config.student, config)
    if encoder.source != "bilstm":
        return {}
    return {"word_vectors": Path(encoder.vectors).name if encoder.vectors else "random"}
