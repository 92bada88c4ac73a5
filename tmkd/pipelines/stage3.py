"""Stage 3: ensemble students and teachers, evaluate every arm on the test split, and write the comparison.

A student's score is the mean of its heads' probabilities; m-o-m is the mean of its students' scores, the teacher
ensemble the mean of the teachers'. Nothing is trained here, and models are loaded only to time them.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from tmkd.config import Config, settings
from tmkd.errors import ConfigError
from tmkd.evaluation.metrics import main_metric
from tmkd.pipelines.arms import Arm, arms, baseline
from tmkd.pipelines.context import RunContext, parts_of
from tmkd.pipelines.data_facts import data_facts
from tmkd.pipelines.exits import DEEPEST, Predictor, leaving, parameters, predictors, probabilities
from tmkd.pipelines.names import ENSEMBLE, teacher_row, with_count
from tmkd.pipelines.peers import arm_rows
from tmkd.pipelines.speed import machine, speed
from tmkd.pipelines.stage2 import students
from tmkd.pipelines.tables import COLUMN, add_column, check_columns, column_spec, report_folder, write_column
from tmkd.pipelines.teachers import best_teacher, teachers
from tmkd.report.rows import Row
from tmkd.report.tables import print_table
from tmkd.store.artifacts import Artifact
from tmkd.store.disk import writing_to


@dataclass(frozen=True)
class Entry:
    """A row to be: its arm's name and settings, and for each seed the classifiers whose probabilities are averaged.

    ``predictor`` is the part of each of them that answers.
    """

    arm: str
    series: list[str]
    settings: dict[str, Any]
    seeds: list[int]
    members: list[list[Artifact]]
    predictor: Predictor = DEEPEST


def run(config: Config) -> Path:
    """Write the comparison and print it, and the paper's table where there is one; return the comparison's folder."""
    context = RunContext(config)
    check_columns(config)
    against = baseline(context)  # before anything is trained
    settled, ready = arms(context), teacher_entries(context)
    entries = [*student_entries(settled), *ready]
    spec = {
        "experiment": config.name,
        "data": config.data.name,
        "baseline": against,
        "fingerprint": context.fingerprint(),
        "machine": machine(context),
        "rows": [
            [entry.arm, entry.settings, entry.seeds, [[member.name for member in seed] for seed in entry.members]]
            for entry in entries
        ],
        **column_spec(config, _names(settled, ready)),
    }
    made = context.store.build("comparison", spec, lambda work: _compare(context, entries, spec, work), "comparison")
    if not context.is_main_process:
        return report_folder(config)
    folder = _publish(config, made)
    found = json.loads(made.file("comparison.json").read_text(encoding="utf-8"))
    title = f"{found['data']} (fingerprint {found['fingerprint']})"
    # Where there is a table, its labels: they are shorter than names made of settings.
    labels = {name: label for label, name in spec.get("table", {}).get("rows", {}).items()}
    rows = [Row(**row | {"arm": labels.get(row["arm"], row["arm"])}) for row in found["rows"]]
    print_table(rows, config.data.ranking, title, against)
    if config.table.rows:
        add_column(config, made)
    return folder


def _publish(config: Config, comparison: Artifact) -> Path:
    """Copy the comparison to its folder, each file whole; return the folder. Runs of one name take turns."""
    folder = report_folder(config)
    files = [name for name in comparison.manifest["files"] if name != COLUMN]
    with writing_to(folder, "paths.reports"):
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".comparison.lock"):
            for stale in set(folder.glob("*_against_*.png")) - {folder / name for name in files}:
                stale.unlink()
            for name in files:
                temporary = folder / f".{name}"
                shutil.copyfile(comparison.file(name), temporary)
                os.replace(temporary, folder / name)
    return folder


def _names(settled: list[Arm], ready: list[Entry]) -> dict[str, str]:
    """Return the comparison's name of each arm, of the best teacher and of the ensemble, by what a table calls them."""
    best = next(entry.arm for entry in ready if entry.settings.get("best_on_validation"))
    return {**{arm.key: arm.name for arm in settled}, "teacher": best, "ensemble": ready[-1].arm}


def student_entries(settled: list[Arm]) -> list[Entry]:
    """Return a row for each arm, its students trained if they are not yet; arms of one run share a row.

    Where students have exits, the rows of these stand below the arm's; where several are trained together, those of the
    others and of their ensemble.
    """
    entries: dict[str, Entry] = {}
    known: dict[str, tuple[Arm, list[list[Artifact]]]] = {}
    for arm in settled:
        made = [students(arm, seed) for seed in arm.context.config.student.seeds]
        first, same = known.setdefault(arm.name, (arm, made))
        if [[each.key for each in seed] for seed in made] != [[each.key for each in seed] for seed in same]:
            raise ConfigError(
                f"method.arms.{arm.key}: expected other students than those of method.arms.{first.key} to have another "
                f"name, got {arm.name} for both; compare one of the two in an experiment of its own."
            )
        for predictor in predictors(arm.context.config):
            called = arm.name + predictor.told
            if called not in entries:
                facts = {**arm.settings, "count": arm.count, **predictor.settings}
                for shown, members in arm_rows(arm, made).items():
                    name = shown + predictor.told
                    entries[name] = Entry(name, [], facts, arm.context.config.student.seeds, members, predictor)
            entries[called].series.append(arm.series + predictor.told)
    return list(entries.values())


