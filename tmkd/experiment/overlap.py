"""What the corpora and teachers' own training pairs share with the task: logged before anything is trained, and refused
where it is the test split."""

from __future__ import annotations

import logging

from tmkd.data.fields import shown
from tmkd.errors import DataError
from tmkd.experiment.experiment import Experiment
from tmkd.report.data_notes import overlap_text
from tmkd.results.corpus import Corpus, Overlap
from tmkd.results.teacher import Teacher

log = logging.getLogger(__name__)


def corpora(experiment: Experiment) -> list[Corpus]:
    """Return each corpus that an arm is pre-trained on: the run's, and those of arms that set their own."""
    arms = [arm.set for arm in experiment.config.method.arms.values() if arm.pretrain]
    each = [experiment.varied(changes) if "corpus" in changes else experiment for changes in arms]
    return list(dict.fromkeys(own.corpus for own in each))


def check_overlaps(experiment: Experiment) -> None:
    """Say what each corpus and each teacher's own training pairs share with the splits, before anything is trained.

    Raises:
        DataError: a corpus has questions of the test split, and ``corpus.test_questions`` does not allow it; a
            teacher's pairs cannot be used (see ``read_training_pairs``).
    """
    _read_training_pairs(experiment)
    for own in corpora(experiment):
        found = Overlap(experiment.task, own).build(experiment.context).details
        if experiment.context.is_main_process:
            judged = any(found["splits"][split]["held_out"]["pairs"] for split in ("validation", "test"))
            log.log(logging.WARNING if judged else logging.INFO, "%s", overlap_text(found))
        test = found["splits"]["test"]
        held_out, example = test["held_out"], test["held_out"]["example"]
        # the task's own text comes from the training split alone; what else it shares, that split shares
        if held_out["pairs"] and own.test_questions == "refuse":
            raise DataError(
                f"corpus: expected no question of the test split but {held_out['pairs']:,} of {found['pairs']:,} pairs "
                f"have one ({held_out['questions']:,} of {test['of']:,} test questions), for example row "
                f"{example['row']} of the corpus, {shown(example['question'])}; take them out, or set "
                "corpus.test_questions=allow."
            )


def _read_training_pairs(experiment: Experiment) -> None:
    """Read the pairs that teachers learn beside the task's, those of arms that set teachers of their own too."""
    each = [experiment, *(experiment.varied(arm.set) for arm in experiment.config.method.arms.values())]
    trained = (teacher.trained for own in each for teacher in own.roster)
    learning = {teacher.own: teacher for teacher in trained if isinstance(teacher, Teacher) and teacher.own}
    for own, teacher in learning.items():
        found = own.build(experiment.context).details
        if experiment.context.is_main_process:
            log.info(
                "teacher %d learns %s: %s pairs; %s pairs of the files are in the training split of the task",
                teacher.number, own.what, f"{found['pairs']:,}", f"{found['shared']:,}",
            )  # fmt: skip
