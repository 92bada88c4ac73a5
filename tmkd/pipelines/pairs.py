"""Every pair that a run's teachers score, as files, to be scored elsewhere: by a batch of an LLM, by BM25, by hand."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from tmkd.config import Config
from tmkd.experiment.experiment import Experiment
from tmkd.pipelines.tables import report_folder
from tmkd.store.disk import writing_to, written_whole

if TYPE_CHECKING:
    from datasets import Dataset

log = logging.getLogger(__name__)
COLUMNS = ("question_id", "question", "passage")
BATCH = 1000


def run(config: Config) -> Path:
    """Write a JSON-lines file for each split of the task, and one for the corpus; return their folder.

    No label is among the fields. A file with a ``score`` for each of these pairs is a teacher of kind ``scores``.
    """
    experiment = Experiment(config)
    folder = report_folder(config) / "pairs"
    splits = [experiment.task.rows(split) for split in experiment.task.splits]
    splits += [experiment.corpus.rows()] if experiment.needs_corpus else []
    with writing_to(folder, "paths.reports"):
        folder.mkdir(parents=True, exist_ok=True)
        for split in splits:
            pairs = write_pairs(split.read(experiment.context), folder / f"{split.split}.jsonl", split.split)
            log.info("pairs   %s/%s.jsonl: %d", folder, split.split, pairs)
    return folder


def write_pairs(pairs: Dataset, path: Path, split: str) -> int:
    """Write the texts of pairs as JSON lines, in their order; return how many they are."""
    rows = pairs.select_columns(list(COLUMNS))
    with written_whole(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        bar = tqdm(total=len(rows), desc=f"write {split}", unit="pair", dynamic_ncols=True, delay=5)
        for batch in rows.iter(BATCH):
            for values in zip(*(batch[name] for name in COLUMNS)):
                file.write(json.dumps(dict(zip(COLUMNS, values)), ensure_ascii=False) + "\n")
            bar.update(len(batch[COLUMNS[0]]))
        bar.close()
    return len(rows)
