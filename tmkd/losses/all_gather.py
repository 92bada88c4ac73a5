"""A batch that several processes share, for losses that are no mean over its examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

SHARE = "share"  # in a batch: how much this process's mean counts (``data.shares``); not there: the batch is whole


def all_rows(rows: Tensor, batch: Mapping[str, Any]) -> Tensor:
    """Return the rows of all processes, ``[rows of all, ...]`` of ``[rows, ...]``, the first process's first.

    The trainer multiplies each process's loss by its share and takes the mean of their gradients. A loss of these rows
    is already that of the whole batch, so the gradient of a process's own rows is made up for both; the others' rows
    have none here. A process whose share is 0 has no row of the batch: what it read instead is left out.
    """
    if SHARE not in batch:
        return rows
    import torch.distributed as dist

    share, count, rank = batch[SHARE], dist.get_world_size(), dist.get_rank()
    own = rows if share else rows[:0]
    numbers = [torch.zeros(1, dtype=torch.long, device=rows.device) for _ in range(count)]
    dist.all_gather(numbers, torch.full_like(numbers[0], len(own)))
    lengths = [int(number) for number in numbers]
    padding = (0, 0) * (rows.dim() - 1) + (0, max(lengths) - len(own))
    padded = F.pad(own.detach(), padding)
    parts = [torch.empty_like(padded) for _ in range(count)]
    dist.all_gather(parts, padded.contiguous())
    parts = [part[:length] for part, length in zip(parts, lengths, strict=True)]
    # the value is the row's own, and a graph stays where there is no row: every process takes part in the backward pass
    parts[rank] = own.detach() + (own - own.detach()) * (count / share if share else 0.0)
    return torch.cat(parts)
