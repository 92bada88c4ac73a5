"""One classifier whose weights are the mean of several's: a "uniform soup" (Wortsman et al. 2022, arXiv 2203.05482)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
from torch.optim.swa_utils import AveragedModel

from tmkd.errors import ModelError
from tmkd.models.classifier import PairClassifier


def average_weights(models: Iterable[PairClassifier]) -> PairClassifier:
    """Return a classifier with the mean of the models' parameters: encoder, heads and exits.

    It answers well only where all have been trained from the same weights: then their mean lies between them.

    Args:
        models: read one after the other, so that one of them is in memory beside the mean.

    Raises:
        ModelError: there is none; or one has other heads, parameters or shapes than the first, or a buffer (a table of
            positions, say) of other values, which no mean would make sense of.
    """
    mean: AveragedModel | None = None
    for number, model in enumerate(models, start=1):
        if mean is None:
            mean = AveragedModel(model)
        _check_alike(cast(PairClassifier, mean.module), model, number)
        mean.update_parameters(model)
    if mean is None:
        raise ModelError("weights to average: expected at least one model, got none.")
    return cast(PairClassifier, mean.module)


def _check_alike(first: PairClassifier, other: PairClassifier, number: int) -> None:
    """Raise ModelError for what ``AveragedModel`` would not see: it pairs parameters by place, and keeps any buffer."""
    for what in ("classes", "predicting", "max_length", "long", "pooling"):
        _agree(what, getattr(first, what), getattr(other, what), number)
    _agree("heads", first.heads.names, other.heads.names, number)
    _agree("exits", first.exits.layers, other.exits.layers, number)
    ours, theirs = dict(first.named_parameters()), dict(other.named_parameters())
    _agree("parameters", sorted(ours), sorted(theirs), number)
    for name, parameter in ours.items():
        _agree(f"{name}, its shape,", tuple(parameter.shape), tuple(theirs[name].shape), number)
    buffers, others = dict(first.named_buffers()), dict(other.named_buffers())
    _agree("buffers", sorted(buffers), sorted(others), number)
    for name, buffer in buffers.items():
        if not torch.equal(buffer, others[name]):
            raise ModelError(
                f"weights to average: expected one value of the buffer {name}, but model {number} differs."
            )


def _agree(what: str, expected: object, found: object, number: int) -> None:
    if expected != found:
        raise ModelError(
            f"weights to average: expected {what} {expected} of model {number} as of the first, got {found}."
        )
