"""What bars say of a run that goes on from where an earlier one was stopped."""

from __future__ import annotations

from tqdm import tqdm


def done_before(bar: tqdm, count: int) -> None:
    """Move ``bar`` on by what an earlier run has done: no speed of this run, and nothing that its time left goes by."""
    bar.n += count
    if not bar.disable:
        bar.initial += count
        bar.last_print_n += count
        bar.refresh()
