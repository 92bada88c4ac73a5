"""Whether validation has enough labels for what is fitted on them: found out before anything is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tmkd.choices import CLASSES
from tmkd.errors import DataError
from tmkd.experiment.experiment import Experiment
from tmkd.results.calibrated import CalibratedTeacher

if TYPE_CHECKING:
    from tmkd.results.context import RunContext
    from tmkd.results.task import Task


def check_validation(experiment: Experiment) -> None:
    """Refuse a validation split on which a teacher's scale, or the weights of several teachers, cannot be fitted.

    It is read where a teacher is still to be trained; else what is fitted says so itself.

    Raises:
        DataError: it has too few pairs, pairs of a class, or questions.
    """
    for name, arm in experiment.config.method.arms.items():
        own = experiment.varied(arm.set)
        if own.task.splits and own.untrained():
            for teacher in own.roster:
                if isinstance(teacher, CalibratedTeacher):
                    _check_scale(own.context, teacher)
            learnt = arm.pretrain and own.config.stage1.teacher_weights == "learnt"
            learnt |= arm.targets in ("average", "heads") and own.config.method.teacher_weights == "learnt"
            if learnt and len(own.roster) > 1:
                _check_weights(own.context, own.roster[0].own_task, name)


def _check_scale(context: RunContext, teacher: CalibratedTeacher) -> None:
    from tmkd.evaluation.calibration_checks import FEWEST

    task = teacher.own_task
    labels = list(task.rows("validation").read(context)["label"])
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


def _check_weights(context: RunContext, task: Task, arm: str) -> None:
    from tmkd.evaluation.stacking import FOLDS

    asked = set(task.rows("validation").read(context)["question_id"])
    if len(asked) < FOLDS:
        raise DataError(
            f"The validation split: expected at least {FOLDS} questions, on which the weights of the teachers of the "
            f"arm {arm} are learnt, but found {len(asked)}; give it more, or set teacher_weights=mean in method and "
            "stage1."
        )
