"""The store of teachers' inner states: half precision, without padding, by example id.

    part-<first>-<end>.safetensors ...   ids [pairs, 16] uint8, lengths [pairs] int32, and ``kind.layer`` a state:
                                         first, mean, last [pairs, width], hidden [tokens, width],
                                         queries, keys, values [tokens, heads, head width], scores [tokens², heads];
                                         tokens and tokens² of all the shard's pairs in a row

Written shard by shard, so that a kill costs one shard; read through the page cache, never whole.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np
from datasets import Dataset
from safetensors import safe_open

from tmkd.errors import DamagedArtifact
from tmkd.states import PairStates, State, token_axes
from tmkd.store.shards import shards_of, unpack, write_shards


def write_states(
    folder: Path,
    tokens: Dataset,
    states_of: Callable[[Dataset], Sequence[PairStates]],
    shard_size: int,
    done: Callable[[int], None],
) -> int:
    """Read the states of ``tokens`` shard by shard; arguments and result as for ``write_soft_labels``."""

    def make(shard: Dataset) -> dict[str, np.ndarray]:
        pairs = states_of(shard)
        arrays = {
            f"{kind}.{layer}": np.concatenate([_flat(kind, states[kind, layer]) for states in pairs])
            for kind, layer in pairs[0]
        }
        return {"lengths": np.asarray(shard["length"], dtype=np.int32), **arrays}

    return write_shards(folder, tokens, make, shard_size, done)


def bytes_needed(lengths: np.ndarray, wanted: Collection[State], width: int, heads: int) -> int:
    """Return how many bytes the states of pairs of these lengths take, in half precision."""
    tokens, squares = int(lengths.sum()), int((lengths.astype(np.int64) ** 2).sum())
    each = [len(lengths) * width, tokens * width, squares * heads]
    return 2 * sum(each[_power(kind)] for kind, _ in wanted)


class StoredStates:
    """States of several teachers, read from their folders.

    Args:
        folders: one a teacher.
        wanted: the states to read, one collection a teacher.
        ids: of the pairs, in the order that they are asked for.

    Raises:
        DamagedArtifact: a pair or a state that a folder does not hold.
    """

    def __init__(self, folders: Sequence[Path], wanted: Sequence[Collection[State]], ids: Sequence[str]) -> None:
        self.ids = list(ids)
        self.teachers = [_Folder(folder, states) for folder, states in zip(folders, wanted, strict=True)]
        for teacher in self.teachers:
            missing = set(self.ids) - set(teacher.places)
            if missing:
                raise DamagedArtifact(
                    f"{teacher.folder} has no states for {len(missing)} of {len(self.ids)} pairs (one is "
                    f"{min(missing)}); remove the folder and run the same command again."
                )

    def plan(self, order: Sequence[int]) -> None:
        """Nothing to prepare: every state is there."""

    def get(self, index: int) -> list[PairStates]:
        """Return the states of one pair, one dictionary a teacher."""
        return [teacher.read(self.ids[index]) for teacher in self.teachers]


class _Folder:
    def __init__(self, folder: Path, wanted: Collection[State]) -> None:
        self.folder = folder
        self.wanted = list(wanted)
        self.shards = [safe_open(path, "np") for path in shards_of(folder)]
        self.places: dict[str, tuple[int, int]] = {}
        self.lengths: list[np.ndarray] = []
        self.ends: list[dict[int, np.ndarray]] = []  # of each pair's tokens (1) and squared tokens (2) in its shard
        for number, shard in enumerate(self.shards):
            lengths = shard.get_tensor("lengths").astype(np.int64)
            self.lengths.append(lengths)
            self.ends.append({0: np.arange(1, len(lengths) + 1), 1: lengths.cumsum(), 2: (lengths**2).cumsum()})
            for row, name in enumerate(unpack(shard.get_tensor("ids"))):
                self.places[name] = (number, row)

    def read(self, name: str) -> PairStates:
        number, row = self.places[name]
        length = int(self.lengths[number][row])
        found = {}
        for kind, layer in self.wanted:
            power = _power(kind)
            end = int(self.ends[number][power][row])
            flat = self.shards[number].get_slice(f"{kind}.{layer}")[end - length**power : end]
            found[kind, layer] = _whole(kind, flat, length)
        return found


def _power(kind: str) -> int:
    """Return how many rows a pair has, as a power of its number of tokens."""
    return len(token_axes(kind))


def _flat(kind: str, states: np.ndarray) -> np.ndarray:
    """One pair's states with what is as long as the pair in front."""
    if kind == "hidden":
        return states
    if _power(kind) == 0:
        return states[None]
    if _power(kind) == 1:
        return states.transpose(1, 0, 2)
    return states.transpose(1, 2, 0).reshape(-1, states.shape[0])


def _whole(kind: str, flat: np.ndarray, length: int) -> np.ndarray:
    """The inverse of ``_flat``."""
    if kind == "hidden":
        return flat
    if _power(kind) == 0:
        return flat[0]
    if _power(kind) == 1:
        return flat.transpose(1, 0, 2)
    return flat.reshape(length, length, -1).transpose(2, 0, 1)
