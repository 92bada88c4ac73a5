"""Checks before anything is trained: each arm is judged by its own settings."""

from __future__ import annotations

import functools
from typing import Any

from tmkd.choices import BCE, GOLD_RANKING_LOSSES, RANKING_LOSSES, WITHOUT_TEACHER
from tmkd.config import ArmConfig, teaching, validators
from tmkd.errors import ConfigError
from tmkd.experiment.arms import teacher_count
from tmkd.experiment.check_terms import check_terms
from tmkd.experiment.experiment import Experiment
from tmkd.experiment.families import FAMILIES, asked, members
from tmkd.experiment.names import settle
from tmkd.experiment.trial import try_encoders
from tmkd.results.node import identity
from tmkd.results.terms import terms_of


def check_arms(experiment: Experiment) -> None:
    """Raise ConfigError for the first arm that cannot be; each is judged by its own settings, before any training."""
    seen: list[Any] = []
    experiment.context.before_making.clear()
    for name, arm in experiment.config.method.arms.items():
        own, assistant = experiment.varied(arm.set), None
        if arm.taught_by is not None:
            assistant = members(experiment.varied(experiment.config.method.arms[arm.taught_by].set))[0]
            most = max(experiment.config.comparison.teacher_counts, default=None)
            _check_taught(own, name, arm, teacher_count(experiment, name, most))
        _check(own, name, arm, assistant)
        for each in (own, *members(own)):
            made_of = (each.config.encoder, each.config.teachers, each.config.student)
            if made_of not in seen:
                # now where a teacher is missing; else by the first result that is, since torch takes seconds to load
                due = functools.partial(try_encoders, each, name, arm.set)
                due() if each.untrained() else experiment.context.before_making.append(due)
            seen.append(made_of)


def _check(experiment: Experiment, name: str, arm: ArmConfig, assistant: Experiment | None) -> None:
    """Raise ConfigError for an arm whose students, teachers and losses cannot go together.

    Args:
        assistant: of the students that teach it, where those of another arm do.
    """
    method = experiment.config.method
    if method.mix != "heads" and arm.targets == "heads" and len(teaching(experiment.config)) > 1:
        raise ConfigError(f"method.mix: expected heads, where method.arms.{name}.targets is heads, got {method.mix}.")
    if arm.continues and experiment.config.stage2.epochs < arm.generations:
        raise ConfigError(
            f"method.arms.{name}: expected stage2.epochs of at least {arm.generations}, one for each of its cycles, "
            f"got {experiment.config.stage2.epochs}."
        )
    _check_ranking(experiment, name, arm)
    _check_gold_loss(experiment, name, arm)
    if not arm.fine_tune:
        _check_stage1_alone(experiment, name)
    settled = settle(arm, method)
    if arm.fine_tune and not settled.soft:
        _check_alone(experiment, name, arm)
    check_roster(experiment)
    for family in asked(experiment.config):
        family.check_arm(experiment, name, arm)
    for member in members(experiment):
        if settled.terms:
            check_terms(member, name, settled.terms, assistant)
        for family in asked(member.config):
            family.check_student(member, name, arm, settled.terms)
        if arm.pretrain and member.config.stage1.kind == "terms" and not terms_of(method.terms, settled.terms, 1):
            raise ConfigError(
                f"stage1.kind: expected a term of stage 1 for the arm {name}, which learns nothing else there where "
                "the kind is terms, got none; set method.terms.NAME.stages=[1]."
            )


def _check_taught(experiment: Experiment, name: str, arm: ArmConfig, students: int) -> None:
    """Raise ConfigError for what an arm cannot have of another arm's students, ``students`` a seed."""
    if arm.targets == "one" and students > 1:
        raise ConfigError(
            f"method.arms.{name}.targets: expected average, heads or students where taught_by names an arm of "
            f"{students} students, got one."
        )
    method, stage1 = experiment.config.method, experiment.config.stage1
    fixed = arm.targets != "students" and arm.fine_tune and method.teacher_weights == "fixed"
    fixed = fixed or (arm.pretrain and stage1.teacher_weights == "fixed")
    if fixed and students > 1 and len(method.weights) != students:
        raise ConfigError(
            f"method.weights, for the arm {name}: expected {students} numbers, one for each student of "
            f"{arm.taught_by}, got {method.weights}; give both arms the same teachers.count."
        )
    if experiment.config.student.init != "encoder":
        raise ConfigError(
            f"student.init: expected encoder for the arm {name}, which the students of {arm.taught_by} teach, got "
            f"{experiment.config.student.init}."
        )


