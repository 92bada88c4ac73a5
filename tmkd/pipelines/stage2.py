"""Stage 2: fine-tune the student on the labelled task with the multi-head loss ``l = (1 − α) l_g + α l_s``.

The student starts from stage 1 or straight from its encoder; ``l_s`` is the mean over one soft head, for a teacher or
the teachers' average, or over a head each. Its prediction is the mean of the heads' probabilities.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tmkd.artifacts import SCRATCH, Artifact
from tmkd.config import Config, settings
from tmkd.metrics import main_metric
from tmkd.pipelines.arms import Arm, Lesson, arms
from tmkd.pipelines.inputs import Inputs
from tmkd.pipelines.scoring import soft_targets
from tmkd.pipelines.specs import soft_spec, student_spec
from tmkd.pipelines.stage1 import new_student, pretrained_student
from tmkd.pipelines.teachers import MODEL, validator, write_predictions

if TYPE_CHECKING:
    from tmkd.losses.combine import Term
    from tmkd.models.classifier import PairClassifier


def run(config: Config) -> list[Artifact]:
    """Return every student of every arm, for every seed and number of teachers that the config names."""
    made: dict[str, Artifact] = {}
    for arm in arms(Inputs(config)):
        for seed in arm.inputs.config.student.seeds:
            for student in students(arm, seed):
                made[student.name] = student
    return list(made.values())


def students(arm: Arm, seed: int) -> list[Artifact]:
    """Return an arm's students for one seed: one, or one a teacher for m-o-m."""
    return [fine_tuned_student(arm.inputs, arm.name, lesson, arm.trained, seed) for lesson in arm.lessons]


def fine_tuned_student(inputs: Inputs, name: str, lesson: Lesson, trained: list[Artifact], seed: int) -> Artifact:
    """Return the student of one lesson and one seed, with its predictions on validation and test."""
    config = inputs.config
    start = pretrained_student(inputs, lesson, trained, seed) if lesson.pretrain else None
    spec: dict[str, Any] = {
        "task": inputs.task.key,
        "stage1": start.key if start else None,
        "student": student_spec(config),
        "training": settings(config.stage2),
        "trainer": settings(config.trainer),
        "seed": seed,
    }
    if lesson.teachers:
        spec |= {"teachers": [teacher.key for teacher in lesson.teachers], "targets": lesson.targets}
        spec |= {"alpha": float(lesson.alpha), **soft_spec(lesson.loss, lesson.temperature)}
    if start:
        spec["carry_heads"] = lesson.carry_heads
    of = f" of {lesson.teachers[0].name}" if lesson.targets == "one" else ""
    what = f"{name}{of}, seed {seed}"
    return inputs.store.build("stage2", spec, lambda work: _train(inputs, lesson, start, seed, what, work), what)


def _train(inputs: Inputs, lesson: Lesson, start: Artifact | None, seed: int, what: str, work: Path) -> dict[str, Any]:
    import torch

    from tmkd.data.batching import PairDataset
    from tmkd.models.classifier import prediction_heads
    from tmkd.models.heads import AVERAGE, GOLD
    from tmkd.training.fit import fit

    config = inputs.config
    average = lesson.targets == "average"
    soft = [AVERAGE] if average else [teacher.key for teacher in lesson.teachers]
    torch.manual_seed(seed)
    model = _initial(inputs, [GOLD, *soft], lesson, start)
    tokens = inputs.tokens("train", model.tokenizer, model.max_length)
    targets = soft_targets(inputs, list(lesson.teachers), "train", average, tokens["id"]) if soft else None
    heads = prediction_heads(model.heads.names, lesson.alpha)
    facts = fit(
        model,
        PairDataset(tokens, targets),
        _loss(lesson),
        scratch=work / SCRATCH,
        runtime=inputs.runtime,
        what=what,
        seed=seed,
        **settings(config.stage2),
        **settings(config.trainer),
        validate=validator(inputs, model, heads),
        metric=main_metric(config.data.ranking),
    )
    validation = write_predictions(work, model, inputs, heads)
    model.save(work / MODEL)
    return {"training": facts, "validation": validation, "parameters": model.parameter_count}


def _initial(inputs: Inputs, heads: list[str], lesson: Lesson, start: Artifact | None) -> PairClassifier:
    """Return the student before stage 2: from its encoder, or with stage 1's encoder and, if asked, its heads."""
    from tmkd.models.classifier import PairClassifier

    model = new_student(inputs, heads)
    if start is not None:
        earlier = PairClassifier.load(start.folder(MODEL))
        model.encoder.load_state_dict(earlier.encoder.state_dict())
        if lesson.carry_heads:
            model.heads.carry_over(earlier.heads.to(inputs.runtime.device))
    return model


def _loss(lesson: Lesson) -> list[Term]:
    from tmkd.losses.combine import gold_term, soft_term

    if not lesson.teachers:
        return [gold_term(1.0)]
    soft = soft_term(lesson.alpha, lesson.loss, lesson.temperature)
    return [soft] if lesson.alpha == 1 else [gold_term(1.0 - lesson.alpha), soft]
