"""What each student of an arm learns, and where it starts: from the arm's settings and those who teach it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tmkd.choices import POINTWISE
from tmkd.config import ArmConfig
from tmkd.experiment.experiment import Experiment
from tmkd.experiment.names import settle
from tmkd.results.classifier import Classifier
from tmkd.results.objective import Objective
from tmkd.results.soft_targets import TeacherWeights

SEEDS_APART = 1000  # between the seeds of an m-o-m's students: more than the seeds of a run


@dataclass(frozen=True)
class StudentObjective:
    """What one student of an arm learns, and where it starts.

    Attributes:
        stage2: what it minimises in stage 2, beside further terms.
        pretrain: whether it starts from stage 1.
        carry_heads: whether its heads start from those of the student that it starts from.
        terms: names in ``method.terms``.
        seed_offset: is added to the run's seed in stage 2, so that students of m-o-m differ in more than their teacher.
        shared_start: its stage 1 is that of all teachers' average, whoever teaches it in stage 2.
    """

    stage2: Objective
    pretrain: bool
    carry_heads: bool
    terms: tuple[str, ...] = ()
    seed_offset: int = 0
    shared_start: bool = False


def objectives_of(
    arm: ArmConfig, experiment: Experiment, teachers: list[Classifier], best: int
) -> tuple[StudentObjective, ...]:
    """Return what each student of an arm learns from the given teachers: several students for m-o-m.

    Args:
        experiment: with the arm's own settings.
        best: index of the best teacher on the validation split, the teacher of a 1-o-1 arm that names none.
    """
    config, method = experiment.config, experiment.config.method
    settled = settle(arm, method)
    targets = settled.targets
    chosen = {
        "none": [],
        "one": [teachers[best if arm.teacher is None else arm.teacher - 1]],
    }.get(targets, teachers)
    several = len(chosen) > 1 and targets in ("average", "heads")
    loss = Objective(
        tuple(chosen),
        "one" if len(chosen) == 1 or targets == "students" else targets,
        settled.alpha,
        settled.loss,
        settled.temperature,
        method.mix,
        TeacherWeights.of(method.teacher_weights, method.weights, len(chosen), method.trust_by) if several else None,
        method.alpha_end,
        method.temperature_end,
        method.schedule,
        config.teachers.on_missing,
        settled.gold_loss or POINTWISE,
        method.margin_pairs,
    )
    carries = method.carry_heads and config.stage1.kind == "soft"  # no other kind has heads to carry over
    base = StudentObjective(loss, arm.pretrain, carries, settled.terms)
    if targets != "students":
        return (base,)
    # the best teacher's student keeps the run's seed: it is the student of KD (1-o-1)
    return tuple(
        replace(
            base,
            stage2=replace(loss, teachers=(teacher,)),
            shared_start=arm.pretrain and len(chosen) > 1,
            seed_offset=SEEDS_APART * ((place - best) % len(chosen)),
        )
        for place, teacher in enumerate(chosen)
    )
