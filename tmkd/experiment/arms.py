"""The arms of a comparison: from two switches to the students that must be trained.

What an arm is follows from the settings, never from a preset: with one teacher, its head, the average and the teacher
itself are one arm.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from typing import Any

from tmkd.choices import POINTWISE, TEMPERED
from tmkd.config import ArmConfig, Config, encoder_of
from tmkd.errors import ConfigError
from tmkd.experiment.experiment import Experiment
from tmkd.experiment.families import asked
from tmkd.experiment.names import ENSEMBLE, row_name, settle, teacher_row, with_count
from tmkd.experiment.objectives import StudentObjective, objectives_of
from tmkd.report.rows import BASELINE
from tmkd.results.classifier import Classifier
from tmkd.results.encoder import word_vectors
from tmkd.results.terms import FurtherTerm


@dataclass(frozen=True)
class Arm:
    """A row of the comparison.

    Attributes:
        name: unique in the table.
        series: its line in the figure over teacher counts: the name it would have with several teachers.
        count: how many teachers there are.
        objectives: one a student (several for m-o-m).
        settings: what the report says of it.
        key: what ``method.arms`` calls it.
        experiment: the config that it is made with (its own ``set`` included).
        teachers: those that there are for it; ``best`` is the index of the best on the validation split.
        generations, continues: whether students teach each other in a row.
        fine_tune: whether there is a stage 2.
        assistant: the arm whose students teach it. Then it has neither teachers nor objectives until it is ``given``
            those of a seed.
    """

    name: str
    series: str
    count: int
    objectives: tuple[StudentObjective, ...]
    settings: dict[str, Any]
    key: str
    experiment: Experiment
    teachers: list[Classifier]
    best: int
    generations: int = 1
    continues: bool = False
    fine_tune: bool = True
    assistant: Arm | None = None


def resolve_arms(experiment: Experiment, best: Callable[[Experiment, Sequence[Classifier]], int]) -> list[Arm]:
    """Return the arms to compare, for each number of teachers; several may be one run.

    Args:
        best: returns the index of the best of some teachers: ``Experiment.best``, or ``Experiment.best_so_far``.
    """
    config = experiment.config
    counts: list[int | None] = [*config.comparison.teacher_counts] or [None]  # None: each arm's own
    found: list[Arm] = []
    for count in counts:
        made: dict[str, Arm] = {}
        for name in _assistants_first(config.method.arms):
            arm = config.method.arms[name]
            own = experiment.varied(arm.set)
            if arm.taught_by is None:
                teachers = own.teachers(count)
                made[name] = make_arm(name, arm, own, teachers, best(own, teachers), count_in_name=len(counts) > 1)
            else:
                made[name] = make_taught_arm(
                    name, arm, own, made[arm.taught_by], teacher_count(experiment, name, count), len(counts) > 1
                )
        found += [made[name] for name in config.method.arms]
    return found


def _assistants_first(arms: Mapping[str, ArmConfig]) -> list[str]:
    """Return the arms' names, each after that of the arm that teaches it."""
    taught = {name: [arm.taught_by] if arm.taught_by else [] for name, arm in arms.items()}
    return list(TopologicalSorter(taught).static_order())


def teacher_count(experiment: Experiment, name: str, count: int | None) -> int:
    """Return how many teach an arm: ``count`` teachers or as many as it has, or the students of another arm."""
    arms = experiment.config.method.arms
    if (other := arms[name].taught_by) is None:
        return count or experiment.varied(arms[name].set).config.teachers.size
    settled = settle(arms[other], experiment.varied(arms[other].set).config.method)
    return teacher_count(experiment, other, count) if settled.targets == "students" else 1


