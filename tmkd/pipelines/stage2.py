"""Stage 2: fine-tune the student on the labelled task with the multi-head loss ``l = (1 − α) l_g + α l_s``.

The student starts from stage 1 or straight from its encoder; ``l_s`` is the mean over one soft head, for a teacher or
the teachers' average, or over a head each. Its prediction is the mean of the heads' probabilities.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from tmkd.artifacts import SCRATCH, Artifact
from tmkd.config import Config, settings
from tmkd.metrics import main_metric
from tmkd.pipelines.arms import Arm, Lesson, arms
from tmkd.pipelines.inputs import Inputs
from tmkd.pipelines.peers import peers
from tmkd.pipelines.recipe import Recipe, prepare, recipe, write_student
from tmkd.pipelines.stage1 import pretrained_student
from tmkd.pipelines.teachers import validator


def run(config: Config) -> list[Artifact]:
    """Return every student of every arm, for every seed and number of teachers that the config names."""
    made: dict[str, Artifact] = {}
    for arm in arms(Inputs(config)):
        for seed in arm.inputs.config.student.seeds:
            for student in students(arm, seed):
                made[student.name] = student
    return list(made.values())


def students(arm: Arm, seed: int) -> list[Artifact]:
    """Return an arm's students for one seed: one, one a teacher for m-o-m, or all that are trained together.

    Where an arm has no stage 2, that of stage 1, which has predicted validation and test itself.
    """
    if not arm.fine_tune:
        return [pretrained_student(arm.inputs, lesson, arm.trained, seed) for lesson in arm.lessons]
    if arm.inputs.config.method.online.kind != "none":
        return peers(arm, seed)
    if arm.generations > 1:
        return [_last_generation(arm, seed)]
    return [fine_tuned_student(arm.inputs, arm.name, lesson, arm.trained, seed) for lesson in arm.lessons]


def _last_generation(arm: Arm, seed: int) -> Artifact:
    """Return the last of several students, each the teacher of the next.

    Each starts afresh (born-again networks, Furlanello et al. 2018), or goes on from the one before in a cycle of the
    learning rate of its own, all cycles together as long as one training (snapshot distillation, Yang et al. 2019).
    """
    lesson = arm.lessons[0]
    each = [arm.inputs] * arm.generations
    if arm.continues:
        each = [arm.inputs.varied({"stage2": {"epochs": epochs, "patience": 0}}) for epochs in _cycles(arm)]
    student = fine_tuned_student(each[0], f"{arm.name}, 1", lesson, arm.trained, seed)
    for number, inputs in enumerate(each[1:], start=2):
        taught = replace(lesson, targets="one", teachers=(student,))
        before = student if arm.continues else None
        student = fine_tuned_student(inputs, f"{arm.name}, {number}", taught, arm.trained, seed, before)
    return student


def _cycles(arm: Arm) -> list[int]:
    """Return the epochs of each cycle, which are those of one training together; the first cycles have the rest."""
    epochs, rest = divmod(arm.inputs.config.stage2.epochs, arm.generations)
    return [epochs + (number < rest) for number in range(arm.generations)]


def fine_tuned_student(
    inputs: Inputs, name: str, lesson: Lesson, trained: list[Artifact], seed: int, before: Artifact | None = None
) -> Artifact:
    """Return the student of one lesson and one seed, with its predictions on validation and test.

    ``before`` is an earlier student that it goes on from.
    """
    made_of = recipe(inputs, lesson, trained, seed, before)
    of = f" of {lesson.teachers[0].name}" if lesson.targets == "one" else ""
    what = f"{name}{of}, seed {seed}"
    return inputs.build("stage2", made_of.spec, lambda work: _train(made_of, what, work), what)


def _train(made_of: Recipe, what: str, work: Path) -> dict[str, Any]:
    import torch

    from tmkd.training.fit import fit

    inputs, config = made_of.inputs, made_of.inputs.config
    torch.manual_seed(made_of.seed)
    ready = prepare(made_of)
    facts = fit(
        ready.model,
        ready.pairs,
        ready.terms,
        scratch=work / SCRATCH,
        runtime=inputs.runtime,
        what=what,
        seed=made_of.seed,
        **settings(config.stage2),
        **settings(config.trainer),
        validate=validator(inputs, ready.model),
        metric=main_metric(config.data.ranking),
        start_competes=made_of.start_competes,
    )
    return {"training": facts, **write_student(inputs, ready, work)}
