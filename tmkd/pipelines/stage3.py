"""Stage 3: ensemble students and teachers, evaluate every arm on the test split, and write the comparison.

A student's score is the mean of its heads' probabilities; m-o-m is the mean of its students' scores, the teacher
ensemble the mean of the teachers'. Nothing is trained here, and models are loaded only to time them.
"""

from __future__ import annotations

import logging
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tmkd.artifacts import Artifact, writing_to
from tmkd.config import Config, settings
from tmkd.ensemble import average_probabilities
from tmkd.metrics import main_metric
from tmkd.models.classifier import PairClassifier
from tmkd.pipelines.inputs import Inputs
from tmkd.pipelines.stage2 import arms, students
from tmkd.pipelines.teachers import MODEL, best_teacher, predictions, teachers
from tmkd.report import write_report
from tmkd.report.rows import Row, add_versus, make_row, per_question_by_seed
from tmkd.report.tables import print_table
from tmkd.training.predict import pairs_per_second

log = logging.getLogger(__name__)
TIMED_PAIRS = 1024


def run(config: Config) -> Path:
    """Write ``paths.reports/<name>/`` and print the table; return the folder."""
    inputs = Inputs(config)
    table = _Table(inputs)
    series: dict[str, list[tuple[int, float, float | None]]] = {}
    for arm, trained in arms(inputs):
        by_seed = [students(inputs, arm, trained, seed) for seed in config.student.seeds]
        row = table.add(arm.name, {**arm.settings, "count": arm.count}, config.student.seeds, by_seed)
        metric = row.metrics[main_metric(config.data.ranking)]
        series.setdefault(arm.series, []).append((arm.count, metric["mean"], metric["std"]))
    for count in config.comparison.teacher_counts or [config.teachers.count]:
        table.add_teachers(count, ensemble_suffix=f", N = {count}" if config.comparison.teacher_counts else "")
    add_versus(table.rows, table.values, config.comparison.baseline)

    folder = Path(config.paths.reports) / config.name
    extra: dict[str, Any] = {"questions": table.questions, "pairs": len(table.labels)}
    if config.comparison.teacher_counts:
        extra["teacher_counts"] = {name: points for name, points in series.items() if len(points) > 1}
    with writing_to(folder, "paths.reports"):
        write_report(
            folder, config.name, config.data.name, inputs.fingerprint(), table.rows, config.data.ranking, extra,
            config.comparison.baseline,
        )
    print_table(table.rows, config.data.ranking, f"{config.data.name} (fingerprint {inputs.fingerprint()})", config.comparison.baseline)
    return folder


class _Table:
    """The rows of the comparison, with what their paired tests need."""

    def __init__(self, inputs: Inputs) -> None:
        self.inputs = inputs
        self.ranking = inputs.config.data.ranking
        test = inputs.rows("test")
        self.labels = np.asarray(test["label"])
        self.question_ids = list(test["question_id"])
        self.rows: list[Row] = []
        self.values: dict[str, np.ndarray] = {}

    @property
    def questions(self) -> int:
        return next(iter(self.values.values())).shape[1]

    def add(self, name: str, facts: dict[str, Any], seeds: Sequence[int], by_seed: Sequence[list[Artifact]]) -> Row:
        """Add an arm: for each seed, the members whose probabilities are averaged."""
        probabilities = [
            np.mean([average_probabilities(predictions(member, "test")) for member in members], axis=0)
            for members in by_seed
        ]
        row = make_row(
            name,
            facts,
            seeds,
            probabilities,
            self.labels,
            self.question_ids,
            self.ranking,
            pairs_per_second=_ensemble_speed([speed(self.inputs, member) for member in by_seed[0]]),
            parameters=sum(member.details["parameters"] for member in by_seed[0]),
            artifacts=[member.name for members in by_seed for member in members],
        )
        self.rows.append(row)
        self.values[name] = per_question_by_seed(probabilities, self.labels, self.question_ids, self.ranking)
        return row

    def add_teachers(self, count: int, ensemble_suffix: str) -> None:
        """Add each teacher that is not there yet, and the ensemble of them all."""
        config = self.inputs.config
        trained = teachers(self.inputs, count)
        best = best_teacher(trained, main_metric(self.ranking))
        for index, teacher in enumerate(trained):
            if f"teacher {index + 1}" not in self.values:
                facts = {**settings(config.teachers.roster[index]), "best_on_validation": index == best}
                self.add(f"teacher {index + 1}", facts, [config.teachers.roster[index].seed], [[teacher]])
        self.add(f"teacher ensemble{ensemble_suffix}", {"count": count}, [1], [trained])


def speed(inputs: Inputs, classifier: Artifact) -> float:
    """Return the pairs a second that a classifier scores here, measured once for each architecture and machine."""
    runtime = inputs.runtime
    spec = classifier.manifest["spec"]
    architecture = spec["student"] if "student" in spec else {name: spec[name] for name in ("encoder", "max_length")}
    machine = torch.cuda.get_device_name() if runtime.device.type == "cuda" else torch.cpu.get_capabilities()["cpu_name"]
    how = {
        "machine": [platform.machine(), machine, torch.get_num_threads()],
        "bf16": runtime.bf16,
        "attention": runtime.attention,
        "batch": runtime.score_batch,
    }

    def make(_: Path) -> dict[str, Any]:
        model = PairClassifier.load(classifier.folder(MODEL), attention=runtime.attention).to(runtime.device)
        tokens = inputs.tokens("test", model.tokenizer, model.max_length)
        tokens = tokens.select(range(min(TIMED_PAIRS, len(tokens))))
        return {"pairs_per_second": pairs_per_second(model, tokens, runtime)}

    found = inputs.store.build("speed", {"architecture": architecture, "rows": inputs.source("test"), **how}, make, "speed")
    return found.details["pairs_per_second"]


def _ensemble_speed(members: list[float]) -> float:
    """Members run one after the other."""
    return 1 / sum(1 / member for member in members)
