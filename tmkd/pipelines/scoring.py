"""Teachers' logits, computed once a teacher and set of pairs and shared by every run that learns from them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tmkd.artifacts import Artifact
from tmkd.pipelines.inputs import Inputs
from tmkd.pipelines.teachers import MODEL

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset


def soft_labels(inputs: Inputs, teacher: Artifact, split: str) -> Artifact:
    """Return the soft labels of one teacher on one split (train or corpus), scoring what is not scored yet."""
    spec = {"teacher": teacher.key, "rows": inputs.source(split)}

    def make(work: Path) -> dict[str, Any]:
        from tqdm import tqdm

        from tmkd.models.classifier import PairClassifier
        from tmkd.pipelines.ray_scoring import score_with_ray
        from tmkd.soft_labels import write_soft_labels
        from tmkd.training.predict import predict

        model = PairClassifier.load(teacher.folder(MODEL), attention=inputs.runtime.attention).to(inputs.runtime.device)
        tokens = inputs.tokens(split, model.tokenizer, model.max_length)
        with tqdm(total=len(tokens), desc=f"score {split}", unit="pair", dynamic_ncols=True, mininterval=1) as bar:

            def score(part: Dataset) -> np.ndarray:
                # a teacher has one head; where a student teaches, its heads' mean does
                return predict(model, part, inputs.runtime, bar).mean(axis=1)

            if inputs.config.runtime.ray is None:
                scored = write_soft_labels(work, tokens, score, inputs.runtime.shard_size, bar.update)
            else:
                scored = score_with_ray(inputs.config.runtime, teacher.folder(MODEL), tokens, work, bar.update)
        return {"pairs": len(tokens), "scored_in_the_last_run": scored}

    return inputs.store.build("soft_labels", spec, make, f"soft labels of {teacher.manifest['what']} on {split}")


def soft_targets(
    inputs: Inputs,
    teachers: list[Artifact],
    split: str,
    average: bool,
    ids: list[str],
    weights: str = "mean",
    labels: list[int] | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the teachers' logits and, where they do not count alike, how much each of them counts.

    The average is of logits: the target that makes one soft head's squared error the heads' mean one, up to a constant.

    Args:
        weights: mean, fixed (``method.weights``), confidence or agreement; see ``tmkd.losses.weighting``.
        labels: of the pairs, for agreement.

    Returns:
        Logits ``[pairs, teachers, classes]``, or their (weighted) mean ``[pairs, 1, classes]``; weights
        ``[pairs, teachers]``, or None where all are the same or are in the mean already. All float32.
    """
    import numpy as np

    from tmkd.soft_labels import read_soft_labels

    stacked = np.stack(
        [read_soft_labels(soft_labels(inputs, teacher, split).folder(), ids) for teacher in teachers], axis=1
    )
    if weights == "mean" or len(teachers) == 1:
        return (stacked.mean(axis=1, keepdims=True) if average else stacked), None
    each = _weights(weights, stacked, inputs.config.method.weights, labels)
    return ((stacked * each[:, :, None]).sum(axis=1, keepdims=True), None) if average else (stacked, each)


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
