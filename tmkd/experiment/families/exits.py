"""Students with early exits, and the rows of these (``tmkd.results.exits``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tmkd.config import ArmConfig, Config, settings
from tmkd.errors import ConfigError, ModelError
from tmkd.experiment.experiment import Experiment
from tmkd.experiment.families.family import Family
from tmkd.results.exits import Predictor


class ExitsFamily(Family):
    """Students of which some pairs leave early."""

    setting = "student.exits"
    usual: list[int] = []  # noqa: RUF012

    def asked(self, config: Config) -> list[int]:
        return config.student.exits

    def check_student(self, experiment: Experiment, name: str, arm: ArmConfig, terms: Sequence[str]) -> None:
        from tmkd.models.encoder import inspect_encoder
        from tmkd.models.exits import check_exits

        student = experiment.config.student
        source = experiment.encoder(student).source(experiment.context)
        encoder, _ = inspect_encoder(**source, keep=student.layers, keep_which=student.keep)
        try:
            check_exits(encoder, student.exits)
        except ModelError as error:
            raise ConfigError(f"The arm {name}: {error}") from None

    def facts(self, config: Config) -> dict[str, Any]:
        return {"exits": {"layers": list(config.student.exits), **settings(config.method.exits)}}

    def suffix(self, config: Config) -> str:
        return f" + exits ({', '.join(map(str, config.student.exits))})"

    def predictors(self, config: Config) -> list[Predictor]:
        """Return each exit, and the first that is sure enough where there is a threshold."""
        threshold = config.student.exit_threshold
        early = [] if threshold is None else [Predictor(threshold=threshold)]
        return [*(Predictor(exit=layer) for layer in config.student.exits), *early]
