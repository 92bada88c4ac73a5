"""Read every published file and compare it with its manifest: after a full disk, a copy, or a doubt."""

from __future__ import annotations

from pathlib import Path

from tmkd.artifacts import verify
from tmkd.config import Config
from tmkd.errors import DamagedArtifact


def run(config: Config) -> list[Path]:
    """Return the folders of all artifacts, or raise DamagedArtifact naming every damaged one."""
    damaged = verify(config.paths.artifacts)
    if damaged:
        raise DamagedArtifact(" ".join(str(error) for error in damaged))
    return sorted(path.parent for path in Path(config.paths.artifacts).glob("*/manifest.json"))
