"""What making a result takes: passes of teachers and students over splits, learning or scoring."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasets import Dataset

    from tmkd.models.classifier import PairClassifier

FLOAT = 4  # bytes
ID = 16  # bytes that name a pair among soft labels


@dataclass(frozen=True)
class Member:
    """A teacher or student to be; equal architectures are equally fast.

    Attributes:
        untrained: returns it as it is before its training, on the runtime's device.
        training_pairs: returns the labelled tokens that it can be tried out on.
        trainer: ``warmup``, ``weight_decay``, ``max_grad_norm`` and ``schedule`` of a training.
    """

    architecture: str
    what: str
    untrained: Callable[[], PairClassifier]
    training_pairs: Callable[[PairClassifier], Dataset]
    trainer: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Work:
    """Some passes of a member over a split.

    Attributes:
        batch: of the training; None where pairs are only scored.
        source: names the split.
        lengths: returns how many tokens of each of its pairs a model reads.
        passes: over all of the split; may be a part of one.
        kept: bytes a pair that stay on disk.
        share: of the split's pairs that a pass sees.
    """

    member: Member
    batch: int | None
    source: str
    lengths: Callable[[PairClassifier], Sequence[int]]
    passes: float
    kept: int = 0
    share: float = 1.0
