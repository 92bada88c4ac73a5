"""Read every published file and compare it with its manifest: after a full disk, a copy, or a doubt."""

from __future__ import annotations

from tmkd.config import Config
from tmkd.errors import DamagedArtifact
from tmkd.store.artifacts import Artifact, verify


def run(config: Config) -> list[Artifact]:
    """Return all artifacts, or raise DamagedArtifact naming every damaged one."""
    whole, damaged = verify(config.paths.artifacts)
    if damaged:
        raise DamagedArtifact(" ".join(str(error) for error in damaged))
    return whole
