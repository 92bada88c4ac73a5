"""The soft-label store: one teacher's logits on one set of pairs, by example id.

    part-<first>-<end>.safetensors ...   ids [pairs, 16] uint8 (ASCII), logits [pairs, classes] float32

Logits, never probabilities, so that any temperature and any loss can be had from them. A part is renamed into place
when it is whole: a kill costs the part under way and nothing else. Parts are joined to examples by id, never by order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from datasets import Dataset
from safetensors.numpy import load_file

from tmkd.errors import DamagedArtifact
from tmkd.parts import ID_BYTES, pack, write_parts


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