def _check_stage1_alone(experiment: Experiment, name: str) -> None:
    """Raise ConfigError where the student of stage 1 has no answer of its own to compare, or not all that is asked."""
    config = experiment.config
    for where, usual in {"stage1.kind": "soft", **{family.setting: family.usual for family in FAMILIES}}.items():
        value = functools.reduce(getattr, where.split("."), config)
        if value != usual:
            raise ConfigError(
                f"method.arms.{name}: expected {where} of {usual} where fine_tune is false, since the row is the "
                f"stage-1 student's, got {value}."
            )


def _check_alone(experiment: Experiment, name: str, arm: ArmConfig) -> None:
    """Raise ConfigError for what an arm without soft labels has no use for, if it is α that takes them away."""
    method = experiment.config.method
    if arm.taught_by is not None and not arm.pretrain:
        raise ConfigError(f"method.arms.{name}: expected α above 0, since {arm.taught_by} teaches it, got 0.")
    if arm.generations > 1:
        raise ConfigError(f"method.arms.{name}: expected α above 0, since each generation teaches the next, got 0.")
    for term in method.terms if arm.terms is None else arm.terms:
        if arm.targets != "none" and method.terms[term].loss not in WITHOUT_TEACHER:
            raise ConfigError(
                f"method.arms.{name}: expected α above 0, since its term {term} needs a teacher, and at α = 0 nobody "
                f"teaches; give it other terms (method.arms.{name}.terms=[]) or another α."
            )


def _check_ranking(experiment: Experiment, name: str, arm: ArmConfig) -> None:
    """Raise ConfigError where an arm's stage 2 cannot have a loss over the passages of a question."""
    config, settled = experiment.config, settle(arm, experiment.config.method)
    losses = {}
    if settled.gold_loss in GOLD_RANKING_LOSSES:
        losses["gold_loss"] = settled.gold_loss
    soft = arm.loss or config.method.loss  # not the settled one, which is another where targets are mixed
    if settled.soft and soft in RANKING_LOSSES:
        losses["loss"] = soft
    for field, loss in losses.items():
        where = f"method.{field}" if getattr(arm, field) is None else f"method.arms.{name}.{field}"
        validators.ranked(where, loss, config.data.ranking)
        validators.over_questions(where, loss, "stage2.group_size", config.stage2.group_size)
        mixed = settled.soft and config.method.mix == "weigh"
        one_target = "heads or blend, since a mixed target is one for each pair by itself"
        validators.that(not mixed, "method.mix", f"{one_target} and {where} is {loss}", config.method.mix)
        for setting, usual in {"method.online.kind": "none", "student.exits": []}.items():
            value: Any = functools.reduce(getattr, setting.split("."), config)
            expected = (
                f"{usual}, since others would learn from scores that are no probabilities where {where} is {loss}"
            )
            validators.that(value == usual, setting, expected, value)


def _check_gold_loss(experiment: Experiment, name: str, arm: ArmConfig) -> None:
    """Raise ConfigError where an arm's gold loss is not for such labels, or takes its head's scores for log-odds."""
    config, settled = experiment.config, settle(arm, experiment.config.method)
    where = f"method.{'gold_loss' if arm.gold_loss is None else f'arms.{name}.gold_loss'}"
    validators.gold_loss(where, settled.gold_loss, config.data.label_kind)
    if settled.gold_loss == BCE:
        apart = not settled.soft or config.method.mix == "heads"
        expected = f"heads where {where} is {BCE}, since soft labels are scores and its head learns log-odds"
        validators.that(apart, "method.mix", expected, config.method.mix)


def check_roster(experiment: Experiment) -> None:
    """Raise ConfigError where two of those that teach would be one teacher, however their settings are written."""
    specs = [identity(teacher) for teacher in experiment.roster]
    for index, spec in enumerate(specs):
        if (same := specs.index(spec)) < index:
            raise ConfigError(
                f"teachers.roster[{index}]: expected another teacher than roster[{same}], got one of the same settings."
            )
