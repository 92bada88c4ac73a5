"""The checkpoint that a teacher is read from: a folder, or a commit on the hub. Nothing here loads torch."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from tmkd.models.hub import check_whole, commit_of, folder_of, shaping_files
from tmkd.store.artifacts import checksum
from tmkd.teachers.source import Scorer, Source

if TYPE_CHECKING:
    from tmkd.teachers.scoring import Cuts
    from tmkd.training.runtime import Runtime

SECTION = "teachers.roster"


@dataclass(frozen=True)
class Checkpoint:
    """What an entry of the roster says of its checkpoint.

    Attributes:
        name: a folder or a name on the hub.
        revision: a branch, tag or commit of the hub's; None: main.
        trust_remote_code: its own code may run.
    """

    name: str
    revision: str | None
    trust_remote_code: bool

    def place(self) -> tuple[str, str | None]:
        """Return the folder and None, or the name on the hub and its commit.

        Raises:
            ConfigError: no name.
            ModelError: a folder that is not there or holds no whole weights; a name that neither the hub nor its cache
                has.
        """
        folder = folder_of(self.name, SECTION)
        if folder is None:
            return self.name, commit_of(self.name, self.revision, SECTION)
        check_whole(folder, "teacher")
        return str(folder), None

    def identity(self) -> dict[str, Any]:
        """Return what it is known by: checksums of the files that are read, or name and commit; errors as ``place``."""
        place, commit = self.place()
        folder = folder_of(self.name, SECTION)
        if folder is None:
            return {"name": place, "revision": commit}
        files = shaping_files(folder, code=self.trust_remote_code, templates=True)
        return {"files": {file: checksum(path) for file, path in files.items()}}


class CuttingScorer(Scorer, Protocol):
    """A scorer that reads ``length`` tokens of a pair, and counts the pairs that have more."""

    cuts: Cuts

    @property
    def length(self) -> int: ...


@dataclass(frozen=True)
class FromCheckpoint(Source):
    """A model from a folder or the hub that is not trained here.

    Attributes:
        name: the folder or hub name.
        revision: a branch, tag or commit of the hub's; None: main.
        trust_remote_code: the checkpoint's own code may run.
        prompt: what pairs are scored under; None: the usual one of its kind.
        max_length: tokens of a pair, its prompt included; None: as many as the model can read.
    """

    computed: ClassVar[bool] = True

    name: str
    revision: str | None = None
    trust_remote_code: bool = False
    prompt: str | None = None
    max_length: int | None = None

    @property
    def checkpoint(self) -> Checkpoint:
        return Checkpoint(self.name, self.revision, self.trust_remote_code)

    def identity(self) -> dict[str, Any]:
        return self.checkpoint.identity() | {"prompt": self.prompt, "max_length": self.max_length}

    @contextmanager
    def open(self, runtime: Runtime, classes: Sequence[str], answers: Path) -> Iterator[CuttingScorer]:
        scorer = self.load(runtime, classes)
        yield scorer
        scorer.cuts.warn(self.what, scorer.length)

    @abstractmethod
    def load(self, runtime: Runtime, classes: Sequence[str]) -> CuttingScorer:
        """Return the loaded model as a scorer; the arguments are those of ``open``."""
