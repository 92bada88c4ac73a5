"""Python's garbage collector, left out where there is much to look through and nothing to find."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """While the block makes millions of small objects that stay, look for no garbage among them.

    To load transformers is such a block: it takes a tenth less time.
    """
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def no_last_collection() -> None:
    """Let this process end at once: Python would look through all that was loaded once more, for up to a second.

    For processes of our own alone: garbage that is there when it ends is not collected any more.
    """
    atexit.register(gc.freeze)
