"""The checkpoint that a teacher is read from: a folder, or a commit on the hub. Nothing here loads torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tmkd.models.hub import check_whole, commit_of, folder_of, shaping_files
from tmkd.store.artifacts import checksum

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
