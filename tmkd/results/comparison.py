"""The comparison: every row is evaluated on the test split. Nothing is trained for it beside what it compares.

A student's score is the mean of its heads' probabilities; m-o-m is the mean of its students' scores, the teacher
ensemble the mean of the teachers'. Models are loaded only to time them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tmkd.data.schema import parts_of
from tmkd.results.answering import Answering
from tmkd.results.classifier import Classifier
from tmkd.results.context import RunContext
from tmkd.results.corpus import Corpus
from tmkd.results.data_facts import data_facts
from tmkd.results.exits import DEEPEST, Predictor, leaving, parameters, probabilities
from tmkd.results.node import Result, outside, unless
from tmkd.results.row_facts import row_facts
from tmkd.results.speed import Speed
from tmkd.results.task import Task
from tmkd.results.trust import TeacherTrust
from tmkd.store.artifacts import Artifact

if TYPE_CHECKING:
    import numpy as np

    from tmkd.report.rows import Row


@dataclass(frozen=True)
class Entry:
    """A row to be: its arm's name and settings, and for each seed the classifiers whose probabilities are averaged.

    Attributes:
        series: the lines of the figure over teacher counts that it is a point of.
        predictor: the part of each classifier that answers.
        is_ensemble: it is the teachers' ensemble, which the other rows are measured against.
    """

    arm: str
    series: list[str]
    settings: dict[str, Any]
    seeds: list[int]
    members: Sequence[Sequence[Classifier]]
    predictor: Predictor = DEEPEST
    is_ensemble: bool = False

    def identity(self) -> list[Any]:
        names = [[member.name for member in seed] for seed in self.members]
        return [self.arm, self.settings, self.seeds, names]


@dataclass(frozen=True, eq=False)
class Comparison(Result):
    """The rows, their metrics and tests, and what is said of the data.

    Attributes:
        fingerprint: of all the data that is read.
        machine: what its speeds hold for.
        table: what shapes the column of the paper's table; None where there is none.
        metric: what the task is judged by; None: its usual one.
        write_runs: whether rows are written as TREC runs, too.
        with_corpora: the corpora that students are pre-trained on.
        over_counts: whether it compares several numbers of teachers.
        write_column: writes that column: folder, identity, rows, values of each question by row, number of pairs.
    """

    kind: ClassVar[str] = "comparison"
    alone: ClassVar[bool] = True

    experiment: str
    data: str
    baseline: str | None
    fingerprint: str
    machine: Mapping[str, Any]
    rows: tuple[Entry, ...]
    table: Mapping[str, Any] | None = unless(None)
    metric: str | None = unless(None)
    write_runs: bool = unless(False)
    task: Task = outside(kw_only=True)
    with_corpora: Sequence[Corpus] = outside(default=())
    over_counts: bool = outside(default=False)
    write_column: Callable[..., None] | None = outside(default=None)

    @property
    def what(self) -> str:
        return "comparison"

    def make(self, context: RunContext, work: Path) -> dict[str, Any]:
        import numpy as np

        from tmkd.report.folder import write_report
        from tmkd.report.rows import chance_row, make_row, per_question_by_seed
        from tmkd.report.standing import add_fidelity, add_interval, add_lift, add_versus
        from tmkd.report.trec import RUNS, JudgedPairs, write_qrels, write_runs

        ranking, kind, metric = self.task.ranking, self.task.label_kind, self.task.judged_by(self.metric)
        test = self.task.rows("test").read(context)
        labels, question_ids = np.asarray(test["label"]), list(test["question_id"])
        parts = parts_of(test)
        rows: list[Row] = []
        values: dict[str, np.ndarray] = {}
        scored: dict[str, list[np.ndarray]] = {}
        series: dict[str, list[tuple[int, float | None, float | None]]] = {}
        members_of: dict[str, list[Artifact]] = {}
        answering: list[Answering] = []
        runs: dict[str, list[str]] = {}
        judged = None
        if self.write_runs:
            judged = JudgedPairs.of(labels, len(self.task.classes), question_ids, list(test["id"]), parts)
            write_qrels(work / RUNS, judged, kind)
        for entry in self.rows:
            answers = entry.predictor
            made = [[member.build(context) for member in members] for members in entry.members]
            each = [member for members in made for member in members]
            members_of[entry.arm] = [member.trained.build(context) for members in entry.members for member in members]
            scores = [
                np.mean([probabilities(member, "test", answers) for member in members], axis=0) for members in made
            ]
            speeds = [_speed(context, member, answers) for member in entry.members[0]]
            row = make_row(
                entry.arm,
                {**entry.settings, **leaving(each, "test", answers)},
                entry.seeds,
                scores,
                labels,
                question_ids,
                ranking,
                pairs_per_second=_one_after_the_other(speeds),
                parameters=_total([parameters(member, answers) for member in made[0]]),
                artifacts=[member.name for member in each],
                parts=parts,
                metric=self.metric,
                kind=kind,
                **_cost(each, len(made)),
            )
            rows.append(row)
            answering.append(Answering(row, scores, made, answers == DEEPEST))
            if judged is not None:
                runs[entry.arm] = write_runs(work / RUNS, len(rows), entry.arm, entry.seeds, scores, judged)
            scored[entry.arm] = scores
            values[entry.arm] = per_question_by_seed(scores, labels, question_ids, ranking, parts, self.metric, kind)
            for name in entry.series:
                series.setdefault(name, []).append((entry.settings["count"], row.mean(metric), row.std(metric)))
        learnt = np.asarray(self.task.rows("train").read(context)["label"])
        rows.insert(0, chance_row(labels, question_ids, learnt, self.task.classes, ranking, parts, self.metric, kind))
        if self.rows[-1].is_ensemble:
            add_lift(rows, metric)
            add_fidelity(rows, scored)
        add_interval(rows, values)
        if self.baseline is not None:
            add_versus(rows, values, self.baseline)
        extra: dict[str, Any] = {
            "machine": self.machine,
            "questions": next(iter(values.values())).shape[1],
            "pairs": len(labels),
            "metric": metric,
            **data_facts(context, self.task, self.with_corpora, members_of),
        }
        if runs:
            extra["runs"] = runs
        if reliable := _reliability(self.rows, context):
            extra["reliability"] = reliable
        if trust := _trust(self.rows, context):
            extra["trust"] = trust
        if self.over_counts:
            extra["teacher_counts"] = {name: points for name, points in series.items() if len(points) > 1}
        facts = row_facts(answering, test, self.task.classes, ranking, metric, kind)
        write_report(work, self.experiment, self.data, self.fingerprint, rows, metric, extra, self.baseline, facts)
        if self.write_column is not None:
            self.write_column(work, self.spec, rows, values, len(labels))
        return {"rows": len(rows)}


def _reliability(entries: Sequence[Entry], context: RunContext) -> dict[str, Any]:
    """Return how reliable each calibrated teacher's probabilities are, by its row (see ``CalibratedTeacher``)."""
    found = {}
    for entry in entries:
        [first, *more] = entry.members[0]
        details = first.build(context).details
        if not more and "reliability" in details:
            found[entry.arm] = details["reliability"]
    return found


