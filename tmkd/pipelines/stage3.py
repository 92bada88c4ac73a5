"""Stage 3: ensemble students and teachers, evaluate every arm on the test split, and write the comparison."""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
from pathlib import Path

from filelock import FileLock

from tmkd.config import Config
from tmkd.experiment.arms import baseline
from tmkd.experiment.entries import student_entries, table_names, teacher_entries
from tmkd.experiment.experiment import Experiment
from tmkd.experiment.overlap import corpora
from tmkd.pipelines.arms import build_arms
from tmkd.pipelines.tables import COLUMN, add_column, check_columns, column_spec, report_folder, write_column
from tmkd.report.facts import COMPARISON
from tmkd.report.rows import Row
from tmkd.report.tables import print_table
from tmkd.report.trec import RUNS
from tmkd.results.comparison import Comparison
from tmkd.results.speed import machine
from tmkd.store.artifacts import Artifact
from tmkd.store.disk import check_writable, writing_to, written_whole

REPORTS = "paths.reports"


def run(config: Config) -> Path:
    """Write the comparison and print it, and the paper's table where there is one; return the comparison's folder."""
    experiment = Experiment(config)
    check_columns(config)
    against = baseline(experiment)  # before anything is trained
    check_writable(report_folder(config), REPORTS)
    arms = build_arms(experiment)
    teachers = teacher_entries(experiment, Experiment.best)
    comparison = Comparison(
        config.name,
        config.data.name,
        against,
        fingerprint(experiment),
        machine(experiment.context),
        (*student_entries(arms), *teachers),
        column_spec(config, table_names(arms, teachers)),
        experiment.own_metric,
        config.comparison.write_runs,
        task=experiment.task,
        with_corpora=corpora(experiment),
        over_counts=len(config.comparison.teacher_counts) > 1,
        write_column=functools.partial(write_column, config) if config.table.rows else None,
    )
    made = comparison.build(experiment.context)
    if not experiment.context.is_main_process:
        return report_folder(config)
    folder = _publish(config, made)
    found = json.loads(made.file(COMPARISON).read_text(encoding="utf-8"))
    title = f"{found['data']} (fingerprint {found['fingerprint']})"
    # Where there is a table, its labels: they are shorter than names that list settings.
    labels = {name: label for label, name in (comparison.table or {}).get("rows", {}).items()}
    rows = [Row(**row | {"arm": labels.get(row["arm"], row["arm"])}) for row in found["rows"]]
    print_table(rows, experiment.metric, title, against)
    if config.table.rows:
        add_column(config, made)
    return folder


def fingerprint(experiment: Experiment) -> str:
    """Return 12 hexadecimal digits of the content of all rows that the experiment reads."""
    read = [experiment.task, *([experiment.corpus] if experiment.needs_corpus else [])]
    contents = [each.build(experiment.context).details["content"] for each in read]
    return hashlib.sha256("".join(contents).encode()).hexdigest()[:12]


def _publish(config: Config, comparison: Artifact) -> Path:
    """Copy the comparison to its folder, each file whole; return the folder. Runs of one name take turns."""
    folder = report_folder(config)
    files = [name for name in comparison.manifest["files"] if name != COLUMN]
    with writing_to(folder, REPORTS):
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".comparison.lock"):
            # comparison.html: the page of earlier versions
            old = ("*_against_*.png", f"{RUNS}/*", "comparison.html")
            made = [path for pattern in old for path in folder.glob(pattern)]
            for stale in set(made) - {folder / name for name in files}:
                stale.unlink()
            for name in files:
                (folder / name).parent.mkdir(exist_ok=True)
                with written_whole(folder / name) as temporary:
                    shutil.copyfile(comparison.file(name), temporary)
    return folder
