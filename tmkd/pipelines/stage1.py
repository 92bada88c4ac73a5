"""Stage 1: pre-train the student on unlabelled pairs, with the teachers' soft labels alone (``l = l_s``).

The default target is the teachers' average; ``stage1.targets=heads`` gives each teacher a head, as the paper does.
With ``stage1.kind=terms`` further terms alone are learnt, as in the first training of FitNets (Romero et al. 2015) and
FSP (Yim et al. 2017); with ``language`` no task's teacher takes part (``pipelines/language.py``).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tmkd.config import Config, settings
from tmkd.evaluation.metrics import main_metric
from tmkd.pipelines.arms import StudentObjective, arms
from tmkd.pipelines.classifiers import new_student, write_classifier
from tmkd.pipelines.context import CORPUS, RunContext
from tmkd.pipelines.encoders import student_identity
from tmkd.pipelines.language import distilled_encoder
from tmkd.pipelines.online import members
from tmkd.pipelines.scoring import soft_labels, soft_targets
from tmkd.pipelines.specs import soft_spec, term_spec, weights_spec
from tmkd.pipelines.teachers import best_teacher
from tmkd.pipelines.terms import active_terms, state_terms
from tmkd.store.artifacts import SCRATCH, Artifact

if TYPE_CHECKING:
    pass


def run(config: Config) -> list[Artifact]:
    """Return the pre-trained students that the arms of ``method`` start from, one a seed."""
    settled = [arm for arm in arms(RunContext(config)) if any(objective.pretrain for objective in arm.objectives)]
    for arm in settled:
        for teacher in arm.trained if arm.context.config.stage1.kind == "soft" else []:
            soft_labels(arm.context, teacher, CORPUS)
    made: dict[str, Artifact] = {}
    for arm in settled:
        for objective, context in itertools.product(arm.objectives, members(arm.context)):
            for seed in context.config.student.seeds:
                student = pretrained_student(context, objective, arm.trained, seed)
                made[student.name] = student
    return list(made.values())


def pretrained_student(
    context: RunContext, objective: StudentObjective, all_teachers: list[Artifact], seed: int
) -> Artifact:
    """Return the stage-1 student for a objective: taught by its teachers, or by all of them where it has none.

    By the average of all, too, where several students start from one and each goes on with a teacher of its own.
    """
    config = context.config
    if config.stage1.kind == "language":
        return distilled_encoder(context, seed)
    chosen = all_teachers if objective.shared_start else list(objective.teachers) or all_teachers
    # an arm that learns from the average as one teacher does so in both stages
    targets = "average" if objective.targets == "average" or objective.shared_start else config.stage1.targets
    targets = "one" if len(chosen) == 1 else targets
    start, soft = starting_teacher(context, all_teachers), config.stage1.kind == "soft"
    spec = {
        "corpus": context.corpus.key,
        "teachers": [teacher.key for teacher in chosen],
        "targets": targets,
        **(soft_spec(config.stage1.loss, config.stage1.temperature) if soft else {"objective": "terms"}),
        "classes": config.data.classes,
        "student": student_identity(context, start),
        "training": {name: getattr(config.stage1, name) for name in ("learning_rate", "batch_size", "epochs")},
        "trainer": settings(config.trainer),
        "seed": seed,
    }
    if targets == "heads" and config.method.head_init != "shared":
        spec["head_init"] = config.method.head_init
    if config.stage1.share < 1:
        spec["share"] = config.stage1.share
    if config.stage1.teacher_weights != "mean" and len(chosen) > 1:
        spec["weights"] = weights_spec(config.stage1.teacher_weights, config.method.weights)
    if terms := active_terms(context, objective.terms, stage=1):
        spec["terms"] = {name: term_spec(term) for name, term in terms.items()}
    taught = {"one": "one teacher", "average": f"the average of {len(chosen)} teachers"}
    what = f"stage-1 student of {taught.get(targets, f'{len(chosen)} teachers, a head each')}, seed {seed}"

    def make(work: Path) -> dict[str, Any]:
        return _train(context, objective.terms, chosen, targets, seed, start, work)

    return context.build("stage1", spec, make, what)


def _train(
    context: RunContext,
    terms: Sequence[str],
    chosen: list[Artifact],
    targets: str,
    seed: int,
    start: Artifact | None,
    work: Path,
) -> dict[str, Any]:
    import torch

    from tmkd.data.batching import PairDataset
    from tmkd.data.splits import draw_pairs
    from tmkd.losses.combine import soft_term
    from tmkd.models.heads import AVERAGE
    from tmkd.store.memmap import letting_go
    from tmkd.training.fit import fit

    config, runtime = context.config, context.runtime
    torch.manual_seed(seed)
    heads = [AVERAGE] if targets == "average" else [teacher.key for teacher in chosen]
    model = new_student(context, heads, start)
    tokens = context.tokens(CORPUS, model.tokenizer, model.max_length)
    tokens = draw_pairs(tokens, max(1, round(len(tokens) * config.stage1.share)))
    more, states = state_terms(context, terms, 1, model, chosen, CORPUS, tokens)
    settled = config.stage1
    soft, weights = None, None
    if settled.kind == "soft":
        soft, weights = soft_targets(context, chosen, CORPUS, targets == "average", tokens, settled.teacher_weights)
        more = [soft_term(1.0, settled.loss, settled.temperature), *more]
    with letting_go(tokens, soft, weights):
        facts = fit(
            model,
            PairDataset(tokens, soft, weights, states),
            more,
            scratch=work / SCRATCH,
            runtime=runtime,
            what="stage 1",
            seed=seed,
            learning_rate=config.stage1.learning_rate,
            batch_size=config.stage1.batch_size,
            epochs=config.stage1.epochs,
            **settings(config.trainer),
        )
    return {"training": facts, **write_classifier(work, model, context)}


def starting_teacher(context: RunContext, trained: list[Artifact]) -> Artifact | None:
    """Return the teacher whose layers the student keeps, the best on the validation split; None: its encoder's."""
    if context.config.student.init == "encoder":
        return None
    return trained[best_teacher(trained, main_metric(context.config.data.ranking))]