def _trust(entries: Sequence[Entry], context: RunContext) -> dict[str, Any]:
    """Return the weights of teachers that a row's students learnt with, where these were learnt (``trust_section``)."""
    found = {}
    for entry in entries:
        for result in entry.members[0][0].reads(context):
            if isinstance(result, TeacherTrust):
                names = [teacher.what for teacher in result.teachers]
                found[entry.arm] = {"by": result.by, "teachers": names, **result.build(context).details}
    return found


def _speed(context: RunContext, member: Classifier, answers: Predictor) -> float | None:
    """Return pairs a second; None where that is unknown: of a file of scores, say."""
    timed = member if member.timed_as is None else Speed.measured(context, member, answers)
    speed: float | None = timed.build(context).details["pairs_per_second"]
    return speed


def _one_after_the_other(speeds: Sequence[float | None]) -> float | None:
    known = [1 / speed for speed in speeds if speed]
    return 1 / sum(known) if len(known) == len(speeds) else None


def _total(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _cost(members: Sequence[Artifact], seeds: int) -> dict[str, float | None]:
    """Return what the training of a row's members cost; None where an earlier version did not measure it."""
    # students that were trained together have one cost between them
    trained = {member.manifest["spec"].get("peers", member.name): member for member in members}
    costs = [member.details.get("training", {}).get("cost") for member in trained.values()]
    if None in costs:
        return {"train_seconds": None, "train_bytes": None}
    return {
        "train_seconds": sum(cost["seconds"] for cost in costs) / seeds,
        "train_bytes": max(cost["peak_bytes"] for cost in costs),
    }
