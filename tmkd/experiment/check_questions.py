"""Whether the corpora have questions to make batches of: found out before anything is trained."""

from __future__ import annotations

import functools

from tmkd.errors import DataError
from tmkd.experiment.experiment import Experiment


def check_questions(experiment: Experiment) -> None:
    """Refuse a corpus of single passages where stage 1 learns from whole questions; warn of ids that several have.

    It is read at once where a teacher is still to be trained, else once any result is to be computed.

    Raises:
        DataError: no question of the corpus has two passages.
    """
    for name, arm in experiment.config.method.arms.items():
        own = experiment.varied(arm.set)
        if arm.pretrain and own.config.stage1.group_size is not None:
            due = functools.partial(_refuse_single_passages, own, name)
            due() if own.untrained() else own.context.before_making.append(due)


def _refuse_single_passages(experiment: Experiment, name: str) -> None:
    from tmkd.data.labelled import tell_shared_ids
    from tmkd.data.questions import any_group

    rows = experiment.corpus.rows().read(experiment.context)
    if not any_group(rows):
        raise DataError(
            "corpus: expected several passages of a question where stage1.group_size is "
            f"{experiment.config.stage1.group_size} (arm {name}), but each of its {len(rows):,} pairs has another "
            "question_id; give all passages of a question the same one, or set stage1.group_size=null."
        )
    if experiment.context.once("shared ids", experiment.corpus.key):
        tell_shared_ids("corpus", rows)
