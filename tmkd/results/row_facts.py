"""What the page of a comparison says beside its rows, from manifests, predictions and the test split's texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tmkd.choices import CLASSES
from tmkd.data.schema import parts_of
from tmkd.report.facts import Agreement, Calibration, Facts, Mistakes, Source, Training
from tmkd.results.answering import Answering, heads
from tmkd.results.mistakes import worst_mistakes
from tmkd.store.artifacts import Artifact
from tmkd.store.provenance import command

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset


def row_facts(
    answering: Sequence[Answering],
    test: Dataset,
    classes: Sequence[str],
    ranking: bool,
    metric: str,
    kind: str = CLASSES,
) -> Facts:
    """Return what is known of the rows.

    Args:
        answering: all rows but chance.
        test: the test split.
        metric: what the task is judged by.
        kind: what labels are, of ``tmkd.choices.LABEL_KINDS``. Calibration, agreement and mistakes are of
            probabilities: there are none of grades and numbers.
    """
    import numpy as np

    from tmkd.evaluation.metrics import evaluate
    from tmkd.report.rows import best_student, is_teacher

    labels, question_ids, parts = np.asarray(test["label"]), list(test["question_id"]), parts_of(test)

    def judge(probabilities: np.ndarray) -> dict[str, float]:
        return evaluate(probabilities, labels, question_ids, ranking, parts, metric, kind)

    teachers = [each for each in answering if is_teacher(each.row.arm)]
    best = best_student([each.row for each in answering], metric)
    chosen = next((each for each in answering if each.row is best), None)
    mistakes: Mistakes | None = None
    if chosen is not None and kind == CLASSES:
        scored = {each.row.arm: each.scores for each in (chosen, *teachers)}
        mistakes = worst_mistakes(chosen.row.arm, scored, test, classes, ranking, metric)
    return Facts(
        training=[each for one in answering for each in _training(one)],
        heads=[each for one in answering for each in heads(one, answering, judge, metric)],
        calibration=[_calibration(each, labels) for each in answering] if kind == CLASSES else [],
        teacher_agreement=_agreement(teachers) if kind == CLASSES else None,
        mistakes=mistakes,
        sources=_sources(answering),
        command=command(),
    )


def _training(one: Answering) -> list[Training]:
    from tmkd.report.rows import is_teacher

    found = []
    alone = len(one.row.artifacts) == 1
    if is_teacher(one.row.arm) and not alone:
        return []  # the ensemble: its teachers have rows of their own
    for seed, members in zip(one.row.seeds, one.made):
        for member in members:
            known: Mapping[str, Any] = member.details.get("training", {})
            cost = known.get("cost") or {}
            if known:
                found.append(
                    Training(
                        member.name,
                        str(member.manifest["what"]),
                        one.row.arm,
                        None if is_teacher(one.row.arm) else seed,
                        known.get("validation", []),
                        known.get("best_epoch"),
                        known.get("validation_before"),
                        cost.get("seconds"),
                        cost.get("peak_bytes"),
                        known.get("loss", []),
                    )
                )
    return found


def _calibration(one: Answering, labels: np.ndarray) -> Calibration:
    from tmkd.evaluation.reliability import reliability
    from tmkd.report.rows import json_safe, over_seeds

    found = [reliability(scores, labels) for scores in one.scores]
    ece, brier = ([getattr(each, name) for each in found] for name in ("ece", "brier"))
    return Calibration(one.row.arm, json_safe(over_seeds(ece)), json_safe(over_seeds(brier)))


def _agreement(teachers: Sequence[Answering]) -> Agreement | None:
    from tmkd.evaluation.agreement import agreement, kappa

    if len(teachers) < 2:
        return None
    answers = [each.scores[0] for each in teachers]
    return Agreement([each.row.arm for each in teachers], agreement(answers).tolist(), kappa(answers))


def _sources(answering: Sequence[Answering]) -> list[Source]:
    rows: dict[str, list[str]] = {}
    made: dict[str, Artifact] = {}
    for one in answering:
        for member in (member for members in one.made for member in members):
            made[member.name] = member
            if one.row.arm not in rows.setdefault(member.name, []):
                rows[member.name].append(one.row.arm)
    return [
        Source(
            name,
            str(each.manifest["what"]),
            rows[name],
            each.manifest.get("commit"),
            each.manifest.get("python"),
            each.manifest.get("packages", {}),
        )
        for name, each in made.items()
    ]
