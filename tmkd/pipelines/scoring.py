"""Teachers' logits, computed once a teacher and set of pairs and shared by every run that learns from them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tmkd.pipelines.context import RunContext
from tmkd.pipelines.specs import teaching_spec
from tmkd.store.artifacts import MODEL, Artifact

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset

log = logging.getLogger(__name__)
BATCH = 8192  # pairs whose targets are in memory at once


def soft_labels(context: RunContext, teacher: Artifact, split: str) -> Artifact:
    """Return the soft labels of one teacher on one split (train or corpus), scoring what is not scored yet."""
    spec = {"teacher": teacher.key, "rows": context.source(split), **teaching_spec(teacher.manifest.get("spec", {}))}

    def make(work: Path) -> dict[str, Any]:
        from tqdm import tqdm

        from tmkd.evaluation.ensemble import teaching_logits
        from tmkd.models.classifier import PairClassifier
        from tmkd.pipelines.ray_scoring import score_with_ray
        from tmkd.store.soft_labels import write_soft_labels
        from tmkd.training.predict import predict

        model = PairClassifier.load(teacher.folder(MODEL), attention=context.runtime.attention)
        model, heads = model.to(context.runtime.device), model.predicting  # a student teaches by those that predict
        tokens = context.tokens(split, model.tokenizer, model.max_length)
        processes = context.processes
        share = -(-len(tokens) // (processes.count if processes else 1))
        shown = {"unit": "pair", "dynamic_ncols": True, "mininterval": 1, "disable": not context.is_main_process}
        with tqdm(total=share, desc=f"score {split}", **shown) as bar:

            def score(part: Dataset) -> np.ndarray:
                return teaching_logits(predict(model, part, context.runtime, bar)[:, heads])

            if context.config.runtime.ray is None:
                size = context.runtime.shard_size
                scored = write_soft_labels(work, tokens, score, size, bar.update, processes)
                scored = sum(processes.gather(scored)) if processes else scored
            else:
                folder = teacher.folder(MODEL)
                scored = score_with_ray(context.config.runtime, folder, heads, tokens, work, bar.update)
        details: dict[str, Any] = {"pairs": len(tokens), "scored_in_the_last_run": scored}
        if split == "train" and context.is_main_process:  # whose details are published
            details["accuracy"] = _memorised(teacher, tokens, work)
        return details

    what = f"soft labels of {teacher.manifest['what']} on {split}"
    if context.config.runtime.ray is None:
        return context.build("soft_labels", spec, make, what)
    context.check_due("soft_labels", spec)
    # Ray has workers of its own, whom one process tells what to do
    return context.store.build("soft_labels", spec, make, what)


def _memorised(teacher: Artifact, tokens: Dataset, folder: Path) -> float:
    """Say how much of what a teacher answers rightly it has only memorised: its soft labels there are the gold ones.

    Returns:
        The share of the training pairs whose gold label has the teacher's highest logit.
    """
    from tmkd.store.memmap import letting_go
    from tmkd.store.shards import pack
    from tmkd.store.soft_labels import SoftLabels

    labels, right = SoftLabels(folder), 0
    with letting_go(tokens):
        for batch in tokens.select_columns(["id", "label"]).iter(BATCH):
            right += int((labels.read(pack(batch["id"])).argmax(axis=1) == batch["label"]).sum())
    share = right / len(tokens)
    log.info(
        "%s is right in %.1f %% of the training pairs, %.1f %% of the validation pairs",
        teacher.manifest["what"], 100 * share, 100 * teacher.details["validation"]["accuracy"],
    )  # fmt: skip
    return share


def soft_targets(
    context: RunContext, teachers: list[Artifact], split: str, average: bool, tokens: Dataset, weights: str = "mean"
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the teachers' logits and, where they do not count alike, how much each of them counts.

    The average is of logits: the target that makes one soft head's squared error the heads' mean one, up to a constant.
    Both are on disk, beside the results, for as long as they are used.

    Args:
        tokens: the pairs, with their labels where ``weights`` is agreement.
        weights: mean, fixed (``method.weights``), confidence or agreement; see ``tmkd.losses.weighting``.

    Returns:
        Logits ``[pairs, teachers, classes]``, or their (weighted) mean ``[pairs, 1, classes]``; weights
        ``[pairs, teachers]``, or None where all are the same or are in the mean already. All float32.
    """
    import numpy as np

    from tmkd.store.memmap import RowsOnDisk, letting_go
    from tmkd.store.shards import pack
    from tmkd.store.soft_labels import SoftLabels

    alike = weights == "mean" or len(teachers) == 1
    stores = [SoftLabels(soft_labels(context, teacher, split).folder()) for teacher in teachers]
    logits, counts = RowsOnDisk(context.store.root), RowsOnDisk(context.store.root)
    needed = tokens.select_columns([name for name in ("id", "label") if name in tokens.column_names])
    with letting_go(tokens):
        for batch in needed.iter(BATCH):
            ids = pack(batch["id"])
            stacked = np.stack([store.read(ids) for store in stores], axis=1)
            if alike:
                logits.add(stacked.mean(axis=1, keepdims=True) if average else stacked)
                continue
            each = _weights(weights, stacked, context.config.method.weights, batch.get("label"))
            logits.add((stacked * each[:, :, None]).sum(axis=1, keepdims=True) if average else stacked)
            counts.add(each)
    return logits.array(), None if alike or average else counts.array()


def _weights(kind: str, logits: np.ndarray, shares: list[float], labels: list[int] | None) -> np.ndarray:
    import torch

    from tmkd.losses import weighting

    teacher = torch.from_numpy(logits)
    if kind == "fixed":
        found = weighting.fixed(teacher, shares[: teacher.shape[1]])
    elif kind == "confidence":
        found = weighting.confidence(teacher)
    else:
        found = weighting.agreement(teacher, torch.tensor(labels))
    return found.contiguous().numpy()
