"""How good a student is on its task's test split, beside chance and the teachers: from predictions in the store."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tmkd.choices import CLASSES
from tmkd.errors import DamagedArtifact, DataError, ModelError
from tmkd.evaluation.chance import chance
from tmkd.evaluation.ensemble import fidelity
from tmkd.evaluation.metrics import per_question
from tmkd.evaluation.significance import interval
from tmkd.export.answers import Rows, answered
from tmkd.measures import main_metric
from tmkd.store.artifacts import MANIFEST, Artifact, open_artifact
from tmkd.store.catalogue import keys


@dataclass(frozen=True)
class TeacherFacts:
    """A teacher as the store has it.

    Attributes:
        what: its name; its key, where it is not in the store.
        kind: fine_tuned, ready, causal, scores or served; None where it is not known.
        metric: on the test split; None where it is not known.
    """

    name: str
    what: str
    kind: str | None
    metric: float | None


@dataclass(frozen=True)
class Quality:
    """The main metric on the test split.

    Attributes:
        name: of the metric.
        value, low, high: with its 95 % interval over questions.
        chance: what answers that know nothing score.
        questions: that have a value.
        agreement: the share of pairs that the teachers together put into the same class; None: not all are there, or
            there are no classes.
        teachers: those that taught it, in the order of its settings.
        correlation: Spearman's, of its scores and the teachers' mean ones, where there are no classes.
    """

    name: str
    value: float
    low: float
    high: float
    chance: float
    questions: int
    pairs: int
    agreement: float | None
    teachers: list[TeacherFacts]
    correlation: float | None = None


def quality(artifact: Artifact, ranking: bool, kind: str = CLASSES) -> Quality:
    """Judge a student by its predictions.

    Args:
        ranking, kind: as for ``tmkd.evaluation.metrics.evaluate``.

    Raises:
        ModelError: its task or its predictions are not there.
        DataError: its test split cannot be judged: it has one question.
    """
    metric = main_metric(ranking, artifact.manifest["spec"].get("metric"), kind)
    test = Rows.read(artifact, "test")
    learnt = Rows.read(artifact, "train").labels
    own = answered(artifact, test, "test").probabilities

    def judge(probabilities: np.ndarray) -> np.ndarray:
        return per_question(probabilities, test.labels, test.question_ids, ranking, test.parts, metric, kind)[1]

    values = judge(own)
    by_chance = chance(test.labels, test.question_ids, learnt, own.shape[1], ranking, test.parts, metric, kind)
    teachers, answers = [], []
    for key in artifact.manifest["spec"].get("teachers", []):
        teacher, said = _teacher(artifact, str(key)), None
        if teacher is not None:
            try:
                said = answered(teacher, test, "test").probabilities
                value: float | None = float(judge(said).mean())
            except (ModelError, DataError):  # without scores of the test split, or of all of its pairs
                said, value = None, None
            usual = "fine_tuned" if teacher.manifest["stage"] == "teacher" else None
            of_kind = teacher.manifest["spec"].get("kind", usual)
            teachers.append(TeacherFacts(teacher.name, str(teacher.manifest["what"]), of_kind, value))
        else:
            teachers.append(TeacherFacts(str(key), str(key), None, None))
        answers.append(said)
    there = [each for each in answers if each is not None]
    near = fidelity(own, np.mean(there, axis=0)) if there and len(there) == len(answers) else {}
    low, high = interval(values)
    found = (float(values.mean()), low, high, by_chance[metric], len(values), len(own), near.get("agreement"))
    return Quality(metric, *found, teachers, near.get("correlation"))


def _teacher(artifact: Artifact, key: str) -> Artifact | None:
    name = keys(artifact.root).get(key)
    if name is None or not (artifact.root / name / MANIFEST).is_file():
        return None
    try:
        return open_artifact(artifact.root / name)
    except DamagedArtifact:
        return None
