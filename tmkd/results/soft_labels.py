"""Teachers' logits, computed once a teacher and set of pairs and shared by every run that learns from them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tmkd.distributed import Processes
from tmkd.results.classifier import Classifier, load_classifier, scoring
from tmkd.results.context import RunContext
from tmkd.results.node import Result, unless
from tmkd.results.rows import Rows
from tmkd.results.work import FLOAT, ID, Work
from tmkd.store.artifacts import MODEL, Artifact

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset

log = logging.getLogger(__name__)
BATCH = 8192  # pairs whose targets are in memory at once


@dataclass(frozen=True, eq=False)
class SoftLabels(Result):
    """The logits of one teacher on one split: train or the corpus.

    Attributes:
        teacher: of the roster, or a student that teaches the next one.
        heads: how its heads make one answer, where it has several.
    """

    kind: ClassVar[str] = "soft_labels"

    teacher: Classifier
    rows: Rows
    heads: str | None = unless(None)

    @classmethod
    def of(cls, teacher: Classifier, rows: Rows) -> SoftLabels:
        return cls(teacher, rows, "probabilities" if teacher.averages_heads else None)

    @property
    def what(self) -> str:
        return f"soft labels of {self.teacher.what} on {self.rows.split}"

    def together(self, context: RunContext) -> Processes | None:
        """Return the processes that score together; Ray has workers of its own, whom one process tells what to do."""
        return context.processes if context.how.ray is None else None

    def computed_here(self, context: RunContext) -> bool:
        """Return whether this process scores: Ray's workers note their own machines."""
        return context.how.ray is None

    def make(self, context: RunContext, work: Path) -> dict[str, Any]:
        from tqdm import tqdm

        from tmkd.evaluation.ensemble import teaching_logits
        from tmkd.results.ray_scoring import score_with_ray
        from tmkd.store.soft_labels import write_soft_labels
        from tmkd.training.predict import predict

        teacher = self.teacher.build(context)
        model = load_classifier(teacher, context)
        heads = model.predicting  # a student teaches by those that predict
        tokens = self.rows.read_by(context, model)
        processes = context.processes
        share = -(-len(tokens) // (processes.count if processes else 1))
        shown = {"unit": "pair", "dynamic_ncols": True, "mininterval": 1, "disable": not context.is_main_process}
        with tqdm(total=share, desc=f"score {self.rows.split}", **shown) as bar:

            def score(part: Dataset) -> np.ndarray:
                return teaching_logits(predict(model, part, context.runtime, bar)[:, heads])

            if context.how.ray is None:
                size = context.runtime.shard_size
                scored = write_soft_labels(work, tokens, score, size, bar.update, processes)
                scored = sum(processes.gather(scored)) if processes else scored
            else:
                scored = score_with_ray(context.how, teacher.folder(MODEL), heads, tokens, work, bar.update)
        details: dict[str, Any] = {"pairs": len(tokens), "scored_in_the_last_run": scored}
        if self.rows.split == "train" and context.is_main_process:  # whose details are published
            details["accuracy"] = _memorised(teacher, tokens, work)
        return details

    def cost(self, context: RunContext) -> list[Work]:
        kept = ID + FLOAT * len(self.teacher.own_task.classes)
        return [scoring(context, self.teacher.member(context), self.rows, kept=kept)]


@dataclass(frozen=True)
class TeacherWeights:
    """How much each of several teachers counts: fixed (``shares``), by confidence or by agreement with the label."""

    kind: str
    shares: tuple[float, ...] = unless(())

    @classmethod
    def of(cls, kind: str, shares: Sequence[float], teachers: int) -> TeacherWeights | None:
        """Return the weights; None where all teachers count alike."""
        if kind == "mean" or teachers == 1:
            return None
        return cls(kind, tuple(shares) if kind == "fixed" else ())

    def of_each(self, logits: np.ndarray, labels: list[int] | None) -> np.ndarray:
        """Return the weights ``[pairs, teachers]`` for logits ``[pairs, teachers, classes]``; see ``losses.weighting``.

        Args:
            labels: of the pairs, for agreement.
        """
        import torch

        from tmkd.losses import weighting

        teacher = torch.from_numpy(logits)
        if self.kind == "fixed":
            found = weighting.fixed(teacher, list(self.shares[: teacher.shape[1]]))
        elif self.kind == "confidence":
            found = weighting.confidence(teacher)
        else:
            found = weighting.agreement(teacher, torch.tensor(labels))
        return found.contiguous().numpy()


def soft_targets(
    context: RunContext,
    teachers: Sequence[Classifier],
    rows: Rows,
    average: bool,
    tokens: Dataset,
    weights: TeacherWeights | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the teachers' logits and, where they do not count alike, how much each of them counts.

    The average is of logits: the target that makes one soft head's squared error the heads' mean one, up to a constant.
    Both are on disk, beside the results, for as long as they are used.

    Args:
        tokens: the pairs of ``rows`` that are learnt from, with their labels where weights are by agreement.

    Returns:
        Logits ``[pairs, teachers, classes]``, or their (weighted) mean ``[pairs, 1, classes]``; weights
        ``[pairs, teachers]``, or None where all are the same or are in the mean already. All float32.
    """
    import numpy as np

    from tmkd.store import soft_labels
    from tmkd.store.memmap import RowsOnDisk, letting_go
    from tmkd.store.shards import pack

    stores = [soft_labels.SoftLabels(SoftLabels.of(teacher, rows).build(context).folder()) for teacher in teachers]
    weights = weights if len(teachers) > 1 else None
    logits, counts = RowsOnDisk(context.store.root), RowsOnDisk(context.store.root)
    needed = tokens.select_columns([name for name in ("id", "label") if name in tokens.column_names])
    with letting_go(tokens):
        for batch in needed.iter(BATCH):
            ids = pack(batch["id"])
            stacked = np.stack([store.read(ids) for store in stores], axis=1)
            if weights is None:
                logits.add(stacked.mean(axis=1, keepdims=True) if average else stacked)
                continue
            each = weights.of_each(stacked, batch.get("label"))
            logits.add((stacked * each[:, :, None]).sum(axis=1, keepdims=True) if average else stacked)
            counts.add(each)
    return logits.array(), None if weights is None or average else counts.array()


def _memorised(teacher: Artifact, tokens: Dataset, folder: Path) -> float:
    """Say how much of what a teacher answers rightly it has only memorised: its soft labels there are the gold ones.

    Returns:
        The share of the training pairs whose gold label has the teacher's highest logit.
    """
    from tmkd.store.memmap import letting_go
    from tmkd.store.shards import pack
    from tmkd.store.soft_labels import SoftLabels as Store

    labels, right = Store(folder), 0
    with letting_go(tokens):
        for batch in tokens.select_columns(["id", "label"]).iter(BATCH):
            right += int((labels.read(pack(batch["id"])).argmax(axis=1) == batch["label"]).sum())
    share = right / len(tokens)
    log.info(
        "%s is right in %.1f %% of the training pairs, %.1f %% of the validation pairs",
        teacher.manifest["what"], 100 * share, 100 * teacher.details["validation"]["accuracy"],
    )  # fmt: skip
    return share
