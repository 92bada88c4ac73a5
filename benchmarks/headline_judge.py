"""How good the headline's models are on the test split, between chance and the first one, the teachers' ensemble."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.headline_material import Contender
from tmkd.evaluation.chance import chance, lift
from tmkd.evaluation.metrics import per_question
from tmkd.evaluation.significance import crossed_bootstrap, interval
from tmkd.experiment.names import ENSEMBLE
from tmkd.export.answers import Rows, answered, task_folder
from tmkd.measures import main_metric
from tmkd.store.artifacts import Artifact, open_artifact
from tmkd.use.chosen import read_comparison


@dataclass(frozen=True)
class Judge:
    """A task with its labels, and its main metric."""

    task: Artifact
    metric: str
    ranking: bool
    test: Rows
    learnt: np.ndarray

    @classmethod
    def of(cls, report: Path, artifacts: Path) -> Judge:
        """Return the judge of a comparison's task (ConfigError, ModelError: it is no longer there)."""
        (keys,) = [row["artifacts"] for row in read_comparison(report)["rows"] if row["arm"] == ENSEMBLE]
        teacher = open_artifact(artifacts / keys[0])
        task = open_artifact(task_folder(teacher))
        ranking = bool(task.manifest["spec"]["data"].get("ranking"))
        metric = main_metric(ranking, teacher.manifest["spec"].get("metric"))
        return cls(task, metric, ranking, Rows.read(teacher, "test"), Rows.read(teacher, "train").labels)

    def stored(self, contender: Contender) -> np.ndarray:
        """Return what trained models have predicted of the test split, averaged: probabilities [pairs, classes]."""
        models = [open_artifact(Path(folder)) for folder in contender.folders]
        mean: np.ndarray = np.mean([answered(model, self.test, "test").probabilities for model in models], axis=0)
        return mean

    def judge(self, answers: Mapping[str, np.ndarray]) -> dict[str, dict[str, Any]]:
        """Return of chance and of each model ``value``, ``low``, ``high``, ``lift`` and ``versus``.

        The last is the difference from the first model, its 95 % interval and an uncorrected p: a bootstrap of
        questions. Each model is one run, so that neither covers the choice of seeds.

        Args:
            answers: probabilities [pairs, classes] of the test split; the first are the ensemble's.
        """
        test, first = self.test, next(iter(answers))
        values = {
            name: per_question(of, test.labels, test.question_ids, self.ranking, test.parts, self.metric)[1]
            for name, of in answers.items()
        }
        classes = answers[first].shape[1]
        known = chance(test.labels, test.question_ids, self.learnt, classes, self.ranking, test.parts, self.metric)
        bottom, top = known[self.metric], float(values[first].mean())
        found: dict[str, dict[str, Any]] = {"chance": {"value": bottom}}
        for name, of in values.items():
            low, high = interval(of)
            apart = None if name == first else crossed_bootstrap(of[None], values[first][None], paired=False)
            found[name] = {
                "value": float(of.mean()),
                "low": low,
                "high": high,
                "lift": lift(float(of.mean()), top, bottom),
                "versus": None if apart is None else [apart.difference, apart.low, apart.high, apart.p_value],
            }
        return found
