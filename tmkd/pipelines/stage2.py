"""Stage 2: fine-tune the students on the labelled task, for every arm, seed and number of teachers."""

from __future__ import annotations

from tmkd.config import Config
from tmkd.experiment.experiment import Experiment
from tmkd.experiment.students import students
from tmkd.pipelines.arms import build_arms
from tmkd.store.artifacts import Artifact


def run(config: Config) -> list[Artifact]:
    """Return every student of every arm, for every seed and number of teachers that the config names."""
    experiment = Experiment(config)
    made: dict[str, Artifact] = {}
    for arm in build_arms(experiment):
        for seed in arm.experiment.config.student.seeds:
            for student in students(arm, seed):
                made[student.name] = student.build(experiment.context)
    return list(made.values())
