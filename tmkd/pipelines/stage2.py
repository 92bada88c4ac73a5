"""Stage 2: fine-tune the student on the labelled task with the multi-head loss ``l = (1 − α) l_g + α l_s``.

The student starts from stage 1 or straight from its encoder; ``l_s`` is the mean over one soft head, for a teacher or
the teachers' average, or over a head each. Its prediction is the mean of the heads' probabilities.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from tmkd.config import Config, settings
from tmkd.evaluation.metrics import main_metric
from tmkd.pipelines.arms import Arm, StudentObjective, arms
from tmkd.pipelines.classifiers import validator
from tmkd.pipelines.context import RunContext
from tmkd.pipelines.peers import peers
from tmkd.pipelines.stage1 import pretrained_student
from tmkd.pipelines.student_spec import StudentSpec, prepare, student_spec, write_student
from tmkd.store.artifacts import SCRATCH, Artifact


def run(config: Config) -> list[Artifact]:
    """Return every student of every arm, for every seed and number of teachers that the config names."""
    made: dict[str, Artifact] = {}
    for arm in arms(RunContext(config)):
        for seed in arm.context.config.student.seeds:
            for student in students(arm, seed):
                made[student.name] = student
    return list(made.values())


def students(arm: Arm, seed: int) -> list[Artifact]:
    """Return an arm's students for one seed: one, one a teacher for m-o-m, or all that are trained together.

    Where an arm has no stage 2, that of stage 1, which has predicted validation and test itself.
    """
    if not arm.fine_tune:
        return [pretrained_student(arm.context, objective, arm.trained, seed) for objective in arm.objectives]
    if arm.context.config.method.online.kind != "none":
        return peers(arm, seed)
    if arm.generations > 1:
        return [_last_generation(arm, seed)]
    return [fine_tuned_student(arm.context, arm.name, objective, arm.trained, seed) for objective in arm.objectives]


def _last_generation(arm: Arm, seed: int) -> Artifact:
    """Return the last of several students, each the teacher of the next.

    Each starts afresh (born-again networks, Furlanello et al. 2018), or goes on from the one before in a cycle of the
    learning rate of its own, all cycles together as long as one training (snapshot distillation, Yang et al. 2019).
    """
    objective = arm.objectives[0]
    each = [arm.context] * arm.generations
    if arm.continues:
        each = [arm.context.varied({"stage2": {"epochs": epochs, "patience": 0}}) for epochs in _cycles(arm)]
    student = fine_tuned_student(each[0], f"{arm.name}, 1", objective, arm.trained, seed)
    for number, context in enumerate(each[1:], start=2):
        taught = replace(objective, targets="one", teachers=(student,))
        before = student if arm.continues else None
        student = fine_tuned_student(context, f"{arm.name}, {number}", taught, arm.trained, seed, before)
    return student


def _cycles(arm: Arm) -> list[int]:
    """Return the epochs of each cycle, which are those of one training together; the first cycles have the rest."""
    epochs, rest = divmod(arm.context.config.stage2.epochs, arm.generations)
    return [epochs + (number < rest) for number in range(arm.generations)]


def fine_tuned_student(
    context: RunContext,
    name: str,
    objective: StudentObjective,
    trained: list[Artifact],
    seed: int,
    before: Artifact | None = None,
) -> Artifact:
    """Return the student of one objective and one seed, with its predictions on validation and test.

    ``before`` is an earlier student that it goes on from.
    """
    made_of = student_spec(context, objective, trained, seed, before)
    of = f" of {objective.teachers[0].name}" if objective.targets == "one" else ""
    what = f"{name}{of}, seed {seed}"
    return context.build("stage2", made_of.spec, lambda work: _train(made_of, what, work), what)


def _train(made_of: StudentSpec, what: str, work: Path) -> dict[str, Any]:
    import torch

    from tmkd.training.fit import fit

    context, config = made_of.context, made_of.context.config
    torch.manual_seed(made_of.seed)
    ready = prepare(made_of)
    facts = fit(
        ready.model,
        ready.pairs,
        ready.terms,
        scratch=work / SCRATCH,
        runtime=context.runtime,
        what=what,
        seed=made_of.seed,
        **settings(config.stage2),
        **settings(config.trainer),
        validate=validator(context, ready.model),
        metric=main_metric(config.data.ranking),
        start_competes=made_of.start_competes,
    )
    return {"training": facts, **write_student(context, ready, work)}
