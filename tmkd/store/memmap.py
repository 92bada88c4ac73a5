"""Rows in mapped files: on disk, read as if they were in memory, and not counted as memory for longer than needed.

A page of a mapped file counts as the process's memory from its first use on, though the kernel can drop it whenever it
wants. So whoever reads a data set once seems to hold all of it, and is ended where memory is rationed by what processes
seem to hold, as Slurm can. Pages that are let go stay in the kernel's cache: to use them again costs no reading.
"""

from __future__ import annotations

import ctypes
import mmap
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from datasets import Dataset, config

MAPS, SIZES = Path("/proc/self/maps"), Path("/proc/self/statm")  # Linux
EVERY = 0.02  # seconds between two looks at how much is held
ENOUGH = 16 * 2**20  # bytes of files that are held before they are let go
TOGETHER = 10_000  # rows that are written together
Range = tuple[int, int]  # first address, and the one after the last


class RowsOnDisk:
    """Rows of numbers that grow on disk, in a file without a name: nothing is left of it, however the process ends.

    Args:
        folder: on a disk with room for them; the system's own folder for such files may be in memory.
    """

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (open as long as rows come)
        self._rows = 0
        self._like = np.empty(0)

    def add(self, rows: np.ndarray) -> None:
        """Add ``[rows, ...]``."""
        self._like = np.ascontiguousarray(rows)
        self._rows += len(rows)
        self._file.write(self._like.data)

    def array(self) -> np.ndarray:
        """Return all rows, read-only; there must be one at least."""
        self._file.flush()
        shape = (self._rows, *self._like.shape[1:])
        return np.asarray(np.memmap(self._file, self._like.dtype, mode="r", shape=shape))


def save_rows(rows: Dataset, folder: Path) -> None:
    """Save rows as ``save_to_disk`` does, but in batches of ``TOGETHER``, and let their pages go meanwhile.

    Whoever opens such files reads where each batch begins, and around each read the kernel maps 64 KiB: of ten million
    pairs in the 10,000 batches that ``save_to_disk`` would make of them, more than half a gigabyte.
    """
    usual = config.DEFAULT_MAX_BATCH_SIZE  # which it takes no argument for
    config.DEFAULT_MAX_BATCH_SIZE = TOGETHER
    try:
        with letting_go(rows):
            rows.save_to_disk(str(folder))
    finally:
        config.DEFAULT_MAX_BATCH_SIZE = usual


@contextmanager
def letting_go(*held: Dataset | np.ndarray | None, at_random: bool = False) -> Iterator[None]:
    """While the block runs, let the mapped pages of data sets and arrays go when there are many; Linux only.

    What is not mapped is left alone.

    Args:
        at_random: rows are read in random order. Where files are larger than the memory that is left for them, the
            kernel then reads each row's page alone, in place of all that the disk's read-ahead holds: on one disk 4 KB
            a row for 5.7 MB.
    """
    ranges = _mapped(held) if MAPS.exists() else []
    if not ranges:
        yield
        return
    if at_random:
        _advise(ranges, mmap.MADV_RANDOM)
    ended = threading.Event()

    def watch(least: int) -> None:
        while not ended.wait(EVERY):
            now = _resident()
            least = min(least, now if now < least + ENOUGH else _let_go(ranges))

    # measured before the block begins: what it reads meanwhile would count as what cannot be let go
    watching = threading.Thread(target=watch, args=(_let_go(ranges),), name="letting go of mapped files", daemon=True)
    watching.start()
    try:
        yield
    finally:
        ended.set()
        watching.join()
        _let_go(ranges)
        if at_random:
            _advise(ranges, mmap.MADV_NORMAL)


def _let_go(ranges: list[Range]) -> int:
    """Let the pages in these ranges go; return how many bytes of files still count.

    Whoever calls holds on to what is mapped there, so that nothing else can lie at these addresses.
    """
    _advise(ranges, mmap.MADV_DONTNEED)
    return _resident()


def _advise(ranges: list[Range], how: int) -> None:
    advise = ctypes.CDLL(None).madvise
    for start, end in ranges:
        advise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), how)


def _mapped(held: tuple[Dataset | np.ndarray | None, ...]) -> list[Range]:
    """Return the ranges of addresses at which files with these rows are mapped, to be read only."""
    places: list[int] = []
    for rows in held:
        if isinstance(rows, Dataset):
            chunks = rows.data.column(0).chunks
            places += [buffer.address for chunk in chunks for buffer in chunk.buffers() if buffer]
        elif rows is not None:
            places.append(rows.ctypes.data)
    known = np.sort(np.asarray(places, dtype=np.uint64))
    found = []
    for line in MAPS.read_text().splitlines():
        addresses, allowed, _, _, file, *_ = line.split()
        start, end = (int(address, 16) for address in addresses.split("-"))
        # a page that may be written to is dropped with what was written
        if allowed.startswith("r--") and file != "0" and np.diff(np.searchsorted(known, [start, end]))[0]:
            found.append((start, end))
    return found


def _resident() -> int:
    """Return how many bytes of files count as memory of this process."""
    return int(SIZES.read_text().split()[2]) * mmap.PAGESIZE
