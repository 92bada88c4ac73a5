"""From a list of results to what they cost: passes over splits, times their tokens, by the speed of a trial."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tmkd.pipelines.calibration import Trial, try_out
from tmkd.report.plan_table import PlanRow
from tmkd.results.context import RunContext
from tmkd.results.node import Result
from tmkd.results.work import FLOAT, Work

log = logging.getLogger(__name__)
CHECKPOINTS = 3  # two are kept, and a third is whole before the oldest goes


@dataclass(frozen=True)
class Estimate:
    """The sum of a plan; ``scratch`` is the most disk that a training takes for a while."""

    rows: list[PlanRow]
    scratch: float
    peak_bytes: float


def estimate(
    context: RunContext, results: Iterable[Result], try_member: Callable[[RunContext, Sequence[Work]], Trial]
) -> Estimate:
    """Estimate what is missing.

    Args:
        try_member: tries out the one member of some works, and reads the sizes of their splits.
    """
    rows: dict[str, PlanRow] = {}
    works: dict[Result, list[Work]] = {}
    for result in results:
        row = rows.setdefault(result.kind, PlanRow(result.kind))
        if result.find(context) is not None:
            row.cached += 1
            continue
        row.missing += 1
        try:
            works[result] = result.cost(context)
        except LookupError:
            row.unknown += 1  # then it is listed, and has no estimate
    by_architecture: dict[str, list[Work]] = {}
    for work in (work for found in works.values() for work in found):
        by_architecture.setdefault(work.member.architecture, []).append(work)
    if by_architecture:
        log.info("calibrating %d encoders, up to 20 s each where a step is no longer than that", len(by_architecture))
    trials = {name: try_member(context, found) for name, found in by_architecture.items()}
    for result, found in works.items():
        pairs, seconds, size = _cost(found, trials)
        row = rows[result.kind]
        row.pairs, row.seconds, row.size = row.pairs + pairs, row.seconds + seconds, row.size + size
    return Estimate(
        list(rows.values()),
        max((_scratch(found, trials) for found in works.values()), default=0.0),
        max((trial.peak_bytes for trial in trials.values()), default=0.0),
    )


def try_member(context: RunContext, works: Sequence[Work]) -> Trial:
    """Try out, on this machine, the member that all the works are of; it is the only model in memory."""
    member = works[0].member
    model = member.untrained()
    sizes = {}
    for work in works:
        if work.source not in sizes:
            lengths = work.lengths(model)
            sizes[work.source] = (len(lengths), sum(lengths))
    tokens = member.training_pairs(model)
    batches = sorted({work.batch for work in works}, key=lambda batch: batch or 0, reverse=True)
    trial = try_out(model, tokens, batches, context.runtime, member.what, dict(member.trainer))
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
        seconds += work.passes * work.share * tokens / trial.speeds[work.batch]
        size += work.kept * rows + (FLOAT * trial.parameters if work.batch else 0)
        pairs += work.passes * work.share * rows if work.batch or not learnt else 0
    return pairs, seconds, size


def _scratch(works: Sequence[Work], trials: Mapping[str, Trial]) -> float:
    """Return the most that checkpoints take: weights with two moments each, and the weights of the best epochs."""
    size = 0.0
    for work in works:
        if work.batch:
            trial = trials[work.member.architecture]
            size += CHECKPOINTS * (trial.saved + 2 * trial.learnable) + work.passes * trial.saved
    return FLOAT * size
