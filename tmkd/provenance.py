"""What a result was made with: recorded in every manifest, part of no key."""

from __future__ import annotations

import functools
import platform
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

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


def versions(names: Iterable[str]) -> dict[str, str]:
    """Return the versions of those packages that are installed."""
    found = {}
    for name in names:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


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
