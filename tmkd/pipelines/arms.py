"""The arms of a comparison: from two switches to the students that must be trained.

What an arm is follows from the settings, never from a preset: with one teacher, its head, the average and the teacher
itself are one arm.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tmkd.choices import WITHOUT_TEACHER
from tmkd.config import ArmConfig, Config, encoder_of, teaching
from tmkd.errors import ConfigError
from tmkd.evaluation.metrics import main_metric
from tmkd.pipelines.context import RunContext
from tmkd.pipelines.exits import check_student_exits, exits_spec
from tmkd.pipelines.language import check_language
from tmkd.pipelines.names import ENSEMBLE, row_name, settle, teacher_row, with_count
from tmkd.pipelines.online import check_peers, members, online_facts
from tmkd.pipelines.overlap import check_overlaps
from tmkd.pipelines.specs import term_spec
from tmkd.pipelines.teachers import best_teacher, check_roster, teachers, untrained
from tmkd.pipelines.terms import active_terms, check_terms
from tmkd.pipelines.trial import try_encoders
from tmkd.report.rows import BASELINE
from tmkd.store.artifacts import Artifact

SEEDS_APART = 1000  # between the seeds of an m-o-m's students: more than the seeds of a run


@dataclass(frozen=True)
class StudentObjective:
    """What one student learns from: ``targets`` is none, one, average or heads.

    ``seed_offset`` is added to the run's seed in stage 2, so that students of m-o-m differ in more than their
    teacher. ``shared_start``: its stage 1 is that of all teachers' average, whoever teaches it in stage 2.
    """

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
    seed_offset: int = 0
    shared_start: bool = False


@dataclass(frozen=True)
class Arm:
    """A row of the comparison.

    Attributes:
        name: unique in the table.
        series: its line in the figure over teacher counts: the name it would have with several teachers.
        count: how many teachers there are.
        objectives: one a student (several for m-o-m).
        key: what ``method.arms`` calls it.
        generations, continues: whether students teach each other in a row.
        fine_tune: whether there is a stage 2.
        context: the config that it is made with (its own ``set`` included).
        trained: the teachers that there are for it.
    """

    name: str
    series: str
    count: int
    objectives: tuple[StudentObjective, ...]
    settings: dict[str, Any]
    key: str
    context: RunContext
    trained: list[Artifact]
    generations: int = 1
    continues: bool = False
    fine_tune: bool = True


def arms(context: RunContext) -> list[Arm]:
    """Return the arms to compare, for each number of teachers; several may be one run."""
    config = context.config
    counts: list[int | None] = [*config.comparison.teacher_counts] or [None]  # None: each arm's own
    check_arms(context)
    check_overlaps(context)
    found: list[Arm] = []
    for count in counts:
        for name, arm in config.method.arms.items():
            own = context.varied(arm.set)
            trained = teachers(own, count)
            best = best_teacher(trained, main_metric(config.data.ranking))
            found.append(make_arm(name, arm, own, trained, best, count_in_name=len(counts) > 1))
    return found


def baseline(context: RunContext) -> str | None:
    """Return the row that the others are tested against: the one named, or KD (1-o-1) where it is among them.

    Raises:
        ConfigError: no row is called so, or the settings of an arm make no sense.
    """
    config, wanted = context.config, context.config.comparison.baseline
    counts: list[int | None] = [*config.comparison.teacher_counts] or [None]
    names, several = [], len(counts) > 1
    for count in counts:
        for arm in config.method.arms.values():
            own = context.varied(arm.set).config
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


def check_arms(context: RunContext) -> None:
    """Raise ConfigError for the first arm that cannot be; each is judged by its own settings, before any training."""
    seen: list[Any] = []
    context.before_making.clear()
    for name, arm in context.config.method.arms.items():
        own = context.varied(arm.set)
        _check(own, name, arm)
        for each in (own, *members(own)):
            made_of = (each.config.encoder, each.config.teachers, each.config.student)
            if made_of not in seen:
                # now where a teacher is missing; else by the first result that is, since torch takes seconds to load
                due = functools.partial(try_encoders, each)
                due() if untrained(each) else context.before_making.append(due)
            seen.append(made_of)


def _check(context: RunContext, name: str, arm: ArmConfig) -> None:
    """Raise ConfigError for an arm whose students, teachers and losses cannot go together."""
    method = context.config.method
    if method.mix != "heads" and arm.targets == "heads" and len(teaching(context.config)) > 1:
        raise ConfigError(f"method.mix: expected heads, where method.arms.{name}.targets is heads, got {method.mix}.")
    if arm.continues and context.config.stage2.epochs < arm.generations:
        raise ConfigError(
            f"method.arms.{name}: expected stage2.epochs of at least {arm.generations}, one for each of its cycles, "
            f"got {context.config.stage2.epochs}."
        )
    if not arm.fine_tune:
        _check_stage1_alone(context, name)
    settled = settle(arm, method)
    if arm.fine_tune and not settled.soft:
        _check_alone(context, name, arm)
    check_roster(context.config)
    check_peers(context, name, arm)
    for member in members(context):
        if settled.terms:
            check_terms(member, name, settled.terms)
        if arm.pretrain and member.config.stage1.kind == "language":
            check_language(member, name, settled.terms)
        if arm.pretrain and member.config.stage1.kind == "terms" and not active_terms(member, settled.terms, stage=1):
            raise ConfigError(
                f"stage1.kind: expected a term of stage 1 for the arm {name}, which learns nothing else there where "
                "the kind is terms, got none; set method.terms.NAME.stages=[1]."
            )
        if member.config.student.exits:
            check_student_exits(member, name)


def _check_stage1_alone(context: RunContext, name: str) -> None:
    """Raise ConfigError where the student of stage 1 has no answer of its own to compare, or not all that is asked."""
    config = context.config
    for where, value, usual in (
        ("stage1.kind", config.stage1.kind, "soft"),
        ("method.online.kind", config.method.online.kind, "none"),
        ("student.exits", config.student.exits, []),
    ):
        if value != usual:
            raise ConfigError(
                f"method.arms.{name}: expected {where} of {usual} where fine_tune is false, since the row is the "
                f"stage-1 student's, got {value}."
            )


def _check_alone(context: RunContext, name: str, arm: ArmConfig) -> None:
    """Raise ConfigError for what an arm without soft labels has no use for, if it is α that takes them away."""
    method = context.config.method
    if arm.generations > 1:
        raise ConfigError(f"method.arms.{name}: expected α above 0, since each generation teaches the next, got 0.")
    for term in method.terms if arm.terms is None else arm.terms:
        if arm.targets != "none" and method.terms[term].loss not in WITHOUT_TEACHER:
            raise ConfigError(
                f"method.arms.{name}: expected α above 0, since its term {term} needs a teacher, and at α = 0 nobody "
                f"teaches; give it other terms (method.arms.{name}.terms=[]) or another α."
            )


def make_arm(
    key: str, arm: ArmConfig, context: RunContext, teachers: list[Artifact], best: int, count_in_name: bool = False
) -> Arm:
    """Settle an arm for the given teachers.

    Args:
        context: with the arm's own settings.
        best: index of the best teacher on the validation split, the teacher of a 1-o-1 arm that names none.
        count_in_name: add the number of teachers, where arms with several counts stand in one table.
    """
    method, settled = context.config.method, settle(arm, context.config.method)
    targets = settled.targets
    chosen = {
        "none": [],
        "one": [teachers[best if arm.teacher is None else arm.teacher - 1]],
    }.get(targets, teachers)
    base = StudentObjective(
        targets,
        tuple(chosen),
        arm.pretrain,
        settled.alpha,
        settled.loss,
        settled.temperature,
        method.carry_heads and context.config.stage1.kind == "soft",  # no other kind has heads to carry over
        method.mix,
        method.teacher_weights if len(chosen) > 1 and targets in ("average", "heads") else "mean",
        settled.terms,
    )
    if targets == "students":
        base = replace(base, targets="one", shared_start=arm.pretrain and len(chosen) > 1)
        # the best teacher's student keeps the run's seed: it is the student of KD (1-o-1)
        objectives = tuple(
            replace(base, teachers=(teacher,), seed_offset=SEEDS_APART * ((place - best) % len(chosen)))
            for place, teacher in enumerate(chosen)
        )
    elif len(chosen) == 1:
        objectives = (replace(base, targets="one"),)
    else:
        objectives = (base,)
    settings = {
        "pretrain": arm.pretrain,
        "targets": targets,
        "teachers": [teacher.name for teacher in chosen],
        "alpha": settled.alpha if settled.soft else None,
        "loss": settled.loss if settled.soft else None,
        "temperature": settled.temperature if settled.soft and settled.loss != "mse" else None,
        **({} if arm.fine_tune else {"fine_tune": False}),
        **({"set": arm.set} if arm.set else {}),
        **({"generations": arm.generations, "continues": arm.continues} if arm.generations > 1 else {}),
        **_word_vectors(context.config),
        **({"terms": {term: term_spec(method.terms[term]) for term in base.terms}} if base.terms else {}),
        **exits_spec(context.config),
        **online_facts(method.online),
    }
    return Arm(
        with_count(row_name(arm, context.config, len(teachers)), len(teachers), count_in_name),
        row_name(arm, context.config, max(2, len(teachers))),
        len(teachers),
        objectives,
        settings,
        key,
        context,
        teachers,
        arm.generations,
        arm.continues,
        arm.fine_tune,
    )


def _word_vectors(config: Config) -> dict[str, str]:
    """Return where a Bi-LSTM's word vectors are from; nothing for other students."""
    encoder = encoder_of(config.student, config)
    if encoder.source != "bilstm":
        return {}
    return {"word_vectors": Path(encoder.vectors).name if encoder.vectors else "random"}
