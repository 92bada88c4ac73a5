"""Hard negatives: the training pairs and the passages that a search finds, less those that a teacher takes for right.

reports/<name>/mined/train.jsonl                    the training pairs and the mined negatives, each with its score
reports/<name>/mined/validation.jsonl, test.jsonl   the other splits as they are: the three are a task of files
reports/<name>/mined/candidates.jsonl               what the search found, to be scored elsewhere
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tmkd.choices import CLASSES
from tmkd.config import Config
from tmkd.data.labels import Labels
from tmkd.data.rows import rows_of
from tmkd.errors import ConfigError, DataError
from tmkd.experiment.check import check_roster
from tmkd.experiment.experiment import Experiment
from tmkd.pipelines.negatives import SCORE, SHOWN, Negatives, judge
from tmkd.pipelines.pairs import write_pairs, write_rows
from tmkd.pipelines.tables import report_folder
from tmkd.pipelines.typed import typed_splits
from tmkd.results.candidates import RANK, Candidates, labelled
from tmkd.results.classifier import Classifier
from tmkd.results.rows import Rows
from tmkd.results.soft_labels import SoftLabels
from tmkd.results.untrained import UntrainedTeacher
from tmkd.store.disk import in_turn

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset

log = logging.getLogger(__name__)
DIGITS = 6  # of a probability, as it is written


def run(config: Config) -> Path:
    """Write the training pairs with hard negatives, and the other splits; return their folder.

    Raises:
        ConfigError: the task does not rank passages.
        DataError: there are no candidates, or the teacher has no score of a pair.
    """
    experiment = Experiment(config)
    teacher = _checked(experiment)
    context, task = experiment.context, experiment.task
    found = Candidates.of(task, config.mine, config.corpus, config.data.on_bad_row == "skip")
    folder = report_folder(config) / "mined"
    candidates = found.rows().read(context)
    if context.is_main_process:
        with in_turn(folder, "paths.reports"):
            write_pairs(candidates, folder / "candidates.jsonl", found.rows().split)
    train = task.rows("train").read(context)
    scores = [_scores(experiment, teacher, rows) for rows in (task.rows("train"), found.rows())]
    own = labelled(task, train)
    mined = judge(config.mine, own, scores[0], candidates, scores[1])
    labels = Labels(config.data.label, config.data.classes, config.data.labels)
    names = [labels.written(label) for label in range(len(config.data.classes))]
    if context.is_main_process:
        with in_turn(folder, "paths.reports"):
            write_rows(folder / "train.jsonl", _training_rows(config, names, train, scores[0], mined), "train")
            for split in ("validation", "test"):
                rows = task.rows(split).read(context)
                write_rows(folder / f"{split}.jsonl", (_named(config, names, row) for row in rows_of(rows)), split)
        _tell(config, teacher, mined, folder)
    return folder


def _checked(experiment: Experiment) -> Classifier:
    """Return the teacher that judges, after what can be checked before anything is trained or scored."""
    config = experiment.config
    if config.data.label_kind != CLASSES:
        raise ConfigError(
            "data.label_kind: expected classes for `tmkd mine`, which writes wrong passages beside right ones, got "
            f"{config.data.label_kind}."
        )
    if not config.data.ranking:
        raise ConfigError("mine: expected a task with data.ranking=true, whose last class is right, got false.")
    for name in ("question", "passage", "label", "question_id"):
        if (column := getattr(config.data, name)) in (SCORE, RANK):
            raise ConfigError(
                f"data.{name}: expected another name of a column than {SCORE} and {RANK}, which the mined file has "
                f"beside it, got {column}."
            )
    check_roster(experiment)
    teacher = experiment.roster[config.mine.teacher - 1]
    who = teacher.trained
    if isinstance(who, UntrainedTeacher) and who.find(experiment.context) is None:
        who.check()
    return teacher


def _scores(experiment: Experiment, teacher: Classifier, rows: Rows) -> np.ndarray:
    """Return the teacher's probabilities ``[pairs]`` that a pair of a split is right; NaN where it has no score."""
    import numpy as np

    from tmkd.evaluation.ensemble import average_probabilities
    from tmkd.store.soft_labels import read_soft_labels

    context = experiment.context
    labels = SoftLabels.of(teacher, rows).build(context)
    right = average_probabilities([read_soft_labels(labels.folder(), rows.read(context)["id"][:])])[:, -1]
    if len(lacks := np.flatnonzero(np.isnan(right))):
        first = rows.named(context, int(lacks[0]))
        how_many = (
            f"{teacher.what} has no score of {len(lacks)} of {len(right)} pairs of {rows.split} (the first is {first})"
        )
        if experiment.config.teachers.missing == "raise":
            raise DataError(
                f"mine: {how_many}; score those of mined/{rows.split}.jsonl or of `tmkd pairs`, or set "
                "teachers.missing=skip to leave these pairs out of the mining."
            )
        log.warning("mine: %s; they are neither kept nor dropped", how_many)
    return right


def _training_rows(
    config: Config, names: Sequence[str], train: Dataset, known: np.ndarray, mined: Mapping[str, Negatives]
) -> Iterator[dict[str, Any]]:
    """Yield the training pairs in their order; after the last pair of a question its negatives, hardest first."""
    last = {question: at for at, question in enumerate(train["question"])}
    for at, row in enumerate(rows_of(train)):
        yield _named(config, names, row) | _rounded(float(known[at]))
        if at == last[row["question"]] and row["question"] in mined:
            for negative in mined[row["question"]].kept:
                # further columns are those of its question
                named = _named(config, names, {**row, **negative, "label": 0})
                yield named | _rounded(negative[SCORE]) | {RANK: negative[RANK]}


def _named(config: Config, names: Sequence[str], row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a labelled pair under the columns that the settings name, so that they read it again as it is."""
    data = config.data
    return {
        data.question_id: row["question_id"],
        data.question: row["question"],
        data.passage: row["passage"],
        data.label: names[row["label"]],
        **{name: row[name] for name in data.extra_columns},
    }


def _rounded(score: float) -> dict[str, float]:
    return {} if math.isnan(score) else {SCORE: round(score, DIGITS)}


def _tell(config: Config, teacher: Classifier, mined: Mapping[str, Negatives], folder: Path) -> None:
    every = list(mined.values())
    kept, dropped = sum(len(each.kept) for each in every), sum(each.dropped for each in every)
    log.info("mine    %s judges %d questions", teacher.what, len(every))
    log.info(
        "mine    %d candidates: %d dropped as likely right, %d kept; %d of %d questions got fewer than %d",
        sum(each.found for each in every),
        dropped,
        kept,
        sum(len(each.kept) < config.mine.keep for each in every),
        len(every),
        config.mine.keep,
    )
    likely = [row for each in every for row in each.likely_right]
    for row in sorted(likely, key=lambda row: (-row[SCORE], row["id"]))[:SHOWN]:
        log.info("mine    likely right (%.3f): %r – %r", row[SCORE], row["question"], row["passage"])
    if not kept:
        log.warning(
            "mine    no negative is left: the teacher gives right and other passages nearly the same probability; "
            "take a better teacher (mine.teacher), or raise mine.below"
        )
    log.info("mine    to train on it: data=files data.format=pairs %s", typed_splits(folder))
