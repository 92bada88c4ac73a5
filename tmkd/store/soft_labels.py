"""The soft-label store: one teacher's logits on one set of pairs, by example id.

    part-<first>-<end>.safetensors ...   ids [pairs, 16] uint8 (ASCII), logits [pairs, classes] float32

One file is one shard. Logits, never probabilities, so that any temperature and any loss can be had from them. A shard
is renamed into place when it is whole: a kill costs the shard under way and nothing else. Logits are joined to examples
by id, never by order.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from datasets import Dataset
from safetensors.numpy import load_file, save_file

from tmkd.distributed import Processes
from tmkd.errors import DamagedArtifact
from tmkd.store.disk import written_whole
from tmkd.store.shards import BATCH, as_numbers, pack, shards_of, unpack, write_shards


def write_soft_labels(
    folder: Path,
    tokens: Dataset,
    score: Callable[[Dataset], np.ndarray],
    shard_size: int,
    done: Callable[[int], None],
    processes: Processes | None = None,
) -> int:
    """Score ``tokens`` shard by shard; shards that are there already are not scored again.

    Args:
        score: tokenised pairs to logits ``[pairs, classes]``.
        done: is called with the number of pairs of each shard that an earlier run had already scored.
        processes: those that do this together.

    Returns:
        The number of pairs scored now, by this process.
    """

    def make(shard: Dataset) -> dict[str, np.ndarray]:
        return {"logits": np.asarray(score(shard), dtype=np.float32)}

    return write_shards(folder, tokens, make, shard_size, done, processes)


def read_soft_labels(folder: Path, ids: Sequence[str]) -> np.ndarray:
    """Return logits ``[len(ids), classes]``, float32, in the order of ``ids``; DamagedArtifact if one is not there."""
    labels = SoftLabels(folder)
    return np.concatenate([labels.read(pack(ids[at : at + BATCH])) for at in range(0, max(1, len(ids)), BATCH)])


def join_soft_labels(
    folders: Sequence[Path], into: Path, join: Callable[[Sequence[str], np.ndarray], np.ndarray]
) -> None:
    """Write what ``join`` makes of the logits of one or several stores of the same pairs; one shard is in memory.

    Args:
        join: of ids ``[pairs]`` and logits ``[pairs, stores, classes]`` to logits ``[pairs, classes]``.
    """
    stores = [SoftLabels(folder) for folder in folders]
    for path in shards_of(folders[0]):
        ids = load_file(path)["ids"]
        logits = np.stack([store.read(ids) for store in stores], axis=1)
        joined = np.ascontiguousarray(join(unpack(ids), logits), dtype=np.float32)
        with written_whole(into / path.name) as temporary:
            save_file({"ids": ids, "logits": joined}, temporary)


def each_shard(folder: Path) -> Iterator[np.ndarray]:
    """Yield the logits ``[pairs, classes]`` of a store shard by shard, one in memory."""
    for path in shards_of(folder):
        yield load_file(path)["logits"]


class SoftLabels:
    """A store that is read from its first shard to its last, with one shard in memory.

    Every search goes on in the shard where the last one ended and ends there after a round. So ids that come in the
    order of the store, with gaps or without, cost one pass over it in all; in any other order they cost one a call.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths = shards_of(folder)
        if not self.paths:
            raise DamagedArtifact(f"{folder} holds no soft labels; remove the folder and run the same command again.")
        self._turn = itertools.cycle(self.paths)
        self._next_shard()

    def read(self, ids: np.ndarray) -> np.ndarray:
        """Return logits ``[pairs, classes]``, float32, of packed ids ``[pairs, 16]``; DamagedArtifact for a missing
        one."""
        wanted = as_numbers(ids)
        logits = np.empty((len(wanted), self._logits.shape[1]), dtype=np.float32)
        left = np.arange(len(wanted))
        for turned in range(len(self.paths)):
            if turned:
                self._next_shard()
            at = np.searchsorted(self._known, wanted[left]).clip(max=len(self._known) - 1)
            here = self._known[at] == wanted[left]
            logits[left[here]] = self._logits[at[here]]
            left = left[~here]
            if not len(left):
                return logits
        raise DamagedArtifact(
            f"{self.folder} has no soft labels for {len(left)} of {len(ids)} pairs (the first is "
            f"{unpack(ids[left[:1]])[0]}); remove the folder and run the same command again."
        )

    def _next_shard(self) -> None:
        shard = load_file(next(self._turn))
        numbers = as_numbers(shard["ids"])
        order = np.argsort(numbers)
        self._known, self._logits = numbers[order], shard["logits"][order]
