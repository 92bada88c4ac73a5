"""``tmkd choose --train``: students that are missing are trained, but for those that are never within the budget."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from rich.console import Console

from tmkd.cli.compose import Combination
from tmkd.cli.trained import Trained, left_out
from tmkd.experiment.experiment import Experiment
from tmkd.pipelines import plan, stage2
from tmkd.pipelines.arms import check_early
from tmkd.results.classifier import Classifier
from tmkd.results.node import Result
from tmkd.store.artifacts import Artifact
from tmkd.use.budget import Budget
from tmkd.use.judging import Judge, metric_of, validation_rows
from tmkd.use.loading import same_threads
from tmkd.use.measuring import measuring_context, time_models
from tmkd.use.models import find_models, model_of
from tmkd.use.untrained import Asked, check_different, common_task, shape_of, too_slow, untrained_models

log = logging.getLogger(__name__)


def train_missing(
    sweep: Sequence[Combination],
    named: Sequence[str],
    artifacts: Path,
    budget: Budget,
    *,
    device: str,
    task: str | None,
    metric: str | None,
    sample: int | None,
) -> Trained:
    """Train the students of a sweep that are missing and may be within the budget.

    Args:
        named: models to choose among beside them; none: all students of the task.
        artifacts: the store; it is also the ``paths.artifacts`` of the sweep.
        task, metric, sample: as they are going to be judged, so that mistakes are found before anything is trained.

    Raises:
        TmkdError: whatever ``tmkd stage2`` or the choice would end with.
    """
    with _as_a_stage():
        asked = [Asked(each.settings, Experiment(each.config)) for each in sweep]
        learnt = common_task(asked)
        for each in asked:
            check_early(each.experiment)
            each.experiment.context.check_due(lambda: True)
        check_different(asked)
    _, there = find_models(named, artifacts, task, learnt)
    context = measuring_context(learnt, device)
    shapes = untrained_models(context, asked)
    models = [*there, *shapes.values()]
    by = metric or metric_of(there, [each.experiment.own_metric for each in asked])
    Judge.of(learnt, validation_rows(learnt), by, sample)
    slow = too_slow(time_models(context, learnt, models, budget), shapes, budget)
    never = [(shapes[shape].name, best) for shape, best in slow.items()]
    for settings, best in never:
        log.warning("%s", left_out(settings, best, budget))
    with _as_a_stage():
        students, made = _train(asked, set(slow))
    known = {str(model.identity) for model in there}
    models = [*there, *(model_of(name, own) for name, own in made.items() if own.key not in known)]
    return Trained(learnt, models, students, never, budget)


def _train(asked: Sequence[Asked], slow: Collection[str]) -> tuple[dict[str, str], dict[str, Artifact]]:
    """Return what the students are, and their artifacts, by name; what is missing is planned and then trained.

    Args:
        slow: shapes that are left out.
    """

    def wanted(student: Classifier) -> bool:
        return shape_of(student) not in slow

    kept = {each: list(filter(wanted, each.students)) for each in asked}
    missing = [each for each in asked if any(own.find(each.experiment.context) is None for own in kept[each])]
    everything = torch.get_num_threads()
    if missing:
        roots: list[Result] = [teacher for each in missing for arm in each.arms for teacher in arm.teachers]
        roots += [student for each in missing for student in kept[each]]
        first = missing[0].experiment
        title = f"Plan of {', '.join(each.settings for each in missing)}"
        torch.set_num_threads(first.config.runtime.threads or everything)
        plan.show(first, plan.needed(first.context, roots), title, Console(stderr=True))
    students: dict[str, str] = {}
    made: dict[str, Artifact] = {}
    for each in asked:
        torch.set_num_threads(each.experiment.config.runtime.threads or everything)
        context = each.experiment.context
        own = (
            stage2.build(each.experiment, wanted) if each in missing else {s.name: s.build(context) for s in kept[each]}
        )
        made |= own
        students |= {name: f"{each.settings}, {artifact.manifest['what']}" for name, artifact in own.items()}
    return students, made


@contextmanager
def _as_a_stage() -> Iterator[None]:
    """Say what is made, as stages do, and leave the number of threads as it was."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    all_of_it = logging.getLogger("tmkd")
    level = all_of_it.level
    all_of_it.setLevel(logging.INFO)
    try:
        with same_threads():
            yield
    except KeyboardInterrupt:
        log.info("What was done is kept; the same command goes on from there.")
        raise
    finally:
        all_of_it.setLevel(level)
