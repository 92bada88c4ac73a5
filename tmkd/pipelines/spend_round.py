"""A round of `tmkd spend`: the dear teacher scores some pairs; students that learn from them are judged by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tmkd.config import ArmConfig, ComparisonConfig, Config, CorpusConfig, TableConfig, TeacherConfig, check
from tmkd.experiment.experiment import Experiment
from tmkd.experiment.students import students
from tmkd.pipelines.arms import build_arms
from tmkd.pipelines.labelling import check_counts, labelled
from tmkd.pipelines.pairs import write_pairs, write_rows
from tmkd.results.corpus import Corpus
from tmkd.results.soft_targets import soft_targets
from tmkd.results.untrained import UntrainedTeacher
from tmkd.store.predictions import predictions
from tmkd.teachers.served.price import Price

if TYPE_CHECKING:
    from datasets import Dataset

ARM = "kd"  # the preset of conf/method that trains the same student


@dataclass(frozen=True)
class Asked:
    """What the dear teacher was asked for, and what it answered.

    Attributes:
        pairs: how many it was asked for.
        rows: those with a label, each with its ``score``.
        margins: the scores by the ids of pairs.
        price: about what they cost; None: nothing but time.
    """

    pairs: int
    rows: list[dict[str, Any]]
    margins: Mapping[str, float]
    price: Price | None


def ask(experiment: Experiment, dear: UntrainedTeacher, pairs: Dataset, path: Path) -> Asked:
    """Let the dear teacher score pairs, which are a corpus of their own in the file ``path``.

    Raises:
        BudgetSpent: it may not be asked for all of them.
    """
    config, context = experiment.config, experiment.context
    path.parent.mkdir(parents=True, exist_ok=True)
    write_pairs(pairs, path, path.stem)
    rows = Corpus.of(config.data, CorpusConfig(reader="files", path=str(path))).rows()
    price = dear.price(context, rows)
    found = soft_targets(context, [dear], rows, False, rows.read(context), None, config.teachers.on_missing)
    scored, answers = labelled(config.label, config.data.classes, found.tokens, found.logits)
    each = list(answers)
    margins = {pair: row["score"] for pair, row in zip(scored["id"], each, strict=True)}
    return Asked(len(pairs), each, margins, price if isinstance(price, Price) else None)


def write_held_out(config: Config, folder: Path, asked: Asked) -> None:
    """Divide what is held out by question: one half chooses epochs, the other one judges."""
    from tmkd.data.splits import whole_questions

    each = whole_questions(*([row[name] for row in asked.rows] for name in ("question_id", "question")))
    questions = list(dict.fromkeys(each))
    for split, half in (("validation", set(questions[0::2])), ("test", set(questions[1::2]))):
        rows = [row for row, question in zip(asked.rows, each, strict=True) if question in half]
        write_rows(folder / f"{split}.jsonl", rows, split)
        counts = {name: sum(row["label"] == name for row in rows) for name in config.data.classes}
        check_counts(config.label.right, config.data.classes, counts, folder, split)


def student_config(config: Config, folder: Path) -> Config:
    """Return the checked settings by which a student learns from the pairs in ``folder`` alone.

    Raises:
        ConfigError: the student cannot learn from a file of scores.
    """
    files: dict[str, Any] = {split: str(folder / f"{split}.jsonl") for split in ("train", "validation", "test")}
    data = replace(config.data, reader="files", labels={}, question="question", passage="passage", label="label")
    data = replace(data, question_id="question_id", format="pairs", separator=None, quoting="csv", **files)
    roster = [TeacherConfig(kind="scores", path=str(folder / "*.jsonl"))]
    method = replace(config.method, teacher_weights="mean", arms={ARM: ArmConfig(targets="one")})
    return check(
        replace(
            config,
            data=data,
            teachers=replace(config.teachers, count=None, roster=roster, calibration="none", cross_fit=0),
            method=method,
            comparison=ComparisonConfig(),
            table=TableConfig(),
            spend=replace(config.spend, teacher=None),
            mine=replace(config.mine, teacher=1),
        )
    )


def judge(config: Config, margins: Mapping[str, float]) -> tuple[list[float], list[float]]:
    """Train the student of each seed; return its agreement with the teacher on the test split, and the task's metric.

    Args:
        config: of ``student_config``.
        margins: the teacher's, by the ids of pairs.
    """
    import numpy as np

    from tmkd.evaluation.ensemble import average_probabilities, log_odds
    from tmkd.evaluation.metrics import evaluate
    from tmkd.evaluation.selection import agreement

    experiment = Experiment(config)
    context = experiment.context
    [arm] = build_arms(experiment)
    test = experiment.task.rows("test").read(context)
    dear = np.array([margins[pair] for pair in test["id"]])
    agreements, metrics = [], []
    for seed in config.student.seeds:
        heads = [predictions(each.build(context), "test") for each in students(arm, seed)]
        predicted = average_probabilities(np.concatenate(heads))
        agreements.append(agreement(log_odds(predicted)[:, -1], dear))
        found = evaluate(predicted, test["label"], test["question_id"], config.data.ranking, metric=experiment.metric)
        metrics.append(found[experiment.metric])
    return agreements, metrics
