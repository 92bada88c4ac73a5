"""Python's garbage collector, left out where there is much to look through and nothing to find."""

from __future__ import annotations

import atexit
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_process = {"ours": False}


@contextmanager
def collector_paused() -> Iterator[None]:
    """While the block makes millions of small objects that stay, look for no garbage among them."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


@contextmanager
def loading() -> Iterator[None]:
    """While the block imports packages, look for no garbage; in a process of our own, never look through them again.

    To load transformers takes a tenth less time. Afterwards there are 400,000 objects, and accelerate asks for a whole
    collection after every training.
    """
    before = len(sys.modules)
    with collector_paused():
        yield
    if _process["ours"] and len(sys.modules) > before:  # or a model that is there by now would be kept, too
        gc.freeze()


def process_is_ours() -> None:
    """Say that this process runs a command and nothing of a user's own.

    Garbage that is there when packages have been loaded, or when the process ends, is not collected any more: to look
    through all that was loaded takes up to a second.
    """
    _process["ours"] = True
    atexit.register(gc.freeze)
