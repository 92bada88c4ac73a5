"""Without gold labels: the teachers label a corpus, which is then a task like any other.

What is measured on that task is agreement with the teachers, not whether they are right.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tmkd.config import Config, LabelConfig
from tmkd.data.schema import SPLITS
from tmkd.experiment.experiment import Experiment
from tmkd.pipelines.labelling import check_counts, check_ids, labelled, next_command, untrained_teachers
from tmkd.pipelines.tables import report_folder
from tmkd.results.soft_targets import soft_targets
from tmkd.store.disk import check_writable, in_turn, written_whole

log = logging.getLogger(__name__)


def run(config: Config) -> Path:
    """Write the corpus, labelled and divided by question, and return its folder.

    It has ``train.jsonl``, ``validation.jsonl`` and ``test.jsonl``, with a label, and the teachers' mean as a ``score``
    (log-odds; of more than two classes a list of log-probabilities, or of one teacher's logits).

    Raises:
        ConfigError: a teacher that is fine-tuned, which takes labels.
        DataError: all labels of a split are alike.
    """
    from tmkd.data.splits import whole_questions

    experiment = Experiment(config)
    teachers = untrained_teachers(experiment, "label")
    for teacher in teachers:
        teacher.check()
    folder = report_folder(config) / "labelled"
    check_writable(folder, "paths.reports")
    rows = experiment.corpus.rows()
    read = rows.read(experiment.context)
    if config.label.right == "top":
        check_ids(read)
    found = soft_targets(experiment.context, teachers, rows, False, read, None, config.teachers.on_missing)
    pairs, scored = labelled(config.label, config.data.classes, found.tokens, found.logits)
    splits = _splits(config.label, whole_questions(pairs["question_id"][:], pairs["question"][:]))
    with in_turn(folder, "paths.reports"):
        counts = _write(folder, scored, splits)
    for split in SPLITS:
        each = {name: counts[split, name] for name in config.data.classes}
        check_counts(config.label.right, config.data.classes, each, folder, split)
    log.info("next      %s", next_command(folder, config.data))
    return folder


def _splits(label: LabelConfig, questions: list[str]) -> list[str]:
    """Return the split of each pair; all pairs of a question are in one."""
    from tmkd.results.teacher import fold_of

    count = len(set(questions))
    shares = (fold_of(questions, count) + 0.5) / count  # a fold a question: where it stands among all
    first, second = label.validation, label.validation + label.test
    return ["validation" if share < first else "test" if share < second else "train" for share in shares]


def _write(folder: Path, rows: Iterable[Mapping[str, Any]], splits: list[str]) -> Counter[tuple[str, str]]:
    """Write the files, each whole; return how many pairs each has of each class."""
    counts: Counter[tuple[str, str]] = Counter()
    with ExitStack() as stack:
        names = {split: stack.enter_context(written_whole(folder / f"{split}.jsonl")) for split in SPLITS}
        files = {split: stack.enter_context(name.open("w", encoding="utf-8")) for split, name in names.items()}
        for row, split in zip(rows, splits, strict=True):
            counts[split, row["label"]] += 1
            files[split].write(json.dumps(row, ensure_ascii=False) + "\n")
        for file in files.values():
            file.flush()
    return counts
