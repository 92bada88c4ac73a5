"""What a store could do without: results that nobody names, unfinished ones, and locks that nobody holds."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from filelock import FileLock, Timeout

from tmkd.errors import ConfigError
from tmkd.store.artifacts import MANIFEST, Artifact
from tmkd.store.catalogue import KEY, NAME, entries, sources
from tmkd.store.disk import reading_from, writing_to

BUILDING, DELETING, LOCKS = ".building", ".deleting", ".locks"
# Made again from what they name whenever they are missing, and named by nobody: they stay while what they name does.
BESIDE = ("tokens", "soft_labels", "teacher_states", "speed", "overlap", "candidates", "trust", "latency", "answers")


@dataclass(frozen=True)
class Waste:
    """A folder or a file that could go, and why.

    Attributes:
        size: in bytes.
        when: it was last written, in seconds since 1970.
    """

    path: Path
    why: str
    size: int
    when: float


def named_in(reports: Path) -> set[str]:
    """Return the names of all artifacts in the JSON files of reports."""
    found: set[str] = set()
    for file in sorted(reports.glob("**/*.json")):
        with reading_from(file, ConfigError, "mend or remove it", "--reports"):
            found |= set(NAME.findall(file.read_text(encoding="utf-8", errors="replace")))
    return found


def waste(root: Path, named: Collection[str], older_than: float = 0) -> list[Waste]:
    """Return what could go: every artifact that neither a comparison in the store nor ``named`` leads to, and the rest.

    What a named result was made from stays, and so does what was made beside that: tokens, soft labels, speeds.

    Args:
        named: names or keys of artifacts that must stay.
        older_than: only what was not written for this many seconds.
    """
    found, damaged = entries(root)  # damaged ones stay: `tmkd verify` says what to do with them
    if damaged:
        whole = {entry.artifact.path for entry in found}
        named = {*named, *_named_by_damaged(path for path in root.glob("[!.]*") if path not in whole)}
    kept = _reachable([entry.artifact for entry in found], named)
    unused = [
        Waste(entry.artifact.path, "no comparison or report names it", entry.size, entry.when)
        for entry in found
        if entry.artifact.name not in kept
    ]
    unfinished = [Waste(path, "unfinished", *_measure(path)) for path in sorted((root / BUILDING).glob("*"))]
    half = [Waste(path, "half deleted", *_measure(path)) for path in sorted((root / DELETING).glob("*"))]
    locks = [Waste(path, "a lock that nobody holds", *_measure(path)) for path in sorted((root / LOCKS).glob("*.lock"))]
    latest = time.time() - older_than
    return [each for each in (*unused, *unfinished, *half, *locks) if each.when <= latest]


def _named_by_damaged(folders: Iterable[Path]) -> set[str]:
    """Return the names in manifests of damaged artifacts: a comparison that lost a file still leads to its students."""
    found: set[str] = set()
    for file in (folder / MANIFEST for folder in folders):
        if file.is_file():
            found |= set(KEY.findall(file.read_text(encoding="utf-8", errors="replace")))
    return found


def busy(root: Path) -> list[str]:
    """Return the names of the results that some process is making now."""
    held = []
    for path in sorted((root / LOCKS).glob("*.lock")):
        with _locked(path) as free:
            if not free:
                held.append(path.stem)
    return held


def remove(root: Path, found: Collection[Waste]) -> list[Waste]:
    """Delete what was found, and return what is gone; nothing that some process is making now.

    Raises:
        ConfigError: a run is under way: it may read any artifact at any time. Or there is no permission.
    """
    if making := busy(root):
        raise ConfigError(f"A run is making {', '.join(making)} in {root}; wait until it has ended, then run gc again.")
    gone = []
    with writing_to(root):
        (root / DELETING).mkdir(parents=True, exist_ok=True)
        (root / LOCKS).mkdir(exist_ok=True)
        for each in found:
            lock = each.path if each.path.suffix == ".lock" else root / LOCKS / f"{each.path.name}.lock"
            with _locked(lock) as free:
                if free and each.path.exists():
                    _delete(each.path, root / DELETING / each.path.name)
                    gone.append(each)
                if free:  # held while it goes: filelock sees a file without a name, and makes another
                    lock.unlink(missing_ok=True)
        shutil.rmtree(root / DELETING, ignore_errors=True)
    return gone


def _delete(path: Path, by_way_of: Path) -> None:
    """Delete a file, or a folder that is renamed first: a kill leaves no half of a result under its name.

    Of a link the link alone goes: what it leads to may be another store's.
    """
    if path.is_symlink() or path.is_file():
        path.unlink()
        return
    if path != by_way_of:
        shutil.rmtree(by_way_of, ignore_errors=True)
        path.rename(by_way_of)
    shutil.rmtree(by_way_of)


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Hold a lock if it is free, and say whether it was."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def _reachable(artifacts: list[Artifact], named: Collection[str]) -> set[str]:
    by_name = {each.name: each for each in artifacts}
    by_key = {each.key: each.name for each in artifacts}
    made_from = {each.name: sources(each, by_key) for each in artifacts}
    kept: set[str] = set()
    open_ones = [
        name
        for name, each in by_name.items()
        if name in named or each.key in named or each.manifest["stage"] == "comparison"
    ]
    while open_ones:
        name = open_ones.pop()
        if name not in kept:
            kept.add(name)
            open_ones += made_from[name]
    beside = {name for name, each in by_name.items() if each.manifest["stage"] in BESIDE}
    return kept | {name for name in beside if made_from[name] and set(made_from[name]) <= kept | beside}


def _measure(path: Path) -> tuple[int, float]:
    """Return the bytes under a path, and when anything there was last written; a run may delete some meanwhile."""
    walked = ((Path(folder), *(Path(folder, name) for name in files)) for folder, _, files in os.walk(path))
    found = []
    for each in {path, *chain.from_iterable(walked)}:
        with suppress(FileNotFoundError):
            found.append(each.stat())
    return sum(each.st_size for each in found), max((each.st_mtime for each in found), default=0.0)
