"""What making a result takes: passes of teachers and students to be over splits, learning or scoring.

A stage that nothing is known of here has no estimate; where a new one belongs: ``LEARNS_FROM`` or ``works_of``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tmkd.choices import WITHOUT_TEACHER
from tmkd.config import StudentConfig, TeacherConfig
from tmkd.pipelines.context import RunContext
from tmkd.pipelines.online import members
from tmkd.pipelines.planned import LEARNS_FROM, Item
from tmkd.pipelines.specs import teacher_spec
from tmkd.pipelines.speed import TIMED_PAIRS
from tmkd.store.identity import key

FLOAT = 4  # bytes
ID = 16  # bytes that name a pair among soft labels
TIMED_PASSES = 4  # to measure speed: three, after one to warm up


@dataclass(frozen=True)
class Member:
    """A teacher or student to be; equal architectures are equally fast."""

    architecture: str
    what: str
    context: RunContext
    settings: TeacherConfig | StudentConfig


@dataclass(frozen=True)
class Work:
    """Some passes of a member over a split.

    Attributes:
        batch: of the training; None where pairs are only scored.
        passes: over all of the split; may be a part of one.
        kept: bytes a pair that stay on disk.
    """

    member: Member
    batch: int | None
    context: RunContext
    split: str
    passes: float
    kept: int = 0

    @property
    def source(self) -> str:
        return self.context.source(self.split)


def works_of(item: Item, items: Mapping[str, Item]) -> list[Work]:
    """Return what making an item takes; LookupError where that is not known."""
    spec, context = item.spec, item.context
    classes = len(context.config.data.classes)
    if item.stage == "soft_labels":
        split = spec["rows"].rpartition("/")[2]
        return [Work(_made(items, spec["teacher"]), None, context, split, 1.0, ID + FLOAT * classes)]
    if item.stage == "speed":
        owner = _find(items, lambda other: spec["architecture"] in _timed_as(other.spec))
        pairs = context.task.details["pairs"]["test"]
        return [Work(_member(owner), None, context, "test", TIMED_PASSES * min(1.0, TIMED_PAIRS / pairs))]
    if item.stage == "peers":
        each = zip(spec["peers"], members(context))
        return [work for peer, own in each for work in _learning("stage2", peer, own, _student(peer, own), items)]
    if "peers" in spec:
        return []  # one of those that were trained together: its files are there
    if item.stage in LEARNS_FROM and "kind" not in spec:
        return _learning(item.stage, spec, context, _member(item), items)
    raise LookupError(item.stage)


def _learning(
    stage: str, spec: Mapping[str, Any], context: RunContext, member: Member, items: Mapping[str, Item]
) -> list[Work]:
    split, training, teachers = LEARNS_FROM[stage], spec.get("training", spec), spec.get("teachers", [])
    passes = training["epochs"] * spec.get("share", 1.0)
    judged = 0 if stage == "stage1" else training["epochs"]  # on validation, after each epoch
    predicted = FLOAT * len(context.config.data.classes) * (1 + len(teachers))
    works = [
        Work(member, training["batch_size"], context, split, passes),
        Work(member, None, context, "validation", judged + 1.0, predicted),
        Work(member, None, context, "test", 1.0, predicted),
    ]
    if any(term["loss"] not in WITHOUT_TEACHER for term in spec.get("terms", {}).values()):
        # Teachers' inner states are computed in each epoch, or once where they are stored.
        times = 1.0 if context.config.runtime.store_states else passes
        works += [Work(_made(items, teacher), None, context, split, times) for teacher in teachers]
    return works


def _member(item: Item) -> Member:
    """Return who is trained, or was: a teacher of the roster, or the student."""
    config, spec, context = item.context.config, item.spec, item.context
    if "student" in spec:
        return _student(spec, members(context)[spec["peer"] - 1] if "peer" in spec else context)
    for number, teacher in enumerate(config.teachers.roster, start=1):
        if key("teacher", teacher_spec(config, teacher, context.task_key)) == item.artifact.key:
            known = {name: spec[name] for name in ("encoder", "max_length", "dropout", "freeze_embeddings")}
            return Member(_named(known), f"teacher {number}", context, teacher)
    raise LookupError(item.artifact.name)


def _student(spec: Mapping[str, Any], context: RunContext) -> Member:
    # one that starts from a teacher is as fast as one that starts from its encoder
    known = {name: value for name, value in spec["student"].items() if name != "init"}
    return Member(_named(known), "the student", context, context.config.student)


def _made(items: Mapping[str, Item], wanted: str) -> Member:
    """Return who is trained in the result with the key ``wanted``."""
    return _member(_find(items, lambda item: item.artifact.key == wanted))


def _named(known: dict[str, Any]) -> str:
    return json.dumps(known, sort_keys=True)


def _timed_as(spec: Mapping[str, Any]) -> list[Any]:
    """Return the architectures that ``speed`` may know a classifier's spec by."""
    return [spec.get("student"), {name: spec.get(name) for name in ("encoder", "max_length")}]


def _find(items: Mapping[str, Item], fits: Callable[[Item], bool]) -> Item:
    for item in items.values():
        if fits(item):
            return item
    raise LookupError("no such result in the plan")
