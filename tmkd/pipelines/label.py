"""Without gold labels: the teachers label a corpus, which is then a task like any other.

What is measured on that task is agreement with the teachers, not whether they are right.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from tmkd.choices import CLASSES
from tmkd.config import Config, LabelConfig
from tmkd.data.schema import SPLITS
from tmkd.errors import ConfigError, DataError
from tmkd.experiment.experiment import Experiment
from tmkd.pipelines.pairs import COLUMNS, rows_of
from tmkd.pipelines.tables import report_folder
from tmkd.results.soft_targets import soft_targets
from tmkd.results.untrained import UntrainedTeacher
from tmkd.store.disk import writing_to, written_whole

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset

log = logging.getLogger(__name__)


def run(config: Config) -> Path:
    """Write the corpus, labelled and divided by question, and return its folder.

    It has ``train.jsonl``, ``validation.jsonl`` and ``test.jsonl``, with a label, and the teachers' mean as a ``score``
    (log-odds).

    Raises:
        ConfigError: a teacher that is fine-tuned, which takes labels, or more than two classes.
        DataError: all labels of a split are alike.
    """
    experiment = Experiment(config)
    teachers = _teachers(experiment)
    rows = experiment.corpus.rows()
    read = rows.read(experiment.context)
    found = soft_targets(experiment.context, teachers, rows, False, read, None, config.teachers.on_missing)
    pairs, margins = found.tokens, _margins(found.logits)
    if config.label.right == "top" and (tied := _tied(pairs["question_id"], margins)):
        kept = [place for place, name in enumerate(pairs["question_id"]) if name not in tied]
        pairs, margins = pairs.select(kept), margins[kept]
        log.warning(
            "%d questions are left out: their best passages have one score, so that none is the best", len(tied)
        )
    right = _right(config.label, pairs["question_id"], margins)
    splits = _splits(config.label, pairs["question_id"])
    folder = report_folder(config) / "labelled"
    with writing_to(folder, "paths.reports"):
        folder.mkdir(parents=True, exist_ok=True)
        counts = _write(folder, pairs, config.data.classes, right, margins, splits)
    for split in SPLITS:
        each = [counts[split, name] for name in config.data.classes]
        log.info("labelled  %s/%s.jsonl: %s", folder, split, _counted(config.data.classes, each))
        if not all(each):
            raise DataError(
                f"{folder}/{split}.jsonl: expected pairs of both classes, got {_counted(config.data.classes, each)}; "
                "take a larger corpus, or label.right=top, which makes the best passage of each question right."
            )
    log.info("next      %s", _next(folder))
    return folder


def _teachers(experiment: Experiment) -> list[UntrainedTeacher]:
    config = experiment.config
    if config.data.label_kind != CLASSES:
        raise ConfigError(f"data.label_kind: expected classes for `tmkd label`, got {config.data.label_kind}.")
    if len(config.data.classes) != 2:
        raise ConfigError(f"data.classes: expected two classes for `tmkd label`, got {config.data.classes}.")
    found = []
    for number, teacher in enumerate(experiment.teachers()):
        if not isinstance(teacher.trained, UntrainedTeacher):
            kind = config.teachers.roster[number].kind
            raise ConfigError(
                f"teachers.roster[{number}].kind: expected a teacher that needs no labels (ready, causal, scores or "
                f"served) for `tmkd label`, got {kind}."
            )
        teacher.trained.check()
        found.append(teacher.trained)
    return found


def _margins(logits: np.ndarray) -> np.ndarray:
    """Return the log-odds ``[pairs]`` of the teachers' mean probability, of logits ``[pairs, teachers, 2]``."""
    from tmkd.evaluation.ensemble import teaching_logits

    mean = teaching_logits(logits)
    margins: np.ndarray = mean[:, 1] - mean[:, 0]
    return margins


def _tied(question_ids: list[str], margins: np.ndarray) -> set[str]:
    """Return the questions of which several passages have the highest score."""
    each: dict[str, list[float]] = {}
    for name, margin in zip(question_ids, margins.tolist()):
        each.setdefault(name, []).append(margin)
    return {name for name, found in each.items() if found.count(max(found)) > 1}


def _right(label: LabelConfig, question_ids: list[str], margins: np.ndarray) -> np.ndarray:
    """Return which pairs are right ``[pairs]``."""
    import numpy as np

    if label.right == "positive":
        positive: np.ndarray = margins > 0
        return positive
    best: dict[str, int] = {}
    for place, name in enumerate(question_ids):
        if name not in best or margins[place] > margins[best[name]]:
            best[name] = place
    right = np.zeros(len(margins), dtype=bool)
    right[list(best.values())] = True
    return right


def _splits(label: LabelConfig, question_ids: list[str]) -> list[str]:
    """Return the split of each pair; all pairs of a question are in one."""
    from tmkd.results.teacher import fold_of

    count = len(set(question_ids))
    shares = (fold_of(question_ids, count) + 0.5) / count  # a fold a question: where it stands among all
    first, second = label.validation, label.validation + label.test
    return ["validation" if share < first else "test" if share < second else "train" for share in shares]


def _write(
    folder: Path, rows: Dataset, classes: list[str], right: np.ndarray, margins: np.ndarray, splits: list[str]
) -> Counter[tuple[str, str]]:
    """Write the files, each whole; return how many pairs each has of each class."""
    counts: Counter[tuple[str, str]] = Counter()
    with ExitStack() as stack:
        names = {split: stack.enter_context(written_whole(folder / f"{split}.jsonl")) for split in SPLITS}
        files = {split: stack.enter_context(name.open("w", encoding="utf-8")) for split, name in names.items()}
        for place, row in enumerate(rows_of(rows.select_columns(list(COLUMNS)))):
            label, split = classes[int(right[place])], splits[place]
            counts[split, label] += 1
            scored = row | {"label": label, "score": float(margins[place])}
            files[split].write(json.dumps(scored, ensure_ascii=False) + "\n")
        for file in files.values():
            file.flush()
    return counts


def _counted(classes: list[str], counts: list[int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in zip(classes, counts))


def _next(folder: Path) -> str:
    """Return the command that trains a student on what was written."""
    splits = " ".join(f"data.{split}={folder}/{split}.jsonl" for split in SPLITS)
    corpus = f"corpus=files corpus.path={folder}/train.jsonl"
    teacher = f"'teachers.roster=[{{kind: scores, path: \"{folder}/*.jsonl\"}}]' teachers.calibration=none"
    return f"tmkd stage3 data=files {splits} {corpus} {teacher}"
