"""Labels that a loss takes for probabilities are numbers from 0 to 1: seen before anything is trained."""

from __future__ import annotations

from tmkd.choices import BCE
from tmkd.experiment.experiment import Experiment
from tmkd.experiment.names import settle
from tmkd.results.task import Task
from tmkd.results.teacher import Teacher
from tmkd.results.training_pairs import TrainingPairs


def check_shares(experiment: Experiment) -> None:
    """Raise DataError, with file and row, for a label outside of 0 to 1 that a student or a teacher learns by bce."""
    learnt: dict[Task | TrainingPairs, None] = {}
    for arm in experiment.config.method.arms.values():
        own = experiment.varied(arm.set)
        if settle(arm, own.config.method).gold_loss == BCE:
            learnt[own.task] = None
        for teacher in (each.trained for each in own.roster):
            if isinstance(teacher, Teacher) and teacher.gold_loss == BCE:
                learnt[own.task] = None  # which judges it
                if teacher.own:
                    learnt[teacher.own] = None
    for each in learnt:
        each.check_shares(experiment.context)
