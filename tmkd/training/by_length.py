"""Reading a batch of whole questions in parts of like length.

Pairs by themselves share a batch with others of their length (``data.batching``); a question's passages are of any
length. Of what is computed for WikiQA's, 36 % is padding where a batch is as wide as its longest pair, 15 % in parts.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from tmkd.data.batching import padded
from tmkd.models.classifier import PairClassifier, PairOutput

A_PART = 64  # padded tokens that one part more has to save: what a pass costs, however short it is


def parts_of(lengths: np.ndarray) -> list[np.ndarray]:
    """Return the rows of each part, the shortest first: those that take the fewest tokens, ``A_PART`` for each counted.

    Args:
        lengths: of the pairs, ``[batch]``.
    """
    order = np.argsort(lengths, kind="stable")
    widths = padded(lengths[order])
    best: dict[int, tuple[int, list[int]]] = {0: (0, [])}  # of the first pairs: tokens, and where parts end
    for end in (np.flatnonzero(np.diff(widths, append=0)) + 1).tolist():
        width = int(widths[end - 1])
        best[end] = min((tokens + width * (end - at) + A_PART, [*ends, end]) for at, (tokens, ends) in best.items())
    return np.split(order, best[len(order)][1][:-1])


def read_by_length(model: PairClassifier, inputs: Mapping[str, Tensor]) -> PairOutput:
    """Return what ``model(**inputs)`` does, without states; a part is padded to the longest of its own pairs."""
    lengths = inputs["attention_mask"].sum(dim=1).numpy()
    parts = parts_of(lengths)
    if len(parts) == 1:
        return model(**inputs)
    read = []
    for rows in parts:
        width = padded(int(lengths[rows].max()))
        read.append(model(**{name: values[torch.from_numpy(rows), :width] for name, values in inputs.items()}).h1)
    places = torch.from_numpy(np.argsort(np.concatenate(parts)))
    return model.output_of(torch.cat(read)[places])
