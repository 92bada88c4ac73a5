"""Whether validation has enough labels for what is fitted on them: found out before anything is trained."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from tmkd.choices import CLASSES
from tmkd.errors import DataError
from tmkd.experiment.experiment import Experiment
from tmkd.results.calibrated import CalibratedTeacher


def check_validation(experiment: Experiment) -> None:
    """Refuse a validation split on which a teacher's scale, or the weights of several teachers, cannot be fitted.

    It is read where a teacher is still to be trained; else what is fitted says so itself.

    Raises:
        DataError: it has too few pairs, pairs of a class, or questions.
    """

    @functools.cache
    def validation(column: str) -> Sequence[Any]:
        """Return a column of the split, which all arms and teachers share."""
        return list(experiment.task.rows("validation").read(experiment.context)[column])

    for name, arm in experiment.config.method.arms.items():
        own = experiment.varied(arm.set)
        if own.task.splits and own.untrained():
            for teacher in own.roster:
                if isinstance(teacher, CalibratedTeacher):
                    _check_scale(validation("label"), teacher)
            learnt = arm.pretrain and own.config.stage1.teacher_weights == "learnt"
            learnt |= arm.targets in ("average", "heads") and own.config.method.teacher_weights == "learnt"
            if learnt and len(own.roster) > 1:
                _check_weights(validation("question_id"), name)


def _check_scale(labels: Sequence[Any], teacher: CalibratedTeacher) -> None:
    from tmkd.evaluation.calibration_checks import FEWEST

    task = teacher.own_task
    if task.label_kind == CLASSES:
        counts = {name: labels.count(place) for place, name in enumerate(task.classes)}
        enough, needed, found = min(counts.values()) >= FEWEST, f"{FEWEST} pairs of each class", str(counts)
    else:
        enough, needed, found = len(labels) >= 2 * FEWEST, f"{2 * FEWEST} pairs", str(len(labels))
    if not enough:
        raise DataError(
            f"The validation split: expected at least {needed}, on which the scale of {teacher.teacher.what} is "
            f"fitted, but found {found}; give it more labelled pairs, or set teachers.calibration=none."
        )


def _check_weights(questions: Sequence[Any], arm: str) -> None:
    from tmkd.evaluation.stacking import FOLDS

    asked = len(set(questions))
    if asked < FOLDS:
        raise DataError(
            f"The validation split: expected at least {FOLDS} questions, on which the weights of the teachers of the "
            f"arm {arm} are learnt, but found {asked}; give it more, or set teacher_weights=mean in method and "
            "stage1."
        )
