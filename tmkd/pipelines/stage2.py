"""Stage 2: fine-tune the students on the labelled task, for every arm, seed and number of teachers."""

from __future__ import annotations

from collections.abc import Callable

from tmkd.config import Config
from tmkd.experiment.experiment import Experiment
from tmkd.experiment.students import students
from tmkd.pipelines.arms import build_arms
from tmkd.results.classifier import Classifier
from tmkd.store.artifacts import Artifact


def run(config: Config) -> list[Artifact]:
    """Return every student of every arm, for every seed and number of teachers that the config names."""
    return list(build(Experiment(config)).values())


def build(experiment: Experiment, wanted: Callable[[Classifier], bool] = lambda _: True) -> dict[str, Artifact]:
    """Return the students by name.

    Args:
        wanted: whether a student is; the others are not trained.
    """
    made: dict[str, Artifact] = {}
    for arm in build_arms(experiment):
        for seed in arm.experiment.config.student.seeds:
            for student in filter(wanted, students(arm, seed)):
                made[student.name] = student.build(experiment.context)
    return made
