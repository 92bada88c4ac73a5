"""Search settings by the validation split: Optuna chooses what to try, and each trial is a run with other settings.

reports/<name>/tune/trials.csv, history.png, importances.png, slices.png, best.txt    what was tried, what came out
reports/<name>/tune/study.db                                                          Optuna's own file

The test split is not looked at.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from pathlib import Path
from statistics import fmean
from typing import Any

from tmkd.config import Choice, Config, Interval, check, kind_of, read_space, value_of, with_settings
from tmkd.errors import ConfigError, ModelError, TrainingDiverged
from tmkd.experiment.experiment import Experiment
from tmkd.experiment.students import arm_rows, students
from tmkd.measures import title
from tmkd.pipelines.arms import build_arms
from tmkd.pipelines.tables import report_folder
from tmkd.pipelines.tune_space import check_space
from tmkd.pipelines.tune_study import Search, import_optuna
from tmkd.report.plan_table import duration
from tmkd.report.tuning import best_of, summary, write_figures, write_trials
from tmkd.results.classifier import validation_metrics
from tmkd.store.disk import writing_to, written_whole
from tmkd.store.predictions import predictions
from tmkd.store.provenance import command

log = logging.getLogger(__name__)
Space = dict[str, Interval | Choice]


def run(config: Config) -> Path:
    """Try ``tune.trials`` settings, beside the run's own, and write which were best; return the report's folder.

    The same command goes on after a kill. Several processes may work on one search.

    Raises:
        ConfigError: nothing to search, several arms, a space whose ends are refused, or no Optuna.
    """
    import_optuna()
    space = read_space(config.tune.space, {name: kind_of(name) for name in config.tune.space})
    own = {name: value_of(config, name) for name in space}
    experiment = Experiment(config)
    check_space(experiment, space)
    usual = _judge(experiment)
    folder = report_folder(config) / "tune"
    with writing_to(folder, "paths.reports"):
        folder.mkdir(parents=True, exist_ok=True)
        search = Search(folder, _name(experiment, space), space, config.tune.seed)
        search.begin(own, usual)
        log.info("tune      the run's own settings: %s %.4f", experiment.metric, fmean(usual))
        _try_all(experiment, search, space)
        with search.lock:  # processes that work on one search may end together
            tried = search.tried(own, usual)
            write_trials(tried, folder / "trials.csv", experiment.metric, list(space))
            write_figures(search.numbered(), folder, title(experiment.metric))
            text = summary(tried, experiment.metric, command(elsewhere=True))
            with written_whole(folder / "best.txt") as path:
                path.write_text(text, encoding="utf-8")
    log.info("tune      %s", text.strip())
    return folder


def _try_all(experiment: Experiment, search: Search, space: Space) -> None:
    """Try settings until there are enough, in this process or in others beside it."""
    wanted, metric = experiment.config.tune.trials, experiment.metric
    started, done = time.monotonic(), 0
    while (trial := search.ask(wanted)) is not None:
        values = {name: space[name].plain(value) for name, value in trial.params.items()}
        told = ", ".join(f"{name}={value}" for name, value in values.items())
        log.info("tune      trial %d of %d: %s", trial.place, wanted, told)
        with trial:
            try:
                found = _judge(Experiment(check(with_settings(experiment.config, values)), of=experiment))
            except (ConfigError, ModelError, TrainingDiverged) as error:  # Optuna learns that they are no good
                log.warning("tune      trial %d is left out: %s", trial.place, error)
                trial.refuse(str(error))
                continue
            trial.tell(found)
        done += 1
        left = (time.monotonic() - started) / done * (wanted - trial.place)
        best = best_of(search.tried({}, []))
        log.info(
            "tune      trial %d of %d: %s %.4f, best %.4f; about %s left",
            trial.place, wanted, metric, fmean(found), best.mean, duration(left),
        )  # fmt: skip


def _judge(experiment: Experiment) -> list[float]:
    """Return the metric of the one arm on the validation split, for each seed; what is missing is trained."""
    import numpy as np

    context = experiment.context
    [arm] = build_arms(experiment)
    made = [students(arm, seed) for seed in arm.experiment.config.student.seeds]
    [rows] = arm_rows(arm, made).values()
    found = []
    for members in rows:
        logits = np.concatenate([predictions(each.build(context), "validation") for each in members])
        metrics = validation_metrics(context, experiment.task, logits, experiment.metric)
        found.append(metrics[experiment.metric])
    return found


def _name(experiment: Experiment, space: Space) -> str:
    """Return what the search is known by: trials of other students, or another space, are not mixed with its own."""
    [arm] = build_arms(experiment)
    made = [each.name for seed in arm.experiment.config.student.seeds for each in students(arm, seed)]
    identity: list[Any] = [made, experiment.metric, experiment.config.tune.seed, sorted(map(repr, space.items()))]
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:12]
