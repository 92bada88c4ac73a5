"""From a list of results to what they cost: passes over splits, times their tokens, by the speed of a trial."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from tmkd.config import StudentConfig, settings
from tmkd.pipelines.calibration import Trial, try_out
from tmkd.pipelines.planned import Item
from tmkd.pipelines.works import FLOAT, Work, works_of
from tmkd.report.plan_table import PlanRow

log = logging.getLogger(__name__)
CHECKPOINTS = 3  # two are kept, and a third is whole before the oldest goes


@dataclass(frozen=True)
class Estimate:
    """What a plan comes to; ``scratch`` is the disk that a training takes for a while, at most."""

    rows: list[PlanRow]
    scratch: float
    peak_bytes: float


def estimate(items: Mapping[str, Item], try_member: Callable[[Sequence[Work]], Trial]) -> Estimate:
    """Estimate what is missing.

    Args:
        try_member: tries out the one member of some works, and reads the sizes of their splits.
    """
    works: dict[str, list[Work]] = {}
    for name, item in items.items():
        if item.missing:
            with suppress(LookupError):  # then it is listed, and has no estimate
                works[name] = works_of(item, items)
    by_architecture: dict[str, list[Work]] = {}
    for work in (work for found in works.values() for work in found):
        by_architecture.setdefault(work.member.architecture, []).append(work)
    if by_architecture:
        log.info("calibrating %d encoders, up to 20 s each where a step is no longer than that", len(by_architecture))
    trials = {name: try_member(found) for name, found in by_architecture.items()}
    rows: dict[str, PlanRow] = {}
    for name, item in items.items():
        row = rows.setdefault(item.stage, PlanRow(item.stage))
        if not item.missing:
            row.cached += 1
            continue
        row.missing += 1
        if name in works:
            pairs, seconds, size = _cost(works[name], trials)
            row.pairs, row.seconds, row.size = row.pairs + pairs, row.seconds + seconds, row.size + size
        else:
            row.unknown += 1
    return Estimate(
        list(rows.values()),
        max((_scratch(found, trials) for found in works.values()), default=0.0),
        max((trial.peak_bytes for trial in trials.values()), default=0.0),
    )


def try_member(works: Sequence[Work]) -> Trial:
    """Try out, on this machine, the member that all the works are of; it is the only model in memory."""
    from tmkd.models.heads import GOLD
    from tmkd.pipelines.classifiers import new_classifier, new_student

    member = works[0].member
    context = member.context
    if isinstance(member.settings, StudentConfig):
        model = new_student(context, [GOLD])
    else:
        model = new_classifier(context, member.settings, [GOLD])
    sizes = {}
    for work in works:
        if work.source not in sizes:
            lengths = work.context.tokens(work.split, model.tokenizer, model.max_length)["length"]
            sizes[work.source] = (len(lengths), sum(lengths))
    tokens = context.tokens("train", model.tokenizer, model.max_length)
    batches = sorted({work.batch for work in works}, key=lambda batch: batch or 0, reverse=True)
    trial = try_out(model, tokens, batches, context.runtime, member.what, settings(context.config.trainer))
    del model
    gc.collect()
    return replace(trial, sizes=sizes)


def _cost(works: Sequence[Work], trials: Mapping[str, Trial]) -> tuple[float, float, float]:
    """Return pairs learnt from (or scored, where nothing is learnt), seconds, and bytes that stay on disk."""
    pairs = seconds = size = 0.0
    learnt = any(work.batch for work in works)
    for work in works:
        trial = trials[work.member.architecture]
        rows, tokens = trial.sizes[work.source]
        seconds += work.passes * tokens / trial.speeds[work.batch]
        size += work.kept * rows + (FLOAT * trial.parameters if work.batch else 0)
        pairs += work.passes * rows if work.batch or not learnt else 0
    return pairs, seconds, size


def _scratch(works: Sequence[Work], trials: Mapping[str, Trial]) -> float:
    """Return the most that checkpoints take: weights with two moments each, and the weights of the best epochs."""
    size = 0.0
    for work in works:
        if work.batch:
            trial = trials[work.member.architecture]
            size += CHECKPOINTS * (trial.parameters + 2 * trial.learnable) + work.passes * trial.parameters
    return FLOAT * size
