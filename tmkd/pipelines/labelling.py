"""From teachers' scores of unlabelled pairs to labels: what the stages share that work without gold labels."""

from __future__ import annotations

import json
import logging
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tmkd.choices import CLASSES
from tmkd.config import DataConfig, LabelConfig
from tmkd.data.rows import rows_of
from tmkd.data.schema import PAIR_COLUMNS
from tmkd.errors import ConfigError, DataError
from tmkd.experiment.experiment import Experiment
from tmkd.pipelines.pairs import COLUMNS
from tmkd.pipelines.typed import typed, typed_splits
from tmkd.results.untrained import UntrainedTeacher

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset

log = logging.getLogger(__name__)


def untrained_teachers(experiment: Experiment, stage: str) -> list[UntrainedTeacher]:
    """Return the teachers that teach, as they score: a scale that is fitted on labels has no place here.

    Raises:
        ConfigError: a teacher that is fine-tuned or calibrated, which takes labels; a task without classes; or more
            than two of them where the best passage of each question is to be right.
    """
    config = experiment.config
    if config.data.label_kind != CLASSES:
        raise ConfigError(f"data.label_kind: expected classes for `tmkd {stage}`, got {config.data.label_kind}.")
    if (scale := config.teachers.calibration) not in (None, "none"):
        raise ConfigError(
            f"teachers.calibration: expected none for `tmkd {stage}`, as it is fitted on labels, got {scale}."
        )
    if config.label.right == "top" and len(config.data.classes) > 2:
        raise ConfigError(f"label.right: expected positive for more than two classes ({config.data.classes}), got top.")
    found = []
    for number, teacher in enumerate(experiment.teachers()):
        if not isinstance(teacher.trained, UntrainedTeacher):
            kind = config.teachers.roster[number].kind
            raise ConfigError(
                f"teachers.roster[{number}].kind: expected a teacher that needs no labels (ready, causal, scores or "
                f"served) for `tmkd {stage}`, got {kind}."
            )
        found.append(teacher.trained)
    return found


def labelled(
    label: LabelConfig, classes: Sequence[str], pairs: Dataset, logits: np.ndarray
) -> tuple[Dataset, Iterator[dict[str, Any]]]:
    """Return the pairs that get a label, and their rows: texts, further columns, ``label`` and ``score``.

    Of two classes a score is the log-odds of the last one, by the teachers' mean probability. Of more it is a list,
    their log-probabilities (of one teacher its logits), and the label is the most probable class. Left out are
    questions whose best passages have one score, where the best of each question is right.

    Args:
        logits: ``[pairs, teachers, classes]``.
    """
    from tmkd.data.splits import whole_questions
    from tmkd.evaluation.ensemble import teaching_logits

    mean = teaching_logits(logits)
    if len(classes) > 2:
        return pairs, _rows(pairs, [classes[place] for place in mean.argmax(axis=1)], mean.tolist())
    margins = mean[:, 1] - mean[:, 0]
    if label.right == "positive":
        return pairs, _rows(pairs, [classes[int(each)] for each in margins > 0], margins.tolist())
    questions = whole_questions(pairs["question_id"][:], pairs["question"][:])
    if tied := _tied(questions, margins):
        kept = [place for place, name in enumerate(questions) if name not in tied]
        pairs, margins, questions = pairs.select(kept), margins[kept], [questions[place] for place in kept]
        log.warning(
            "%d questions are left out: their best passages have one score, so that none is the best", len(tied)
        )
    return pairs, _rows(pairs, [classes[int(each)] for each in _best(questions, margins)], margins.tolist())


def _rows(pairs: Dataset, labels: Sequence[str], scores: Sequence[Any]) -> Iterator[dict[str, Any]]:
    further = [name for name in pairs.column_names if name not in PAIR_COLUMNS]
    rows = rows_of(pairs.select_columns([*COLUMNS, *further]))
    return (row | {"label": label, "score": score} for row, label, score in zip(rows, labels, scores, strict=True))


def check_ids(pairs: Dataset) -> None:
    """Raise DataError where an id stands for several questions: the best passage of each would be the best of all."""
    from tmkd.data.questions import shared_ids

    if shared := shared_ids(pairs):
        name, (first, other) = next(iter(shared.items()))
        raise DataError(
            f"corpus: expected ids that each stand for one question, but {name} stands for {first!r} and for "
            f"{other!r}, as where every file counts from 1; make them differ, or take the column out: questions then "
            "go by their texts."
        )


def check_counts(right: str, classes: Sequence[str], counts: Mapping[str, int], folder: Path, split: str) -> None:
    """Log how many pairs of each class a split has; DataError where it has none of one."""
    each = ", ".join(f"{counts[name]} {name}" for name in classes)
    log.info("labelled  %s/%s.jsonl: %s", folder, split, each)
    if not all(counts[name] for name in classes):
        two, remedy = len(classes) == 2, "take a larger corpus"
        if two and right == "top":
            remedy += " with several passages for each question"
        elif two:
            remedy += ", or label.right=top, which makes the best passage of each question right"
            if not counts[classes[0]]:
                remedy += " (scores from 0 to 1 are no log-odds: all are above 0)"
        raise DataError(
            f"{folder}/{split}.jsonl: expected pairs of {'both' if two else 'all'} classes, got {each}; {remedy}."
        )


def next_command(folder: Path, data: DataConfig) -> str:
    """Return the command that trains a student on what was written."""
    usual = DataConfig()
    classes = "" if data.classes == usual.classes else f" {typed('data.classes', data.classes)}"
    ranking = "" if data.ranking == usual.ranking else " data.ranking=false"
    corpus = f"corpus=files {typed('corpus.path', f'{folder}/train.jsonl')}"
    scores = json.dumps(f"{folder}/*.jsonl", ensure_ascii=False)
    teacher = f"{shlex.quote(f'teachers.roster=[{{kind: scores, path: {scores}}}]')} teachers.calibration=none"
    return f"tmkd stage3 data=files{classes}{ranking} {typed_splits(folder)} {corpus} {teacher}"


def _tied(questions: list[str], margins: np.ndarray) -> set[str]:
    """Return the questions of which several passages have the highest score."""
    each: dict[str, list[float]] = {}
    for name, margin in zip(questions, margins.tolist()):
        each.setdefault(name, []).append(margin)
    return {name for name, found in each.items() if found.count(max(found)) > 1}


def _best(questions: list[str], margins: np.ndarray) -> np.ndarray:
    """Return which pairs are the best of their question ``[pairs]``."""
    import numpy as np

    best: dict[str, int] = {}
    for place, name in enumerate(questions):
        if name not in best or margins[place] > margins[best[name]]:
            best[name] = place
    right = np.zeros(len(margins), dtype=bool)
    right[list(best.values())] = True
    return right
