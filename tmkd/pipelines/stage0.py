"""Stage 0: fine-tune the teachers, once every arm that they may teach has been checked."""

from __future__ import annotations

from tmkd.config import Config
from tmkd.experiment.experiment import Experiment
from tmkd.pipelines.arms import check_early
from tmkd.store.artifacts import Artifact


def run(config: Config) -> list[Artifact]:
    """Return the first ``teachers.count`` teachers of the roster, trained; every arm that they may teach is checked."""
    experiment = Experiment(config)
    if experiment.untrained():  # where nothing is to be trained, no encoder is looked at
        check_early(experiment)
    return [teacher.build(experiment.context) for teacher in experiment.teachers()]
