"""Every pair that a run's teachers score, as files, to be scored elsewhere: by a batch of an LLM, by BM25, by hand."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from tmkd.config import Config
from tmkd.data.rows import rows_of
from tmkd.experiment.experiment import Experiment
from tmkd.pipelines.tables import report_folder
from tmkd.store.disk import in_turn, written_whole

if TYPE_CHECKING:
    from datasets import Dataset

log = logging.getLogger(__name__)
COLUMNS = ("question_id", "question", "passage")


def run(config: Config) -> Path:
    """Write a JSON-lines file for each split of the task, and one for the corpus; return their folder.

    No label is among the fields. A file with a ``score`` for each of these pairs is a teacher of kind ``scores``.
    """
    experiment = Experiment(config)
    folder = report_folder(config) / "pairs"
    splits = [experiment.task.rows(split) for split in experiment.task.splits]
    splits += [experiment.corpus.rows()] if experiment.needs_corpus else []
    with in_turn(folder, "paths.reports"):
        for split in splits:
            pairs = write_pairs(split.read(experiment.context), folder / f"{split.split}.jsonl", split.split)
            log.info("pairs   %s/%s.jsonl: %d", folder, split.split, pairs)
    return folder


def write_pairs(pairs: Dataset, path: Path, split: str) -> int:
    """Write the texts of pairs as JSON lines, in their order; return how many they are."""
    write_rows(path, rows_of(pairs.select_columns(list(COLUMNS))), split, len(pairs))
    return len(pairs)


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]], what: str, total: int | None = None) -> None:
    """Write rows as JSON lines, whole or not at all, with a bar where that takes long."""
    with written_whole(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for row in tqdm(rows, desc=f"write {what}", total=total, unit="pair", dynamic_ncols=True, delay=5):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