def teacher_entries(context: RunContext) -> list[Entry]:
    """Return a row for each teacher, and one for the ensemble of them all (for each number of teachers compared)."""
    config = context.config
    counts = config.comparison.teacher_counts or [config.teachers.count]
    trained = teachers(context, max(counts))
    best = best_teacher(trained, main_metric(config.data.ranking))
    entries = []
    for index, (teacher, chosen) in enumerate(zip(trained, config.teachers.roster)):
        facts = {**settings(chosen), "best_on_validation": index == best}
        entries.append(Entry(teacher_row(index + 1), [], facts, [chosen.seed], [[teacher]]))
    for count in counts:
        name = with_count(ENSEMBLE, count, len(counts) > 1)
        entries.append(Entry(name, [ENSEMBLE], {"count": count}, [config.teachers.roster[0].seed], [trained[:count]]))
    return entries


def _cost(entry: Entry) -> dict[str, float | None]:
    """Return what the training of a row's members cost; None where an earlier version did not measure it."""
    members = [member for members in entry.members for member in members]
    # students that were trained together have one cost between them
    trained = {member.manifest["spec"].get("peers", member.name): member for member in members}
    costs = [member.details["training"].get("cost") for member in trained.values()]
    if None in costs:
        return {"train_seconds": None, "train_bytes": None}
    return {
        "train_seconds": sum(cost["seconds"] for cost in costs) / len(entry.members),
        "train_bytes": max(cost["peak_bytes"] for cost in costs),
    }


def _compare(context: RunContext, entries: list[Entry], spec: dict[str, Any], work: Path) -> dict[str, Any]:
    import numpy as np

    from tmkd.report.folder import write_report
    from tmkd.report.rows import chance_row, make_row, per_question_by_seed
    from tmkd.report.standing import add_fidelity, add_lift, add_versus

    config, baseline = context.config, spec["baseline"]
    ranking, test = config.data.ranking, context.rows("test")
    labels, question_ids = np.asarray(test["label"]), list(test["question_id"])
    parts = parts_of(test)
    rows: list[Row] = []
    values: dict[str, np.ndarray] = {}
    scored: dict[str, list[np.ndarray]] = {}
    series: dict[str, list[tuple[int, float | None, float | None]]] = {}
    for entry in entries:
        answers = entry.predictor
        scores = [
            np.mean([probabilities(member, "test", answers) for member in members], axis=0) for members in entry.members
        ]
        first = entry.members[0]
        row = make_row(
            entry.arm,
            {**entry.settings, **leaving([member for members in entry.members for member in members], "test", answers)},
            entry.seeds,
            scores,
            labels,
            question_ids,
            ranking,
            # members run one after the other
            pairs_per_second=1 / sum(1 / speed(context, member, answers) for member in first),
            parameters=sum(parameters(member, answers) for member in first),
            artifacts=[member.name for members in entry.members for member in members],
            parts=parts,
            **_cost(entry),
        )
        rows.append(row)
        scored[entry.arm] = scores
        values[entry.arm] = per_question_by_seed(scores, labels, question_ids, ranking, parts)
        for name in entry.series:
            metric = main_metric(ranking)
            series.setdefault(name, []).append((entry.settings["count"], row.mean(metric), row.std(metric)))
    learnt = np.asarray(context.rows("train")["label"])
    rows.insert(0, chance_row(labels, question_ids, learnt, config.data.classes, ranking, parts))
    add_lift(rows, main_metric(ranking))
    add_fidelity(rows, scored)
    if baseline is not None:
        add_versus(rows, values, baseline)
    extra: dict[str, Any] = {
        "machine": spec["machine"],
        "questions": next(iter(values.values())).shape[1],
        "pairs": len(labels),
        **data_facts(
            context, {entry.arm: [each for members in entry.members for each in members] for entry in entries}
        ),
    }
    if len(config.comparison.teacher_counts) > 1:
        extra["teacher_counts"] = {name: points for name, points in series.items() if len(points) > 1}
    write_report(work, config.name, config.data.name, context.fingerprint(), rows, ranking, extra, baseline)
    if config.table.rows:
        write_column(work, config, spec, rows, values, len(labels))
    return {"rows": len(rows)}
