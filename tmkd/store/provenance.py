"""What a result was made with, and on which machines: recorded in every manifest, part of no key."""

from __future__ import annotations

import functools
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tmkd.store.disk import written_whole

COMPUTED_ON = "computed_on"  # of a manifest: the machines; and the file that holds them until it is published
ELSEWHERE = ("paths.", "runtime.", "hydra.")  # settings that shape no result
PACKAGES = ("tmkd", "torch", "transformers", "datasets", "numpy", "scikit-learn", "bm25s")


@functools.cache
def provenance() -> dict[str, Any]:
    """Package versions, Python, machine type, and the commit when run from a checkout."""
    return {
        "packages": versions(PACKAGES),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "commit": _commit(),
    }


def command(elsewhere: bool = False) -> str | None:
    """Return the command that this process is; None if it is no stage's.

    Args:
        elsewhere: with where its results are kept, and how they are computed.
    """
    stage = os.environ.get("TMKD_STAGE")
    if stage is None:
        return None
    return shlex.join(["tmkd", stage, *(each for each in sys.argv[1:] if elsewhere or not each.startswith(ELSEWHERE))])


def versions(names: Iterable[str]) -> dict[str, str]:
    """Return the versions of those packages that are installed."""
    found = {}
    for name in names:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def processor() -> str:
    """Return the model name of this machine's processor, or what else is known of it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def note_machines(scratch: Path, machines: Iterable[Mapping[str, Any]]) -> None:
    """Add machines to those that a result is computed on, each once; what is noted survives a kill.

    Args:
        scratch: of the result's folder, so that it goes when the result is published.
    """
    before = noted_machines(scratch)
    known = list(before or [])
    for machine in machines:
        if machine not in known:
            known.append(dict(machine))
    if known != before:
        file = scratch / f"{COMPUTED_ON}.json"
        scratch.mkdir(parents=True, exist_ok=True)
        with written_whole(file) as temporary:
            temporary.write_text(json.dumps(known))


def noted_machines(scratch: Path) -> list[dict[str, Any]] | None:
    """Return the machines that were noted; None where nothing was."""
    file = scratch / f"{COMPUTED_ON}.json"
    return json.loads(file.read_text()) if file.exists() else None


def _commit() -> str | None:
    here = Path(__file__).parent
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=here,
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()
