"""Stage 0: fine-tune the teachers, once every arm that they may teach has been checked."""

from __future__ import annotations

from tmkd.config import Config
from tmkd.experiment.check import check_arms
from tmkd.experiment.check_questions import check_questions
from tmkd.experiment.experiment import Experiment
from tmkd.experiment.overlap import check_overlaps
from tmkd.experiment.shares import check_shares
from tmkd.store.artifacts import Artifact


def run(config: Config) -> list[Artifact]:
    """Return the first ``teachers.count`` teachers of the roster, trained; every arm that they may teach is checked."""
    experiment = Experiment(config)
    if experiment.untrained():  # where nothing is to be trained, no encoder is looked at
        check_arms(experiment)
        check_shares(experiment)
        check_overlaps(experiment)
        check_questions(experiment)
    return [teacher.build(experiment.context) for teacher in experiment.teachers()]
