"""What the settings of the teachers may be."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from tmkd.choices import (
    APIS,
    CALIBRATIONS,
    FINE_TUNED,
    GOLD_LOSSES,
    GOLD_RANKING_LOSSES,
    LONG,
    MISSING,
    SCORE_CALIBRATIONS,
    SCORE_FORMATS,
    TEACHER_KINDS,
)
from tmkd.config import validators
from tmkd.config.marks import OF
from tmkd.config.models import check_encoder
from tmkd.config.teachers import LoraConfig, TeacherConfig, TeachersConfig


def check_teachers(teachers: TeachersConfig, classes: int, compared: Sequence[int]) -> None:
    """The roster, and how many of it teach.

    Args:
        classes: of the task; 1 where its labels are grades or numbers.
        compared: ``comparison.teacher_counts``.
    """
    roster = teachers.roster
    number = f"a number from 1 to {len(roster)} (the teachers in teachers.roster)"
    validators.that(1 <= teachers.size <= len(roster), "teachers.count", number, teachers.size)
    for count in compared:
        validators.that(1 <= count <= len(roster), "comparison.teacher_counts", number, count)
    validators.one_of("teachers.missing", teachers.missing, MISSING)
    validators.one_of("teachers.gold_loss", teachers.gold_loss, GOLD_LOSSES)
    validators.that(
        teachers.cross_fit == 0 or teachers.cross_fit >= 2, "teachers.cross_fit", "0, or 2 and more", teachers.cross_fit
    )
    validators.groups("teachers", teachers.group_size, teachers.batch_questions)
    _scale(teachers.scale_of(classes), classes)
    for index, teacher in enumerate(roster):
        where = f"teachers.roster[{index}]"
        validators.one_of(f"{where}.kind", teacher.kind, TEACHER_KINDS)
        _only_its_own(where, teacher)
        CHECKS[teacher.kind](where, teacher)
        own = teachers.settled(teacher)
        validators.groups(where, own.group_size, own.batch_questions)
        if own.gold_loss in GOLD_RANKING_LOSSES:
            name = f"{where}.gold_loss" if teacher.gold_loss else "teachers.gold_loss"
            validators.over_questions(name, own.gold_loss, f"{where}.group_size", own.group_size)


def _scale(scale: str, classes: int) -> None:
    """A map that the task's labels can fit."""
    name = "teachers.calibration"
    if classes == 1:
        expected = f"none or {' or '.join(SCORE_CALIBRATIONS)}, where labels are grades or numbers"
        validators.that(scale in ("none", *SCORE_CALIBRATIONS), name, expected, scale)
        return
    validators.one_of(name, scale, ("none", *CALIBRATIONS))
    expected = f"none or temperature, where there are {classes} classes"
    validators.that(classes == 2 or scale in ("none", "temperature"), name, expected, scale)


def _only_its_own(where: str, teacher: TeacherConfig) -> None:
    """No setting of another kind is set: it would be silently ignored."""
    usual = TeacherConfig()
    for known in dataclasses.fields(teacher):
        kinds = known.metadata.get(OF, (teacher.kind,))
        value, before = getattr(teacher, known.name), getattr(usual, known.name)
        unset = teacher.kind in kinds or value == before
        validators.that(unset, f"{where}.{known.name}", f"kind {' or '.join(kinds)} where it is set", teacher.kind)


def _fine_tuned(where: str, teacher: TeacherConfig) -> None:
    validators.positive(where, teacher, ("learning_rate", "batch_size", "epochs"))
    validators.seed(f"{where}.seed", teacher.seed)
    validators.dropout(where, teacher.dropout)
    validators.length(where, teacher.max_length)
    if teacher.lora is not None:
        _lora(f"{where}.lora", teacher.lora)
    if teacher.gold_loss is not None:
        validators.one_of(f"{where}.gold_loss", teacher.gold_loss, GOLD_LOSSES)
    if teacher.long is not None:
        validators.one_of(f"{where}.long", teacher.long, LONG)
    check_encoder(f"{where}.encoder", teacher.encoder, ("same",))
    named = teacher.train is None or bool(teacher.train)
    validators.that(named, f"{where}.train", "a file or pattern, or null for the task's", repr(teacher.train))
    alone = teacher.train_with_task and teacher.train is None
    validators.that(not alone, f"{where}.train_with_task", "false where train is null", teacher.train_with_task)


def _lora(where: str, lora: LoraConfig) -> None:
    unset = lora == LoraConfig()  # the others would be silently ignored without a rank
    validators.that(unset or (lora.rank or 0) >= 1, f"{where}.rank", "at least 1 where lora is set", lora.rank)
    validators.positive(where, lora, ("alpha",))
    named = lora.targets is None or (bool(lora.targets) and all(lora.targets))
    validators.that(named, f"{where}.targets", "names of linear layers, or null for all of them", lora.targets)


def _checkpoint(where: str, teacher: TeacherConfig) -> None:
    _given(where, teacher, "name", "a hub name or a folder")
    validators.length(where, teacher.max_length)
    # what YAML makes of an unquoted yes and no
    read = next((each for each in teacher.answers or [] if each in ("True", "False")), None)
    validators.that(read is None, f"{where}.answers", 'words, in quotes in YAML: ["yes", "no"]', read)


def _scores(where: str, teacher: TeacherConfig) -> None:
    _given(where, teacher, "path", "a file of scores")
    validators.one_of(f"{where}.format", teacher.format, SCORE_FORMATS)


def _served(where: str, teacher: TeacherConfig) -> None:
    _given(where, teacher, "url", "where it answers, as http://127.0.0.1:8080")
    validators.one_of(f"{where}.api", teacher.api, APIS)


def _given(where: str, teacher: TeacherConfig, name: str, expected: str) -> None:
    value = getattr(teacher, name)
    validators.that(bool(value), f"{where}.{name}", f"{expected} where kind is {teacher.kind}", value)


CHECKS = {FINE_TUNED: _fine_tuned, "ready": _checkpoint, "causal": _checkpoint, "scores": _scores, "served": _served}
