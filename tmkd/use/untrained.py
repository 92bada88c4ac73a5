"""Students that are to be trained, as models whose time can be measured: random heads are as fast as trained ones."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tmkd.errors import ConfigError
from tmkd.experiment.arms import Arm, resolve_arms
from tmkd.experiment.experiment import Experiment
from tmkd.experiment.students import students
from tmkd.models.classifier import PairClassifier
from tmkd.results.architecture import DerivedStudent
from tmkd.results.classifier import Classifier
from tmkd.results.context import RunContext
from tmkd.results.stage1 import Stage1Student
from tmkd.results.student import Student
from tmkd.store.artifacts import Artifact
from tmkd.use.budget import Budget
from tmkd.use.candidate import Model, speed_of
from tmkd.use.choice import Timed


@dataclass(frozen=True)
class Asked:
    """The students of one combination of settings, trained or not.

    Attributes:
        settings: what a user calls them: the settings that differ among combinations.
    """

    settings: str
    experiment: Experiment

    @functools.cached_property
    def arms(self) -> list[Arm]:
        """The arms; where the best teacher is not known yet, as in a plan."""
        return resolve_arms(self.experiment, Experiment.best_so_far)

    @functools.cached_property
    def by_arm(self) -> list[tuple[str, Classifier]]:
        """The students of all seeds, each with the name of its arm."""
        return [
            (arm.name, student)
            for arm in self.arms
            for seed in arm.experiment.config.student.seeds
            for student in students(arm, seed)
        ]

    @property
    def students(self) -> list[Classifier]:
        """The students of all arms and seeds."""
        return [student for _, student in self.by_arm]


def common_task(asked: Sequence[Asked]) -> Artifact:
    """Return the task that all of them learn; it is read now if it is not in the store.

    Raises:
        ConfigError: they learn several, or there are no labels to judge by; several processes train them.
        DataError: the data cannot be read.
    """
    first = asked[0].experiment
    for each in asked:
        own = each.experiment
        if own.context.processes or own.config.method.online.processes:
            raise ConfigError("--train: expected students that one process trains; train others with `tmkd stage2`.")
        if not own.task.splits:
            raise ConfigError("--train: expected data with labels to judge students by, got data without any.")
        if own.task != first.task:
            raise ConfigError(
                f"--train: expected students of one task, but those of {asked[0].settings} and {each.settings} learn "
                "different data; choose among each by itself."
            )
    return first.task.build(first.context)


def check_different(asked: Sequence[Asked]) -> None:
    """Raise ConfigError where two combinations lead to the same students."""
    seen: dict[frozenset[str], str] = {}
    for each in asked:
        names = frozenset(student.name for student in each.students)
        if (other := seen.setdefault(names, each.settings)) != each.settings:
            raise ConfigError(
                f"--train: expected settings that change the students, but {other} and {each.settings} lead to the "
                "same; another setting, or the file of experiment=, may set the same field."
            )


def shape_of(student: Classifier) -> str:
    """Return what a student's time depends on, the exits that it has among that, as a text."""
    return json.dumps([speed_of(_alone(student).timed_as), _exits(student)], sort_keys=True)


def untrained_models(context: RunContext, asked: Sequence[Asked]) -> dict[str, Model]:
    """Return a model for each different shape of student, by ``shape_of``; it is called by its settings.

    Args:
        context: what their time is measured with.
    """
    names: dict[str, list[str]] = {}
    of_shape: dict[str, Classifier] = {}
    for each in asked:
        several = len({shape_of(student) for student in each.students}) > 1
        for arm, student in each.by_arm:
            shape = shape_of(student)
            names.setdefault(shape, []).append(f"{each.settings} ({arm})" if several else each.settings)
            of_shape.setdefault(shape, student)
    return {
        shape: _model(context, "; ".join(dict.fromkeys(names[shape])), student) for shape, student in of_shape.items()
    }


def _model(context: RunContext, name: str, student: Classifier) -> Model:
    own, exits = _alone(student), _exits(student)

    def untrained() -> PairClassifier:
        model = own.member(context).untrained()
        if exits:
            model.add_exits(exits)
        return model

    speed, length = speed_of(own.timed_as), own.student.max_length
    return Model(name, Path(), shape_of(student), speed, length, exits, untrained=untrained)


def _alone(student: Classifier) -> Student | Stage1Student:
    own = student.student if isinstance(student, DerivedStudent) else student
    assert isinstance(own, Student | Stage1Student)
    return own


def _exits(student: Classifier) -> tuple[int, ...]:
    own = _alone(student)
    return own.exits.layers if isinstance(own, Student) and own.exits else ()


def too_slow(timed: Sequence[Timed], shapes: Mapping[str, Model], budget: Budget) -> dict[str, Timed]:
    """Return, by shape, the fastest candidate of those that are never within the budget."""
    found = {}
    for shape, model in shapes.items():
        fastest = min((each for each in timed if each.candidate.model == model), key=lambda each: each.p95)
        if fastest.p95 > budget.seconds:
            found[shape] = fastest
    return found
