"""How results are published: built beside their place, renamed into it when whole, never overwritten.

    artifacts/<stage>-<key>/            manifest.json and the files it lists
    artifacts/.building/<stage>-<key>/  under way; what is in it survives a kill and is gone on from
    artifacts/.locks/                   one lock a result: the kernel drops it when its holder dies

``scratch/`` inside a folder that is being built is for checkpoints; it is dropped on publication.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tmkd.errors import DamagedArtifact
from tmkd.store.disk import open_to_others, reading_from, sha256, writing_to, written_whole
from tmkd.store.identity import VERSIONS, key
from tmkd.store.provenance import COMPUTED_ON, noted_machines, processor, provenance

log = logging.getLogger(__name__)
SCRATCH = "scratch"
MANIFEST = "manifest.json"
NEEDED = ("stage", "key", "what", "spec", "details", "seconds")  # of a manifest, by those who read it
MODEL = "model"  # the folder of an artifact that holds its classifier
HALF_WRITTEN = ".tmp??????"  # what safetensors calls a file until it is whole
LABEL_KIND = "label_kind"  # among the details of a classifier that learnt grades or numbers


@dataclass(frozen=True)
class Artifact:
    """A published result: its folder and its manifest."""

    path: Path
    manifest: dict[str, Any] = field(compare=False)

    @property
    def key(self) -> str:
        return str(self.manifest["key"])

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def root(self) -> Path:
        """The folder of results that it lies in, whatever link has led to it."""
        return self.path.resolve().parent

    @property
    def details(self) -> dict[str, Any]:
        details: dict[str, Any] = self.manifest["details"]
        return details

    def file(self, name: str) -> Path:
        """Return the path of a file, once its content is seen to be what the manifest says (DamagedArtifact)."""
        path = self.path / name
        if checksum(path) != self.manifest["files"][name]["sha256"]:
            raise DamagedArtifact(f"{path} was changed after it was published; {_remove(self.path)}")
        return path

    def folder(self, name: str = "") -> Path:
        """Return the path of a folder, once every file under it is seen to be whole."""
        for file in self.manifest["files"]:
            if file.startswith(f"{name}/") or not name:
                self.file(file)
        return self.path / name


class ArtifactStore:
    """All results under one root.

    Args:
        machine: returns what this process computes on, for the manifests; called only where something is made.
    """

    def __init__(
        self, root: str | Path, machine: Callable[[], Mapping[str, Any]] = lambda: {"processor": processor()}
    ) -> None:
        self.root = Path(root)
        self.named: set[str] = set()  # results that the log has named: many arms ask for one
        self._machine = machine

    def find(self, stage: str, spec: Mapping[str, Any]) -> Artifact | None:
        """Return the published result, or None; raise DamagedArtifact if a file is gone or has another size."""
        path = self.root / f"{stage}-{key(stage, spec)}"
        return open_artifact(path) if path.exists() else None

    def build(
        self, stage: str, spec: Mapping[str, Any], make: Callable[[Path], Mapping[str, Any]], what: str
    ) -> Artifact:
        """Return the published result, making it first if nobody has.

        Args:
            make: fills the folder it is given (which may hold what an earlier, killed run left) and returns details
                for the manifest, JSON-able. Where others than this process compute, it notes their machines in the
                folder's scratch (``tmkd.store.provenance.note_machines``).
            what: the result in a few words, for the log.
        """
        name = f"{stage}-{key(stage, spec)}"
        found = self.find(stage, spec)
        if found is None:
            with self._alone(name, what):
                found = self.find(stage, spec)
                if found is None:
                    return self._make(name, stage, spec, make, what)
        if name not in self.named:
            log.info("cached  %s: %s", what, name)
            self.named.add(name)
        return found

    def _make(
        self, name: str, stage: str, spec: Mapping[str, Any], make: Callable[[Path], Mapping[str, Any]], what: str
    ) -> Artifact:
        self.named.add(name)
        work = self.root / ".building" / name
        resumed = work.exists()
        work.mkdir(parents=True, exist_ok=True)
        log.info("%s %s: %s", "resume " if resumed else "make   ", what, name)
        if not (work / MANIFEST).exists():  # or it was killed on the very point of being published
            here = dict(self._machine())  # first, so that a device that is not there is reported now
            started = time.monotonic()
            for left in work.rglob(HALF_WRITTEN):  # by a run that was killed; it would be published
                left.unlink()
            details = dict(make(work))
            files = {
                str(path.relative_to(work)): {"size": path.stat().st_size, "sha256": checksum(path)}
                for path in sorted(work.rglob("*"))
                if path.is_file() and path.relative_to(work).parts[0] != SCRATCH
            }
            noted = noted_machines(work / SCRATCH)
            manifest = {
                "stage": stage,
                "version": VERSIONS[stage],
                "key": key(stage, spec),
                "what": what,
                "spec": spec,
                "details": details,
                "files": files,
                "seconds": round(time.monotonic() - started, 1),
                COMPUTED_ON: [here] if noted is None else noted,
                **provenance(),
            }
            (work / SCRATCH).mkdir(exist_ok=True)
            with written_whole(work / MANIFEST, by_way_of=work / SCRATCH / MANIFEST, durable=True) as file:
                file.write_text(json.dumps(manifest, indent=1))
        shutil.rmtree(work / SCRATCH, ignore_errors=True)
        open_to_others(work)
        os.rename(work, self.root / name)
        made = open_artifact(self.root / name)
        log.info("made    %s: %s (%.0f s)", what, name, made.manifest["seconds"])
        return made

    @contextmanager
    def _alone(self, name: str, what: str) -> Iterator[None]:
        """Hold the result's lock: a second process that wants the same result waits for the first."""
        with writing_to(self.root):
            (self.root / ".locks").mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.root / ".locks" / f"{name}.lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                log.info("waiting for another run that is making %s: %s", what, name)
                lock.acquire(poll_interval=0.5)
            try:
                yield
            finally:
                lock.release()


