"""Stage 0: fine-tune the N teachers on the labelled task, each with its own settings, one in memory at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tmkd.config import Config, TeacherConfig, settings, teaching
from tmkd.errors import ConfigError
from tmkd.evaluation.metrics import main_metric
from tmkd.pipelines.classifiers import new_classifier, validator, write_classifier
from tmkd.pipelines.context import RunContext
from tmkd.pipelines.specs import teacher_spec
from tmkd.store.artifacts import SCRATCH, Artifact

if TYPE_CHECKING:
    pass


def teachers(context: RunContext, count: int | None = None) -> list[Artifact]:
    """Return the first ``count`` teachers (``teachers.count`` without it), building those that are missing."""
    config = context.config
    roster = config.teachers.roster[: count or config.teachers.count]
    if untrained(context, roster):  # what is wrong with the task or the corpus is said now, and not after the training
        _ = context.task, context.needs_corpus and context.corpus
    return [_teacher(context, number, teacher) for number, teacher in enumerate(roster, start=1)]


def untrained(context: RunContext, roster: Sequence[TeacherConfig] | None = None) -> bool:
    """Return whether a teacher is still to be trained, of all that teach or of ``roster``."""
    config = context.config
    known = (teacher_spec(config, teacher, context.task_key) for teacher in roster or teaching(config))
    return any(context.store.find("teacher", spec) is None for spec in known)


def check_roster(config: Config) -> None:
    """Raise ConfigError where two of those that teach would be one teacher, however their settings are written."""
    specs = [teacher_spec(config, teacher, task="") for teacher in teaching(config)]
    for index, spec in enumerate(specs):
        if (same := specs.index(spec)) < index:
            raise ConfigError(
                f"teachers.roster[{index}]: expected another teacher than roster[{same}], got one of the same settings."
            )


def best_teacher(trained: list[Artifact], metric: str) -> int:
    """Return the index of the best teacher on the validation split; the first of equals."""
    values = [teacher.details["validation"][metric] for teacher in trained]
    return values.index(max(values))


def _teacher(context: RunContext, number: int, teacher: TeacherConfig) -> Artifact:
    spec = teacher_spec(context.config, teacher, context.task_key)
    what = f"teacher {number} (learning rate {teacher.learning_rate:g})"
    return context.build("teacher", spec, lambda work: _train(context, number, teacher, work), what)


def _train(context: RunContext, number: int, teacher: TeacherConfig, work: Path) -> dict[str, Any]:
    import torch

    from tmkd.data.batching import PairDataset
    from tmkd.losses.combine import gold_term
    from tmkd.models.heads import GOLD
    from tmkd.training.fit import fit

    config, runtime = context.config, context.runtime
    torch.manual_seed(teacher.seed)
    model = new_classifier(context, teacher, [GOLD])
    facts = fit(
        model,
        PairDataset(context.tokens("train", model.tokenizer, model.max_length)),
        [gold_term(1.0)],
        scratch=work / SCRATCH,
        runtime=runtime,
        what=f"teacher {number}",
        seed=teacher.seed,
        learning_rate=teacher.learning_rate,
        batch_size=teacher.batch_size,
        epochs=teacher.epochs,
        **settings(config.trainer),
        validate=validator(context, model),
        metric=main_metric(config.data.ranking),
    )
    return {"training": facts, **write_classifier(work, model, context)}
