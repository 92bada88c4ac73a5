"""SQLite files that several threads and processes may use at once.

They need a disk whose locks work, as the store of results does; a network file system may have none.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from tmkd.errors import DataError
from tmkd.store.disk import writing_to


class Database:
    """A file of SQLite.

    Args:
        path: the file; its folder is made.
        tables: the SQL that makes what is not there yet.
    """

    def __init__(self, path: Path, tables: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        with writing_to(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
        with self._as_sentence(), FileLock(path.with_suffix(".opening.lock")):
            # Without the lock, two processes that make the file at once meet as "database is locked".
            self._connection = sqlite3.connect(path, timeout=60, check_same_thread=False)
            self._connection.executescript(tables)

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the lock between threads; what is written within the block is written whole, or not at all."""
        with self._as_sentence(), self._connection as connection:
            yield connection

    @contextmanager
    def _as_sentence(self) -> Iterator[None]:
        """Hold the lock between threads, and turn what SQLite may answer into a sentence."""
        with self._lock:
            try:
                yield
            except sqlite3.Error as error:
                raise DataError(
                    f"{self._path}: expected a database of answers that can be read and written, got '{error}'; make "
                    "room on its disk, or move the file away if it is damaged."
                ) from None
