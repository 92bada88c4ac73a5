"""What each candidate costs on this machine, and how good it is on the validation split of its task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from tqdm import tqdm

from tmkd.config import RuntimeConfig
from tmkd.errors import ConfigError
from tmkd.evaluation.significance import interval
from tmkd.export.programs import PROGRAMS
from tmkd.progress import done_before
from tmkd.results.answers import FILE, Answers
from tmkd.results.context import RunContext
from tmkd.results.latency import latencies
from tmkd.store.artifacts import Artifact
from tmkd.use.budget import Budget
from tmkd.use.candidate import Candidate, Model, candidates_of
from tmkd.use.choice import Measured, Timed
from tmkd.use.judging import SPLIT, Judge, validation_rows
from tmkd.use.loading import Loader, parameters, quietly, timer


def measure(
    task: Artifact,
    models: Sequence[Model],
    budget: Budget,
    *,
    device: str = "auto",
    metric: str | None = None,
    sample: int | None = None,
) -> tuple[list[Measured], Judge]:
    """Measure all candidates of models; what is in the store of the task is not measured again.

    Args:
        metric, sample: see ``Judge.of``.

    Returns:
        What was measured, and by what the candidates were judged.

    Raises:
        ConfigError: no candidate can be run here.
        DataError: the split cannot be judged: it has one question.
    """
    judge = Judge.of(task, validation_rows(task), metric, sample)
    context = measuring_context(task, device)
    timed = time_models(context, task, models, budget)
    with quietly():
        judged = _judge(context, [each.candidate for each in timed], task, judge, device)
    found = []
    for each, (values, count) in zip(timed, judged):
        low, high = interval(values)
        found.append(Measured(**vars(each), values=values, low=low, high=high, parameters=count))
    return found, judge


def measuring_context(task: Artifact, device: str) -> RunContext:
    """Return what candidates are measured with, in the store of their task."""
    return RunContext(task.root, RuntimeConfig(device=device))


def time_models(context: RunContext, task: Artifact, models: Sequence[Model], budget: Budget) -> list[Timed]:
    """Return the times of all candidates of models; those that are not in the store are measured now, together.

    Raises:
        ConfigError: no candidate can be run here.
    """
    rows, device = validation_rows(task), context.how.device
    with quietly():
        candidates = _candidates(context, models)
        requests = {"texts": f"{task.key}/{SPLIT}", "passages": budget.passages}
        seconds = latencies(
            context,
            [each.timed_as() for each in candidates],
            requests,
            lambda places: timer(Loader(device), [candidates[at] for at in places], rows, budget.passages),
        )
    return [Timed.of(candidate, taken) for candidate, taken in zip(candidates, seconds)]


def _candidates(context: RunContext, models: Sequence[Model]) -> list[Candidate]:
    runtime = context.runtime
    precisions = ["fp32", "bf16"] if runtime.bf16 else ["fp32"]
    forms = {form for model in models for _, form in model.exported}
    installed = {form: PROGRAMS[form][-1].installed for form in forms}
    found = candidates_of(models, precisions, sorted({1, torch.get_num_threads()}), installed)
    if not found:
        needed = ", ".join(sorted(PROGRAMS[form][-1].name for form in forms))
        raise ConfigError(f"Expected a model that can be run here, got none; install what reads these: {needed}.")
    return found


def _judge(
    context: RunContext, candidates: Sequence[Candidate], task: Artifact, judge: Judge, device: str
) -> list[tuple[np.ndarray, int | None]]:
    """Return the values of questions, and how many parameters answer, of each candidate."""
    most = max(candidate.threads for candidate in candidates)  # they are no part of scores
    asked = [replace(candidate, threads=most) for candidate in candidates]
    made: dict[Candidate, tuple[np.ndarray, int | None]] = {}
    pairs, loader = len(judge.rows), Loader(device)
    nodes = {
        candidate: Answers(candidate.scores_as(), f"{task.key}/{SPLIT}", judge.sample, pairs)
        for candidate in dict.fromkeys(asked)
    }
    missing = sum(node.find(context) is None for node in nodes.values())
    with tqdm(total=missing * pairs, desc="judge", unit=" pairs", mininterval=1, disable=not missing) as bar:
        for at, (candidate, node) in enumerate(nodes.items()):
            if at and candidate.model != list(nodes)[at - 1].model:
                loader = Loader(device)  # the weights of the last model are let go
            scored = replace(node, loaded=_loaded(loader, candidate, judge, bar))
            before, new = bar.n, node.find(context) is None
            answered = scored.build(context)
            done_before(bar, before + new * pairs - bar.n)  # a killed run may have scored some
            values = judge.values(np.load(answered.file(FILE)))
            made[candidate] = values, answered.details["parameters"]
    return [made[candidate] for candidate in asked]


def _loaded(
    loader: Loader, candidate: Candidate, judge: Judge, bar: tqdm
) -> Callable[[], tuple[Callable[[int, int], np.ndarray], int | None]]:
    def loaded() -> tuple[Callable[[int, int], np.ndarray], int | None]:
        reranker = loader.load(candidate)

        def score(start: int, end: int) -> np.ndarray:
            texts = judge.rows[start:end]
            found = reranker.score(texts["question"], texts["passage"])
            bar.update(end - start)
            return found

        return score, parameters(reranker)

    return loaded
