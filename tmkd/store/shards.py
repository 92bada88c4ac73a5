"""What is computed for many examples and kept on disk: one file for each shard, with the ids of its examples.

A file has the name ``part-<first>-<end>.safetensors``. It is renamed into place when it is whole: a kill costs the
shard under way and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from datasets import Dataset
from safetensors.numpy import save_file

from tmkd.distributed import Processes
from tmkd.store.disk import written_whole
from tmkd.store.memmap import letting_go

ID_BYTES = 16
BATCH = 10_000  # rows whose ids are Python objects at once


def shards_of(folder: Path) -> list[Path]:
    """Return the shards of a folder, in the order of their examples."""
    return sorted(folder.glob("part-*.safetensors"))


def write_shards(
    folder: Path,
    tokens: Dataset,
    make: Callable[[Dataset], dict[str, np.ndarray]],
    shard_size: int,
    done: Callable[[int], None],
    processes: Processes | None = None,
) -> int:
    """Write what ``make`` returns for each shard of ``tokens``, with its ids; shards that are there are kept.

    Args:
        make: tokenised pairs to arrays.
        done: is called with the number of pairs of each shard that an earlier run had already made.
        processes: those that do this together; each takes every ``count``-th shard.

    Returns:
        The number of pairs made now, by this process.
    """
    ranges = [range(start, min(start + shard_size, len(tokens))) for start in range(0, len(tokens), shard_size)]
    shards = {folder / f"part-{rows.start:09d}-{rows.stop:09d}.safetensors": rows for rows in ranges}
    mine = list(shards.items())
    if processes is None or processes.is_main_process:
        for path in set(folder.glob("part-*")) - set(shards):  # half written, or of a run with another shard size
            path.unlink()
    if processes is not None:
        processes.gather()  # or what another one writes already would be taken for a leftover
        mine = mine[processes.rank :: processes.count]
    made = 0
    with letting_go(tokens):
        for path, rows in mine:
            if path.exists():
                done(len(rows))
                continue
            shard = tokens.select(rows)
            arrays = {"ids": np.concatenate(list(ids_of(shard))), **make(shard)}
            # safetensors writes memory as it lies, whatever order of axes the array gives it
            with written_whole(path) as temporary:
                save_file({name: np.ascontiguousarray(values) for name, values in arrays.items()}, temporary)
            made += len(rows)
    return made


def pack(ids: Sequence[str]) -> np.ndarray:
    """Return ids as ``[ids, 16]`` bytes."""
    packed = np.array([name.encode("ascii") for name in ids], dtype=f"S{ID_BYTES}")
    return np.frombuffer(packed.tobytes(), dtype=np.uint8).reshape(len(ids), ID_BYTES)


def unpack(packed: np.ndarray) -> list[str]:
    """The inverse of ``pack``."""
    return [name.decode("ascii") for name in np.ascontiguousarray(packed).view(f"S{ID_BYTES}").ravel()]


def ids_of(rows: Dataset) -> Iterator[np.ndarray]:
    """Yield the packed ids ``[pairs, 16]`` of batch after batch of rows."""
    for batch in rows.select_columns(["id"]).iter(BATCH):
        yield pack(batch["id"])


def as_numbers(packed: np.ndarray) -> np.ndarray:
    """Return packed ids, which are hexadecimal digits, as numbers ``[ids]``, uint64, in the order of the ids."""
    digits = (packed & 15) + 9 * (packed >> 6)  # the letters' codes begin at 0x61
    return (digits[:, ::2] << 4 | digits[:, 1::2]).view(">u8").ravel().astype(np.uint64)
