"""Batches of whole questions, for losses that compare the passages of a question with each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

from tmkd.data.batching import LengthBuckets
from tmkd.data.distributed_batch_sampler import Shares
from tmkd.data.questions import Groups, Questions

DRAW = 1  # tells the draw of passages from the order of questions, which have one seed


class QuestionBatches(Sampler[list[int]]):
    """One process's rows of every batch, where a batch is of whole questions.

    Questions are in the order of ``LengthBuckets``, by their longest pair that is learnt from. Pairs and order are a
    function of the seed and the epoch alone, so that a resumed run meets the same batches. Every epoch has all
    questions, and as many batches as any other.

    Several processes divide a batch by questions, and ``weight`` counts pairs, so that a mean over pairs (pointwise
    losses) is that of one process. Losses over the passages of a question are gathered (``losses.all_gather``), since
    some questions count nothing in them.

    Args:
        lengths: of the pairs, ``[pairs]``.
        group_size: pairs of a question at most; 0: all.
        batch_questions: questions a step, of all processes together; None: as many as have about ``batch_size`` pairs.
        rank, count: of the processes.
    """

    def __init__(
        self,
        questions: Questions,
        lengths: np.ndarray,
        seed: int,
        *,
        group_size: int,
        batch_size: int,
        batch_questions: int | None = None,
        rank: int = 0,
        count: int = 1,
    ) -> None:
        self.groups = Groups(questions, group_size)
        self.lengths = lengths
        self.seed = seed
        a_step = batch_questions or questions_a_step(self.groups, batch_size)
        self._order = LengthBuckets(np.zeros(len(self.groups.sizes), dtype=lengths.dtype), a_step, seed)
        self._shares = Shares(self._order, rank, count)
        self._weights = np.ones(0)  # [steps], of the epoch under way
        self._plan: Callable[[Sequence[int]], None] | None = None

    @property
    def batch_sampler(self) -> QuestionBatches:
        """Itself: as in ``Shares``."""
        return self

    def set_epoch(self, epoch: int) -> None:
        self._shares.set_epoch(epoch)

    def before_epoch(self, plan: Callable[[Sequence[int]], None]) -> None:
        """Call ``plan`` with this process's rows before each epoch, in their order."""
        self._plan = plan

    def weight(self, step: int) -> float:
        """Return how much this process's mean over pairs counts at a step of the epoch under way, counted from 0."""
        return float(self._weights[step % len(self)])

    def __len__(self) -> int:
        return len(self._shares)

    def __iter__(self) -> Iterator[list[int]]:
        drawn = self.groups.draw(np.random.default_rng([self.seed, self._order.epoch, DRAW]))
        starts, sizes = self.groups.starts, self.groups.sizes

        def rows_of(questions: Sequence[int]) -> list[int]:
            return [row for at in questions for row in drawn[starts[at] : starts[at] + sizes[at]].tolist()]

        if len(starts):
            self._order.lengths = np.maximum.reduceat(self.lengths[drawn], starts)

        def begin(order: np.ndarray) -> None:
            self._weights = self._weights_of(order)
            if self._plan is not None:
                self._plan(rows_of(self._shares.rows(order)))

        self._order.on_order = begin
        for questions in self._shares:
            yield rows_of(questions)

    def _weights_of(self, order: np.ndarray) -> np.ndarray:
        """Return this process's share of the pairs of each batch, times the processes, ``[steps]``."""
        sizes, (rank, count) = self.groups.sizes[order], (self._shares.rank, self._shares.count)
        mine = np.arange(len(order)) % self._order.batch_size % count == rank
        starts = np.arange(0, len(order), self._order.batch_size)
        all_pairs, own_pairs = (np.add.reduceat(counted, starts) for counted in (sizes, sizes * mine))
        return own_pairs * count / all_pairs


def questions_a_step(groups: Groups, batch_size: int) -> int:
    """Return how many questions have about ``batch_size`` pairs; one at least."""
    return max(1, round(batch_size / groups.sizes.mean())) if len(groups.sizes) else 1
