"""Losses that want a whole batch, where two processes share it."""

import json

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from tmkd.data.batching import LengthBuckets
from tmkd.data.distributed_batch_sampler import Shares
from tmkd.losses.all_gather import SHARE, all_rows
from tmkd.losses.relation import angles, distances, similarity

COUNTS = (5, 1)  # of examples: uneven halves, and a process for which there is none


def learn(count, rows, share=None):
    """Return the loss of some rows of the examples, and its gradient."""
    examples = torch.randn(count, 3, generator=torch.Generator().manual_seed(2))[rows]
    weights = torch.randn(3, 2, generator=torch.Generator().manual_seed(1)).requires_grad_()
    batch = {} if share is None else {SHARE: share}
    student, teacher = all_rows(examples @ weights, batch), all_rows(examples, batch)
    among = distances(student, teacher) + angles(student, teacher) + similarity(student, teacher)
    loss = among + student.square().mean()
    (loss * (1 if share is None else share)).backward()
    return loss.item(), weights.grad


def share_of(rank, folder):
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    found = {}
    for count in COUNTS:
        shares = Shares(LengthBuckets(np.ones(count, int), count, seed=1), rank, 2)
        [own], share = list(shares), shares.weight(0)
        loss, gradient = learn(count, own, share)
        dist.all_reduce(gradient)
        found[count] = {"loss": loss, "share": share, "gradient": (gradient / 2).tolist()}
    (folder / f"{rank}.json").write_text(json.dumps(found))
    dist.destroy_process_group()


@pytest.mark.thorough
def test_two_processes_learn_from_relations_what_one_does_even_where_one_has_no_row(tmp_path):
    # or each would see the relations of its own half alone, and a short last batch would count double
    mp.spawn(share_of, (tmp_path,), nprocs=2)
    found = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1)]
    for count in COUNTS:
        loss, gradient = learn(count, list(range(count)))
        assert gradient.abs().max() > 1e-2
        assert sum(each[str(count)]["share"] for each in found) == 2
        for each in found:
            assert each[str(count)]["loss"] == pytest.approx(loss, abs=1e-6)
            torch.testing.assert_close(torch.tensor(each[str(count)]["gradient"]), gradient, atol=1e-6, rtol=0)