def baseline(experiment: Experiment) -> str | None:
    """Return the row that the others are tested against: the one named, or KD (1-o-1) where it is among them.

    Raises:
        ConfigError: no row is called so, or the settings of an arm make no sense.
    """
    config, wanted = experiment.config, experiment.config.comparison.baseline
    counts: list[int | None] = [*config.comparison.teacher_counts] or [None]
    names, several = [], len(counts) > 1
    for count in counts:
        for key, arm in config.method.arms.items():
            own = experiment.varied(arm.set).config
            name = row_name(arm, own, teacher_count(experiment, key, count))
            names.append(with_count(name, count or own.teachers.size, several))
    most = max(config.comparison.teacher_counts or [config.teachers.size])
    names += [teacher_row(number) for number in range(1, most + 1)]
    names += [with_count(ENSEMBLE, count or config.teachers.size, several) for count in counts]
    if wanted is None:
        return BASELINE if BASELINE in names else None
    if wanted not in names:
        raise ConfigError(f"comparison.baseline: expected one of {', '.join(dict.fromkeys(names))}; got {wanted}.")
    return wanted


def make_arm(
    key: str, arm: ArmConfig, experiment: Experiment, teachers: list[Classifier], best: int, count_in_name: bool = False
) -> Arm:
    """Settle an arm for the given teachers.

    Args:
        experiment: with the arm's own settings.
        best: index of the best teacher on the validation split, the teacher of a 1-o-1 arm that names none.
        count_in_name: add the number of teachers, where arms with several counts stand in one table.
    """
    objectives = objectives_of(arm, experiment, teachers, best)
    chosen = [teacher.name for objective in objectives for teacher in objective.stage2.teachers]
    return Arm(
        with_count(row_name(arm, experiment.config, len(teachers)), len(teachers), count_in_name),
        row_name(arm, experiment.config, max(2, len(teachers))),
        len(teachers),
        objectives,
        _facts(arm, experiment.config, chosen),
        key,
        experiment,
        teachers,
        best,
        arm.generations,
        arm.continues,
        arm.fine_tune,
    )


def make_taught_arm(
    key: str, arm: ArmConfig, experiment: Experiment, assistant: Arm, students: int, count_in_name: bool = False
) -> Arm:
    """Settle an arm that the students of another one teach (Mirzadeh et al. 2020, arXiv 1902.03393).

    Args:
        students: how many of the assistant's teach it, for each seed.
    """
    name = row_name(arm, experiment.config, students)
    return Arm(
        with_count(name, assistant.count, count_in_name),
        name,
        assistant.count,
        (),
        _facts(arm, experiment.config, []) | {"taught_by": assistant.name},
        key,
        experiment,
        [],
        0,
        arm.generations,
        arm.continues,
        arm.fine_tune,
        assistant,
    )


def given(arm: Arm, teachers: Sequence[Classifier]) -> Arm:
    """Return an arm that another one's students teach, with those of a seed."""
    asked = arm.experiment.config.method.arms[arm.key]
    return replace(arm, objectives=objectives_of(asked, arm.experiment, list(teachers), 0), teachers=list(teachers))


def _facts(arm: ArmConfig, config: Config, teachers: list[str]) -> dict[str, Any]:
    """Return what the report says of an arm: its settings, and ``method``'s where it has none."""
    method, settled = config.method, settle(arm, config.method)
    facts = {
        "pretrain": arm.pretrain,
        "targets": settled.targets,
        "teachers": teachers,
        "alpha": settled.alpha if settled.soft else None,
        "loss": settled.loss if settled.soft else None,
        "temperature": settled.temperature if settled.soft and settled.loss in TEMPERED else None,
        **({} if settled.gold_loss in (None, POINTWISE) else {"gold_loss": settled.gold_loss}),
        **({} if arm.fine_tune else {"fine_tune": False}),
        **({"set": arm.set} if arm.set else {}),
        **({"generations": arm.generations, "continues": arm.continues} if arm.generations > 1 else {}),
        **_word_vectors(config),
        **(
            {"terms": {term: FurtherTerm(method.terms[term]).identity() for term in settled.terms}}
            if settled.terms
            else {}
        ),
    }
    for family in asked(config):
        facts |= family.facts(config)
    return facts


def _word_vectors(config: Config) -> dict[str, str]:
    """Return where a Bi-LSTM's word vectors are from; nothing for other students."""
    encoder = encoder_of(config.student, config)
    if encoder.source != "bilstm":
        return {}
    return {"word_vectors": word_vectors(encoder)}
