"""The one interface of optional families: ways to train a student, or to read its answers, beside the main road."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from tmkd.config import ArmConfig, Config
from tmkd.experiment.experiment import Experiment
from tmkd.results.classifier import Classifier
from tmkd.results.exits import Predictor
from tmkd.results.node import Result
from tmkd.results.student import Student

# By a row's name: for each seed the classifiers whose probabilities are averaged.
RowMembers = dict[str, list[list[Classifier]]]


class Family(ABC):
    """What a family may do. What it leaves as it is here is done as for every student.

    Attributes:
        setting: the one that asks for the family.
        usual: its value where it does not.
    """

    setting: str
    usual: Any

    @abstractmethod
    def asked(self, config: Config) -> Any:
        """Return what the config asks of the family: something false where it does not ask."""

    def members(self, experiment: Experiment) -> list[Experiment]:
        """Return the experiment of each student that an arm has a seed."""
        return [experiment]

    def check_arm(self, experiment: Experiment, name: str, arm: ArmConfig) -> None:  # noqa: B027
        """Raise ConfigError, before any training, for an arm that the family cannot be asked for."""

    def check_student(self, experiment: Experiment, name: str, arm: ArmConfig, terms: Sequence[str]) -> None:  # noqa: B027
        """Raise ConfigError, before any training, for a student of an arm that cannot be of the family."""

    def facts(self, config: Config) -> dict[str, Any]:
        """Return what a row's settings say of it."""
        return {}

    def named(self, alone: str, taught: bool, config: Config) -> str:
        """Return the name of an arm's row, before its settings.

        Args:
            alone: what it is called without the family.
            taught: whether anybody but the gold labels teaches it then.
        """
        return alone

    def suffix(self, config: Config) -> str:
        """Return what its name says after the arm's own settings."""
        return ""

    def stage1(self, experiment: Experiment, seed: int) -> Result | None:
        """Return the student of stage 1; None: as for every student."""
        return None

    def students(
        self, experiment: Experiment, arm: str, seed: int, alone: Callable[[Experiment], Student]
    ) -> Sequence[Classifier] | None:
        """Return the students of an arm for one seed; None: as for every arm.

        Args:
            alone: returns the student of one of the ``members`` as it would be trained alone.
        """
        return None

    def rows(self, arm: str, config: Config, made: Sequence[Sequence[Classifier]]) -> RowMembers | None:
        """Return the rows of an arm, given its students for each seed; None: one row."""
        return None

    def predictors(self, config: Config) -> list[Predictor]:
        """Return the parts of a student that have a row of their own below the student's."""
        return []
