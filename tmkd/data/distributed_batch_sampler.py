"""Each batch is divided among processes, and together they learn from it what one process would."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from torch.utils.data import Sampler

from tmkd.data.batching import LengthBuckets


class Shares(Sampler[list[int]]):
    """One process's rows of every batch.

    Each takes every ``count``-th row of a batch, whose rows are sorted by length, so that all have about as much to
    compute. The mean over a batch is the mean of the processes' means where each counts by ``weight``: a last, short
    batch may not divide evenly. A process for which there is no row at all takes one that counts nothing.

    Args:
        order: the rows in the order of one process.
        rank, count: of the processes.
    """

    def __init__(self, order: LengthBuckets, rank: int, count: int) -> None:
        self.order = order
        self.rank = rank
        self.count = count

    @property
    def batch_sampler(self) -> Shares:
        """Itself: the Trainer looks for ``set_epoch`` here, in what accelerate would have wrapped."""
        return self

    def set_epoch(self, epoch: int) -> None:
        self.order.set_epoch(epoch)

    def before_epoch(self, plan: Callable[[Sequence[int]], None]) -> None:
        """Call ``plan`` with this process's rows before each epoch, in their order."""
        self.order.on_order = lambda epoch: plan(self.rows(epoch))

    def __len__(self) -> int:
        return -(-len(self.order) // self.order.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        batch: list[int] = []
        for row in self.order:
            batch.append(row)
            if len(batch) == self.order.batch_size:
                yield self._own(batch)
                batch = []
        if batch:
            yield self._own(batch)

    def rows(self, epoch: Iterable[int]) -> list[int]:
        """Return this process's rows of an epoch whose order is ``epoch``."""
        all_rows, size = list(epoch), self.order.batch_size
        return [row for at in range(0, len(all_rows), size) for row in self._own(all_rows[at : at + size])]

    def weight(self, step: int) -> float:
        """Return how much this process's mean counts at a step, counted from 0, when the processes' are averaged."""
        place = step % len(self)
        size = min(self.order.batch_size, len(self.order) - place * self.order.batch_size)
        return len(range(self.rank, size, self.count)) * self.count / size

    def _own(self, batch: Sequence[int]) -> list[int]:
        return list(batch[self.rank :: self.count]) or list(batch[:1])
