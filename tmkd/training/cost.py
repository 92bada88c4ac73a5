"""What a training costs: seconds, and the most memory that it held."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch


@contextmanager
def measured(device: torch.device) -> Iterator[dict[str, float]]:
    """Yield a dictionary that holds ``seconds`` and ``peak_bytes`` at the end of the context.

    The peak is the device's where it has memory of its own, else the process's, models and libraries included. Where
    the system cannot forget an earlier peak (it can on Linux), the number is the process's highest so far.
    """
    cost: dict[str, float] = {}
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        _forget_peak()
    started = time.monotonic()
    yield cost
    cost["seconds"] = round(time.monotonic() - started, 1)
    cost["peak_bytes"] = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else _peak()


def _forget_peak() -> None:
    with suppress(OSError):  # not Linux, or not allowed
        Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else 1024 * peak