def checksum(path: Path) -> str:
    """Return a file's SHA-256, which is read once a process, and again where the file has another size or time.

    DamagedArtifact if it cannot be read.
    """
    with reading_from(path):
        seen = path.stat()
        return _checksum(path, seen.st_size, seen.st_mtime_ns)


@functools.cache
def _checksum(path: Path, size: int, time_ns: int) -> str:
    return sha256(path)


def _remove(path: Path) -> str:
    return f"remove the folder {path} and run the same command again to make it again."


def open_artifact(path: Path) -> Artifact:
    """Return a published result, its files there and of the right size (DamagedArtifact); see ``Artifact.file``."""
    try:
        manifest = json.loads((path / MANIFEST).read_text())
        files = dict(manifest["files"])
        if lacking := [name for name in NEEDED if name not in manifest]:
            raise KeyError(*lacking)
    except (OSError, ValueError, KeyError, TypeError):
        raise DamagedArtifact(f"{path / MANIFEST} is missing or unreadable; {_remove(path)}") from None
    for name, recorded in files.items():
        size = (path / name).stat().st_size if (path / name).is_file() else None
        if size != recorded["size"]:
            found = "is missing" if size is None else f"has {size} bytes"
            raise DamagedArtifact(f"{path / name} {found}, expected {recorded['size']} bytes; {_remove(path)}")
    return Artifact(path, manifest)


def verify(root: str | Path) -> tuple[list[Artifact], list[DamagedArtifact]]:
    """Read every file of every artifact under ``root``, of whatever version; return the whole ones and the damaged."""
    whole, damaged = [], []
    for path in sorted(Path(root).glob("[!.]*")):
        try:
            artifact = open_artifact(path)
            artifact.folder()
            whole.append(artifact)
        except DamagedArtifact as error:
            damaged.append(error)
    return whole, damaged
