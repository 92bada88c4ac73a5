"""Scores that a model here has computed already, in any split of any task: a pair that comes again is looked up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tmkd.progress import done_before
from tmkd.teachers.database import Database
from tmkd.teachers.source import Scorer

if TYPE_CHECKING:
    from datasets import Dataset
    from tqdm import tqdm

FILE = "scores.sqlite"
TABLES = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS scores (pair TEXT PRIMARY KEY, logits BLOB NOT NULL) WITHOUT ROWID;
"""
FLOAT = np.dtype("<f4")


class KeptScores:
    """The logits of one teacher for one list of classes, by the pair's id.

    Attributes:
        reused: how many pairs were looked up and not scored.
    """

    def __init__(self, folder: Path) -> None:
        self._database = Database(folder / FILE, TABLES)
        self.reused = 0

    def close(self) -> None:
        self._database.close()

    def scored(self, rows: Dataset, scorer: Scorer, bar: tqdm) -> np.ndarray:
        """Return logits as ``scorer`` does, which scores the pairs that have none yet; they are kept."""
        ids = rows["id"][:]
        known = self._found(ids)
        missing = [at for at, pair in enumerate(ids) if pair not in known]
        self.reused += len(ids) - len(missing)
        done_before(bar, len(ids) - len(missing))
        if not known:
            logits = scorer(rows, bar)
            self._keep(ids, logits)
            return logits
        if missing:
            new = [ids[at] for at in missing]
            logits = scorer(rows.select(missing), bar)
            self._keep(new, logits)
            known |= dict(zip(new, logits))
        return np.stack([known[pair] for pair in ids])

    def _found(self, ids: Sequence[str]) -> dict[str, np.ndarray]:
        ask = "SELECT pair, logits FROM scores WHERE pair IN (SELECT value FROM json_each(?))"
        with self._database.transaction() as connection:
            rows = connection.execute(ask, (json.dumps(ids),)).fetchall()
        return {pair: np.frombuffer(logits, dtype=FLOAT) for pair, logits in rows}

    def _keep(self, ids: Sequence[str], logits: np.ndarray) -> None:
        rows = zip(ids, (row.tobytes() for row in logits.astype(FLOAT)))
        with self._database.transaction() as connection:
            connection.executemany("INSERT OR IGNORE INTO scores VALUES (?, ?)", rows)
