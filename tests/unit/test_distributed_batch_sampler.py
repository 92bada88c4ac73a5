"""A batch divided among processes: every row once, and the weighted mean of the shares is the batch's mean."""

import numpy as np
import pytest

from tmkd.data.batching import LengthBuckets
from tmkd.data.distributed_batch_sampler import Shares


def order(rows, batch_size):
    return LengthBuckets(np.arange(rows) % 7 + 3, batch_size, seed=5)


def batches(rows, batch_size):
    flat = list(order(rows, batch_size))
    return [flat[at : at + batch_size] for at in range(0, rows, batch_size)]


@pytest.mark.parametrize(("rows", "batch_size", "count"), [(32, 8, 2), (33, 8, 2), (37, 7, 3), (9, 4, 4)])
def test_processes_meet_the_batches_of_one_and_their_means_add_up_to_its_mean(rows, batch_size, count):
    values = np.random.default_rng(0).normal(size=rows)
    whole = batches(rows, batch_size)
    each = [Shares(order(rows, batch_size), rank, count) for rank in range(count)]
    shared = [list(share) for share in each]
    assert [len(share) for share in each] == [len(mine) for mine in shared] == [len(whole)] * count
    for step, batch in enumerate(whole):
        weights = [share.weight(step) for share in each]
        counted = [row for mine, weight in zip(shared, weights) if weight for row in mine[step]]
        assert sorted(counted) == sorted(batch)
        means = [weight * values[mine[step]].mean() for mine, weight in zip(shared, weights)]
        assert sum(means) / count == pytest.approx(values[batch].mean())


def test_a_process_without_a_row_has_one_that_counts_nothing():
    share = Shares(order(9, 4), rank=3, count=4)
    assert [len(batch) for batch in share] == [1, 1, 1]
    assert [share.weight(step) for step in range(4)] == [1.0, 1.0, 0.0, 1.0]


def test_the_states_of_an_epoch_are_planned_for_the_rows_that_come():
    share = Shares(order(33, 8), rank=1, count=2)
    share.set_epoch(2)
    told = []
    share.order.on_order = lambda epoch: told.extend(share.rows(epoch))
    assert [row for batch in share for row in batch] == told
    share.set_epoch(0)
    assert [row for batch in share for row in batch] != told[: len(told) // 2]
