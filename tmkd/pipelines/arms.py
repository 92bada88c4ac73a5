"""The arms of a comparison: from two switches to the students that must be trained, and to the name in the table.

Names are derived from the settings, never read back from a preset: with one teacher, its head, the average and the
teacher itself are one arm.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tmkd.artifacts import Artifact
from tmkd.checks import WITHOUT_TEACHER
from tmkd.config import ArmConfig, Config, MethodConfig, encoder_of
from tmkd.config import settings as settings_of
from tmkd.errors import ConfigError
from tmkd.metrics import main_metric
from tmkd.pipelines.exits import check_student_exits, exits_spec
from tmkd.pipelines.inputs import Inputs
from tmkd.pipelines.language import check_language
from tmkd.pipelines.online import FIRST, check_peers, members, online_facts, online_name
from tmkd.pipelines.teachers import best_teacher, teachers
from tmkd.pipelines.terms import check_terms

TOLD_APART = ("student.exits", "student.exit_threshold", "method.online")  # these have their own place in names


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
    found: list[Arm] = []
    for count in counts:
        for name, arm in config.method.arms.items():
            own = inputs.varied(arm.set)
            trained = teachers(own, count)
            best = best_teacher(trained, main_metric(config.data.ranking))
            found.append(make_arm(name, arm, own, trained, best, count_in_name=len(counts) > 1))
    return found


def check_arms(inputs: Inputs) -> None:
    """Raise ConfigError for the first arm that cannot be; each is judged by its own settings, before any training."""
    for name, arm in inputs.config.method.arms.items():
        _check(inputs.varied(arm.set), name, arm)


def _check(inputs: Inputs, name: str, arm: ArmConfig) -> None:
    """Raise ConfigError for an arm whose students, teachers and losses cannot go together."""
    mix = inputs.config.method.mix
    if mix != "heads" and arm.targets == "heads" and inputs.config.teachers.count > 1:
        raise ConfigError(f"method.mix: expected heads, where method.arms.{name}.targets is heads, got {mix}.")
    check_peers(inputs, name, arm)
    terms = arm_terms(arm, inputs.config.method)
    for member in members(inputs):
        if terms:
            check_terms(member, name, terms)
        if arm.pretrain and member.config.stage1.kind == "language":
            check_language(member, name, terms)
        if member.config.student.exits:
            check_student_exits(member, name)


def make_arm(
    key: str, arm: ArmConfig, inputs: Inputs, teachers: list[Artifact], best: int, count_in_name: bool = False
) -> Arm:
    """Settle an arm for the given teachers.

    Args:
        inputs: with the arm's own settings.
        best: index of the best teacher on the validation split, the teacher of a 1-o-1 arm that names none.
        count_in_name: add the number of teachers, where arms with several counts stand in one table.
    """
    method = inputs.config.method
    alpha = method.alpha if arm.alpha is None else arm.alpha
    loss = arm.loss or method.loss
    temperature = method.temperature if arm.temperature is None else arm.temperature
    targets = arm.targets if alpha > 0 else "none"  # at α = 0 nobody teaches
    chosen = {
        "none": [],
        "one": [teachers[best if arm.teacher is None else arm.teacher - 1]],
    }.get(targets, teachers)
    base = Lesson(
        targets,
        tuple(chosen),
        arm.pretrain,
        alpha,
        loss,
        temperature,
        method.carry_heads and inputs.config.stage1.kind == "soft",  # of a language there are no heads to carry over
        method.mix if chosen else "heads",
        method.teacher_weights if len(chosen) > 1 and targets in ("average", "heads") else "mean",
        arm_terms(arm, method) if alpha > 0 else (),
    )
    if targets == "students":
        lessons = tuple(replace(base, targets="one", teachers=(teacher,)) for teacher in chosen)
    elif len(chosen) == 1:
        lessons = (replace(base, targets="one"),)
    else:
        lessons = (base,)
    told = (_told(method, alpha, loss, temperature) if chosen else "") + _set(arm.set)
    told += "".join(f" + {term}" for term in base.terms)
    if arm.pretrain and inputs.config.stage1.kind != "soft" and "kind" not in arm.set.get("stage1", {}):
        told += f", stage1.kind = {inputs.config.stage1.kind}"
    if exits := inputs.config.student.exits:
        told += f" + exits ({', '.join(map(str, exits))})"
    row = "" if arm.generations == 1 else f", {arm.generations} {'snapshots' if arm.continues else 'generations'}"
    online = method.online

    def full_name(count: int) -> str:
        alone = arm_name(arm.pretrain, targets, count, arm.teacher)
        if online.kind == "none":
            return alone + row + told
        return online_name(alone if chosen or arm.pretrain else None, online) + told + FIRST

    settings = {
        "pretrain": arm.pretrain,
        "targets": targets,
        "teachers": [teacher.name for teacher in chosen],
        "alpha": alpha if chosen else None,
        "loss": loss if chosen else None,
        "temperature": temperature if chosen and loss != "mse" else None,
        **({"set": arm.set} if arm.set else {}),
        **({"generations": arm.generations, "continues": arm.continues} if arm.generations > 1 else {}),
        **_word_vectors(inputs.config),
        **({"terms": {term: settings_of(method.terms[term]) for term in base.terms}} if base.terms else {}),
        **exits_spec(inputs.config),
        **online_facts(online),
    }
    return Arm(
        full_name(len(teachers)) + (f", N = {len(teachers)}" if count_in_name else ""),
        full_name(max(2, len(teachers))),
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


def arm_terms(arm: ArmConfig, method: MethodConfig) -> tuple[str, ...]:
    """Return the terms of an arm: those it names, or all; of these, one without teachers has what needs none."""
    if arm.terms is not None:
        return tuple(arm.terms)
    return tuple(name for name, term in method.terms.items() if arm.targets != "none" or term.loss in WITHOUT_TEACHER)


def _set(changes: dict[str, Any], path: str = "") -> str:
    """Return what an arm sets in other sections, as it stands in the arm's name."""
    parts = []
    for name, value in changes.items():
        where = f"{path}.{name}" if path else name
        told = where.removeprefix("method.")
        if where in TOLD_APART:
            continue
        parts.append(_set(value, where) if isinstance(value, dict) else f", {told} = {value}")
    return "".join(parts)


def _told(method: MethodConfig, alpha: float, loss: str, temperature: float) -> str:
    """Return what an arm sets otherwise than the method, as it stands in the arm's name."""
    parts = []
    if alpha != method.alpha:
        parts.append(f", α = {alpha:g}")
    if loss != method.loss:
        parts.append(f", {loss}")
    if loss != "mse" and temperature != method.temperature:
        parts.append(f", T = {temperature:g}")
    return "".join(parts)


def arm_name(pretrain: bool, targets: str, teachers: int, teacher: int | None) -> str:
    """Return the paper's name for an arm (its section 4.2), or a plain one where the paper has none."""
    if targets == "none":
        return "stage 1, then gold labels alone" if pretrain else "student without distillation"
    one = "TKD" if pretrain else "KD"
    if targets == "one" or teachers == 1:
        return f"{one} (1-o-1)" + (f", teacher {teacher}" if teacher else "")
    if targets == "average":
        return f"{one} (1avg-o-1)"
    if targets == "students":
        return "m-o-m" if not pretrain else "TKD (m-o-m)"
    return "TMKD" if pretrain else "MKD"
