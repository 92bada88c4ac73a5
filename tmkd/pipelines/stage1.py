"""Stage 1: pre-train the student on unlabelled pairs, for every arm that starts there."""

from __future__ import annotations

from tmkd.config import Config
from tmkd.experiment.experiment import Experiment
from tmkd.experiment.students import corpus_labels, stage1_students
from tmkd.pipelines.arms import build_arms
from tmkd.store.artifacts import Artifact


def run(config: Config) -> list[Artifact]:
    """Return the pre-trained students that the arms of ``method`` start from, one a seed."""
    experiment = Experiment(config)
    arms = build_arms(experiment)
    for labels in [labels for arm in arms for labels in corpus_labels(arm)]:
        labels.build(experiment.context)
    students = dict.fromkeys(student for arm in arms for student in stage1_students(arm))
    return [student.build(experiment.context) for student in students]
