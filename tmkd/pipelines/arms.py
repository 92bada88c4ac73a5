"""How every stage begins: what can be checked early is checked, the teachers are made, the arms resolved."""

from __future__ import annotations

from tmkd.experiment.arms import Arm, resolve_arms
from tmkd.experiment.check import check_arms
from tmkd.experiment.check_questions import check_questions
from tmkd.experiment.check_validation import check_validation
from tmkd.experiment.experiment import Experiment
from tmkd.experiment.overlap import check_overlaps
from tmkd.experiment.shares import check_shares


def check_early(experiment: Experiment) -> None:
    """Raise what arms, task and corpus are refused for, before anything is trained."""
    check_arms(experiment)
    check_shares(experiment)
    check_overlaps(experiment)
    check_questions(experiment)
    check_validation(experiment)


def build_arms(experiment: Experiment) -> list[Arm]:
    """Return the arms to compare; the teachers that they learn from are trained if they are not yet."""
    check_early(experiment)
    return resolve_arms(experiment, Experiment.best)
