"""What a student learns from its teachers: their soft labels side by side, as one mean, and what is missing of them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tmkd.choices import FIRST_WORD
from tmkd.errors import DataError
from tmkd.results.classifier import Classifier
from tmkd.results.context import RunContext
from tmkd.results.node import Result, unless
from tmkd.results.rows import Rows
from tmkd.results.soft_labels import SoftLabels
from tmkd.results.trust import TeacherTrust, Trusted

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset

log = logging.getLogger(__name__)
BATCH = 8192  # pairs whose targets are in memory at once


@dataclass(frozen=True)
class TeacherWeights:
    """How much each of several teachers counts.

    Fixed (``shares``), by confidence, by agreement with the label, or as learnt on validation for each group ``by``
    (``TeacherTrust``).
    """

    kind: str
    shares: tuple[float, ...] = unless(())
    by: str = unless(FIRST_WORD)

    @classmethod
    def of(cls, kind: str, shares: Sequence[float], teachers: int, by: str) -> TeacherWeights | None:
        """Return the weights; None where all teachers count alike."""
        if kind == "mean" or teachers == 1:
            return None
        return cls(kind, tuple(shares) if kind == "fixed" else (), by if kind == "learnt" else FIRST_WORD)

    def reads(self, teachers: Sequence[Classifier]) -> list[Result]:
        """Return what they are read from; nothing for one teacher, as a generation has in the one before."""
        return [TeacherTrust(tuple(teachers), self.by)] if self.kind == "learnt" and len(teachers) > 1 else []

    def of_each(self, logits: np.ndarray, labels: list[int] | None, learnt: np.ndarray | None) -> np.ndarray:
        """Return the weights ``[pairs, teachers]`` for logits ``[pairs, teachers, classes]``; see ``losses.weighting``.

        Args:
            labels: of the pairs, for agreement.
            learnt: the weights of these pairs, where they are learnt.
        """
        if learnt is not None:
            return learnt
        import torch

        from tmkd.losses import weighting

        teacher = torch.from_numpy(logits)
        if self.kind == "fixed":
            found = weighting.fixed(teacher, list(self.shares[: teacher.shape[1]]))
        elif self.kind == "confidence":
            found = weighting.confidence(teacher)
        else:
            found = weighting.agreement(teacher, torch.tensor(labels, dtype=torch.long))  # of no pair, too
        return found.contiguous().numpy()


@dataclass(frozen=True)
class SoftTargets:
    """Soft labels of some pairs; all float32, on disk for as long as they are used.

    Attributes:
        tokens: the pairs that have targets: all, or those that every teacher has scored (``missing=skip``).
        logits: ``[pairs, teachers, classes]``, or their (weighted) mean ``[pairs, 1, classes]``.
        weights: how much each teacher counts, ``[pairs, teachers]``; None: all alike, or in the mean already.
        trust: who was followed, where weights are learnt: ``Trusted.facts``.
    """

    tokens: Dataset
    logits: np.ndarray
    weights: np.ndarray | None
    trust: dict[str, Any] | None = None


def reads(teachers: Sequence[Classifier], rows: Rows, weights: TeacherWeights | None) -> list[Result]:
    """Return the results that ``soft_targets`` reads."""
    return [*(SoftLabels.of(teacher, rows) for teacher in teachers), *(weights.reads(teachers) if weights else [])]


def soft_targets(
    context: RunContext,
    teachers: Sequence[Classifier],
    rows: Rows,
    average: bool,
    tokens: Dataset,
    weights: TeacherWeights | None = None,
    missing: str = "raise",
) -> SoftTargets:
    """Return what a student learns from ``teachers``, and on which pairs.

    The average is of logits: the target that makes one soft head's squared error the heads' mean one, up to a constant.

    Args:
        tokens: the pairs of ``rows`` that are learnt from, with their labels where weights are by agreement.
        missing: what happens to a pair that a teacher has no score for: raise; skip, it is left out; average, the mean
            of the teachers that have one stands for that teacher.

    Raises:
        DataError: a score is missing, or with ``average`` all of a pair's; with ``skip`` no pair is left.
    """
    import numpy as np

    from tmkd.store import soft_labels
    from tmkd.store.memmap import RowsOnDisk, letting_go
    from tmkd.store.shards import pack

    stores = [soft_labels.SoftLabels(SoftLabels.of(teacher, rows).build(context).folder()) for teacher in teachers]
    weights = weights if len(teachers) > 1 else None
    logits, counts = RowsOnDisk(context.store.root), RowsOnDisk(context.store.root)
    needed = tokens.select_columns([name for name in ("id", "label") if name in tokens.column_names])
    gaps = Gaps(teachers, rows, missing)
    trusted = Trusted(context, teachers, rows, weights.by) if weights and weights.kind == "learnt" else None
    with letting_go(tokens):
        for batch in needed.iter(BATCH):
            ids, labels = pack(batch["id"]), batch.get("label")
            stacked, kept = gaps.filled(np.stack([store.read(ids) for store in stores], axis=1))
            if labels is not None and not kept.all():
                labels = [label for label, there in zip(labels, kept, strict=True) if there]
            if weights is None:
                logits.add(stacked.mean(axis=1, keepdims=True) if average else stacked)
                continue
            each = weights.of_each(stacked, labels, trusted.weights(ids[kept]) if trusted else None)
            logits.add((stacked * each[:, :, None]).sum(axis=1, keepdims=True) if average else stacked)
            counts.add(each)
    left = gaps.left(tokens, context)
    each_weight = None if weights is None or average else counts.array()
    return SoftTargets(left, logits.array(), each_weight, trusted.facts if trusted else None)


class Gaps:
    """The scores that teachers lack, batch after batch of a split."""

    def __init__(self, teachers: Sequence[Classifier], rows: Rows, missing: str) -> None:
        import numpy as np

        self.teachers, self.rows, self.missing = teachers, rows, missing
        self.lacking = np.zeros(len(teachers), dtype=np.int64)
        self.kept: list[np.ndarray] = []

    def filled(self, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return logits ``[pairs, teachers, classes]`` without a gap, and which pairs stay ``[pairs]``."""
        import numpy as np

        gap = np.isnan(logits).any(axis=2)
        self.lacking += gap.sum(axis=0)
        kept = np.ones(len(logits), dtype=bool)
        if gap.any():
            if self.missing == "average":
                some = ~gap.all(axis=1)
                mean = np.nanmean(np.where(some[:, None, None], logits, 0), axis=1, keepdims=True)
                logits = np.where((gap & some[:, None])[:, :, None], mean, logits).astype(np.float32)
                gap = np.isnan(logits).any(axis=2)
            kept = ~gap.any(axis=1)
            logits = logits[kept]
        self.kept.append(kept)
        return logits, kept

    def left(self, tokens: Dataset, context: RunContext) -> Dataset:
        """Return the pairs that have targets, and log how many scores are missing (DataError: see ``soft_targets``)."""
        import numpy as np

        if not self.lacking.any():
            return tokens
        each = "; ".join(
            f"{teacher.what} lacks {lacks} of {len(tokens)}"
            for teacher, lacks in zip(self.teachers, self.lacking)
            if lacks
        )
        kept, split = np.concatenate(self.kept), self.rows.split
        first = None if kept.all() else self._first(tokens[int(np.flatnonzero(~kept)[0])]["id"], context)
        if first is not None and self.missing == "raise":
            raise DataError(
                f"{split}: expected every teacher's score of every pair, but {each} (the first is {first}); score "
                "them, or set teachers.missing=skip or average."
            )
        if first is not None and self.missing == "average":
            raise DataError(
                f"{split}: no teacher has a score for {int((~kept).sum())} of {len(tokens)} pairs (the first is "
                f"{first}), so there is no average; score them, or set teachers.missing=skip."
            )
        if not kept.any():
            raise DataError(f"{split}: no pair has a score of every teacher ({each}); set teachers.missing=average.")
        if context.once("missing", split, each):
            how = "left out" if self.missing == "skip" else "given the mean of the other teachers"
            log.warning("scores missing on %s: %s; those pairs are %s", split, each, how)
        return tokens if kept.all() else tokens.select(np.flatnonzero(kept))

    def _first(self, pair: str, context: RunContext) -> str:
        """Return a pair by where it stands among the rows that were read, of which the tokens may be some."""
        return self.rows.named(context, list(self.rows.read(context)["id"]).index(pair))
