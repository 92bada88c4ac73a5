"""The soft-label store: one teacher's logits on one set of pairs, by example id.

    part-<first>-<end>.safetensors ...   ids [pairs, 16] uint8 (ASCII), logits [pairs, classes] float32

Logits, never probabilities, so that any temperature and any loss can be had from them. A part is renamed into place
when it is whole: a kill costs the part under way and nothing else. Parts are joined to examples by id, never by order.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from datasets import Dataset
from safetensors.numpy import load_file, save_file

from tmkd.errors import DamagedArtifact

ID_BYTES = 16


def write_soft_labels(
    folder: Path, tokens: Dataset, score: Callable[[Dataset], np.ndarray], shard_size: int, done: Callable[[int], None]
) -> int:
    """Score ``tokens`` part by part; parts that are there already are not scored again.

    Args:
        score: tokenised pairs to logits ``[pairs, classes]``.
        done: told how many pairs an earlier run had already scored.

    Returns:
        The number of pairs scored now.
    """
    return write_parts(
        folder, tokens, lambda part: {"logits": np.asarray(score(part), dtype=np.float32)}, shard_size, done
    )


def write_parts(
    folder: Path,
    tokens: Dataset,
    make: Callable[[Dataset], dict[str, np.ndarray]],
    shard_size: int,
    done: Callable[[int], None],
) -> int:
    """Write what ``make`` makes of each part of ``tokens``, with its ids; parts that are there are not made again.

    ``done`` and the result are as for ``write_soft_labels``.
    """
    ranges = [range(start, min(start + shard_size, len(tokens))) for start in range(0, len(tokens), shard_size)]
    parts = {folder / f"part-{rows.start:09d}-{rows.stop:09d}.safetensors": rows for rows in ranges}
    for path in set(folder.glob("part-*")) - set(parts):  # half written, or of a run with another shard size
        path.unlink()
    made = 0
    for path, rows in parts.items():
        if path.exists():
            done(len(rows))
            continue
        part = tokens.select(rows)
        temporary = path.with_suffix(".writing")
        arrays = {"ids": pack(part["id"]), **make(part)}
        # safetensors writes memory as it lies, whatever order of axes the array gives it
        save_file({name: np.ascontiguousarray(values) for name, values in arrays.items()}, temporary)
        os.replace(temporary, path)
        made += len(rows)
    return made


def read_soft_labels(folder: Path, ids: Sequence[str]) -> np.ndarray:
    """Return logits ``[len(ids), classes]``, float32, in the order of ``ids``; DamagedArtifact if one is not there."""
    parts = [load_file(path) for path in sorted(folder.glob("part-*.safetensors"))]
    if not parts:
        raise DamagedArtifact(f"{folder} holds no soft labels; remove the folder and run the same command again.")
    known = np.concatenate([part["ids"] for part in parts]).view(f"S{ID_BYTES}").ravel()
    logits = np.concatenate([part["logits"] for part in parts])
    order = np.argsort(known)
    wanted = pack(ids).view(f"S{ID_BYTES}").ravel()
    at = np.searchsorted(known, wanted, sorter=order).clip(max=len(known) - 1)
    rows = order[at]
    missing = np.flatnonzero(known[rows] != wanted)
    if len(missing):
        raise DamagedArtifact(
            f"{folder} has no soft labels for {len(missing)} of {len(ids)} pairs (the first is {ids[missing[0]]}); "
            "remove the folder and run the same command again."
        )
    return logits[rows]


def pack(ids: Sequence[str]) -> np.ndarray:
    """Return ids as ``[ids, 16]`` bytes."""
    packed = np.array([name.encode("ascii") for name in ids], dtype=f"S{ID_BYTES}")
    return np.frombuffer(packed.tobytes(), dtype=np.uint8).reshape(len(ids), ID_BYTES)


def unpack(packed: np.ndarray) -> list[str]:
    """The inverse of ``pack``."""
    return [name.decode("ascii") for name in np.ascontiguousarray(packed).view(f"S{ID_BYTES}").ravel()]
