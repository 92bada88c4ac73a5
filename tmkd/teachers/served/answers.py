"""Answers that were paid for, and what was paid: a database that several processes may write to.

It is SQLite with a write-ahead log: what is committed survives a kill. (A power cut may take the last answers, or each
request would wait for the disk twice.)
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tmkd.teachers.database import Database
from tmkd.teachers.served.failures import Spent

FILE = "answers.sqlite"
TABLES = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS answers (pair TEXT PRIMARY KEY, score REAL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS spent (teacher INTEGER PRIMARY KEY, requests INTEGER NOT NULL, money REAL NOT NULL);
INSERT OR IGNORE INTO spent VALUES (0, 0, 0);
"""


@dataclass(frozen=True)
class Budget:
    """The most requests that may be sent, and the most money that they may cost; None: no bound."""

    requests: int | None
    money: float | None


class Answers:
    """The answers of one teacher, by the pair's id; a NaN is one that the server refuses. Threads may share it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._database = Database(self.path, TABLES)

    def close(self) -> None:
        self._database.close()

    def found(self, pairs: Sequence[str]) -> dict[str, float]:
        """Return the scores of those pairs that have one, NaN for the refused."""
        ask = "SELECT pair, score FROM answers WHERE pair IN (SELECT value FROM json_each(?))"
        with self._database.transaction() as connection:
            rows = connection.execute(ask, (json.dumps(list(pairs)),)).fetchall()
        return {pair: float("nan") if score is None else score for pair, score in rows}

    def any(self) -> bool:
        """Return whether any pair has a score."""
        with self._database.transaction() as connection:
            row = connection.execute("SELECT EXISTS (SELECT 1 FROM answers WHERE score IS NOT NULL)").fetchone()
        return bool(row[0])

    def keep(self, scores: Mapping[str, float], money: float = 0.0) -> None:
        """Write scores (NaN, which SQLite keeps as NULL: refused), and what they cost beyond what ``spend`` wrote."""
        with self._database.transaction() as connection:
            connection.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?)", scores.items())
            connection.execute("UPDATE spent SET money = money + ?", (money,))

    def spent(self) -> tuple[int, float]:
        """Return how many requests were sent, and the money that they have cost."""
        with self._database.transaction() as connection:
            requests, money = connection.execute("SELECT requests, money FROM spent").fetchone()
        return requests, money

    def spend(self, money: float, budget: Budget) -> None:
        """Write that a request is sent, before it is: a kill must not make it free. Spent where the budget is."""
        with self._database.transaction() as connection:
            changed = connection.execute(
                "UPDATE spent SET requests = requests + 1, money = money + :cost "
                "WHERE (:most IS NULL OR requests < :most) AND (:sum IS NULL OR money + :cost <= :sum)",
                {"cost": money, "most": budget.requests, "sum": budget.money},
            ).rowcount
        if not changed:
            raise Spent
