"""Before a run: cached results, remaining work, and about how long that will take."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterable, Iterator

from rich.console import Console

from tmkd.config import Config
from tmkd.experiment.arms import resolve_arms
from tmkd.experiment.entries import student_entries, teacher_entries
from tmkd.experiment.experiment import Experiment
from tmkd.experiment.students import corpus_labels, stage1_students
from tmkd.pipelines.arms import check_early
from tmkd.pipelines.estimate import estimate, try_member
from tmkd.pipelines.labelling import untrained_teachers
from tmkd.pipelines.spend import dear_of
from tmkd.report.plan_table import PlanRow, duration, print_plan
from tmkd.results.context import RunContext
from tmkd.results.node import Result
from tmkd.results.rows import Rows
from tmkd.results.soft_labels import SoftLabels
from tmkd.results.speed import Speed
from tmkd.results.untrained import UntrainedTeacher
from tmkd.store.identity import VERSIONS

log = logging.getLogger(__name__)
# made for a plan, too: all else depends on their sizes
READ = ("task", "corpus", "overlap", "training_pairs", "tokens", "encoder")


def run(config: Config) -> str:
    """Print the plan with an estimate of time, disk and memory; return a summary in a few words.

    Task, corpus and their tokens are read if they are not yet, and stay for the run; nothing else is kept.
    """
    experiment = Experiment(config)
    log.info("task and corpus are read first, if they are not yet: once; millions of pairs take minutes")
    results = planned(experiment)
    rows = show(experiment, results, f"Plan of {config.name}")
    return f"{sum(row.missing for row in rows)} results to make, {duration(sum(row.seconds for row in rows))}"


def show(experiment: Experiment, results: list[Result], title: str, console: Console | None = None) -> list[PlanRow]:
    """Print the plan of results; return its rows.

    Args:
        experiment: one that the results are of: its store and runtime count, and whether its data have labels.
        console: where to print; None: standard output.
    """
    found = estimate(experiment.context, results, try_member)
    order = list(VERSIONS)
    rows = sorted(found.rows, key=lambda row: order.index(row.stage))
    root = experiment.context.store.root.absolute()
    print_plan(
        rows,
        title=title,
        scratch=found.scratch,
        free=shutil.disk_usage(next(path for path in (root, *root.parents) if path.exists())).free,
        peak=found.peak_bytes,
        notes=notes(experiment, results),
        console=console,
    )
    return rows


def planned(experiment: Experiment) -> list[Result]:
    """Return all results that the stages ask for, made or not; what is read (task, corpus, tokens) is made on the way.

    Where arms depend on the best teacher, it is the best of those that are there. Without labels no arm can be trained:
    there the teachers label the corpus.
    """
    if not experiment.task.splits:
        return [SoftLabels.of(teacher, experiment.corpus.rows()) for teacher in untrained_teachers(experiment, "plan")]
    check_early(experiment)
    arms = resolve_arms(experiment, Experiment.best_so_far)
    entries = [*student_entries(arms), *teacher_entries(experiment, Experiment.best_so_far)]
    roots: list[Result] = [teacher for arm in arms for teacher in arm.teachers]
    roots += [result for arm in arms for result in (*corpus_labels(arm), *stage1_students(arm))]
    roots += [member for entry in entries for members in entry.members for member in members]
    roots += [
        Speed.measured(experiment.context, member, entry.predictor)
        for entry in entries
        for member in entry.members[0]
        if member.timed_as is not None
    ]
    return needed(experiment.context, roots)


def needed(context: RunContext, roots: Iterable[Result]) -> list[Result]:
    """Return the roots and all that they are made from, made or not, but for what a plan reads itself."""
    found: dict[Result, None] = {}
    for root in roots:
        _collect(context, root, found)
    return [result for result in found if result.kind not in READ]


def _collect(context: RunContext, result: Result, found: dict[Result, None]) -> None:
    """Add a result to those found, after all that it needs; of what nobody will ask for, nothing."""
    if result in found:
        return
    missing = result.find(context) is None
    for other in result.needs():
        if missing or other.find(context) is not None:
            _collect(context, other, found)
    for other in result.reads(context) if missing else ():
        _collect(context, other, found)
    found[result] = None


def _prices(context: RunContext, missing: list[Result]) -> Iterator[str]:
    """Yield what teachers that are paid for are going to cost; answers that are kept already are not taken off."""
    asked: list[tuple[UntrainedTeacher, Rows]] = []
    for result in missing:
        if isinstance(result, UntrainedTeacher):
            asked += [(result, result.task.rows(split)) for split in ("validation", "test")]
        elif isinstance(result, SoftLabels) and isinstance(result.teacher, UntrainedTeacher):
            asked.append((result.teacher, result.rows))
    for teacher, rows in asked:
        if (price := teacher.price(context, rows)) is not None:
            yield f"{teacher.what} on {rows.split}: {price}, less what it has answered already."


def _spending(experiment: Experiment) -> Iterator[str]:
    """Yield what `tmkd spend` is going to cost, where a teacher that is paid for is the dear one."""
    spend, teachers = experiment.config.spend, untrained_teachers(experiment, "plan")
    dear, most = dear_of(spend, teachers), spend.held_out + spend.rounds * spend.pairs
    if (price := dear.price(experiment.context, experiment.corpus.rows(), most)) is not None:
        yield f"`tmkd spend` asks {dear.what} for about {most} pairs: {price}, less what it has answered already."


def notes(experiment: Experiment, results: list[Result]) -> list[str]:
    """Return what the plan could not estimate."""
    context = experiment.context
    missing = [result for result in results if result.find(context) is None]
    notes = []
    if any(result.kind == "teacher" for result in missing):
        notes.append(
            "Which teacher is the best on validation is not known yet: where it matters, the plan takes the best of "
            "those that are there, or teacher 1; the time hardly depends on it."
        )
    notes += _prices(context, missing)
    if not experiment.task.splits:
        notes += _spending(experiment)
    if context.how.store_states and any(result.spec.get("terms") for result in missing):
        notes.append("Teachers' states that are stored (runtime.store_states) are not in what the disk needs.")
    return notes
