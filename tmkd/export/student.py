"""What is exported: a trained classifier, and the one linear map that stands for all heads that predict."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tmkd.choices import CLASSES
from tmkd.errors import ModelError
from tmkd.models.classifier import PairClassifier
from tmkd.store.artifacts import LABEL_KIND, MODEL, Artifact, open_artifact

ALL_CLASSES = "tmkd_classes"  # of config.json: all classes, of which a single logit names only the last


@dataclass(frozen=True)
class Student:
    """A student or a teacher, on the CPU, in float32.

    Attributes:
        ranking: its task puts passages in order.
        label_kind: what it learnt, of ``tmkd.choices.LABEL_KINDS``.
    """

    artifact: Artifact
    model: PairClassifier
    ranking: bool
    label_kind: str = CLASSES

    @classmethod
    def read(cls, folder: Path) -> Student:
        """Read the folder of an artifact; ModelError where it holds no classifier, or one that nothing else can run."""
        if not (folder / MODEL).is_dir():
            raise ModelError(
                f"Expected the folder of a trained student or teacher, artifacts/stage2-KEY, but {folder} has no "
                f"folder {MODEL} in it; reports/NAME/comparison.json names the artifacts of every row."
            )
        artifact = open_artifact(folder)
        check_answers(artifact)
        model = PairClassifier.load(artifact.folder(MODEL), attention="eager").eval()
        kind = model.encoder.config.model_type
        if model.trust_remote_code or type(model.encoder).__module__.startswith("tmkd."):
            raise ModelError(
                f"{folder}: its encoder ({kind}) is code of its own, which other programs do not have; export a "
                "student of an encoder that is part of transformers."
            )
        found = artifact.details
        return cls(artifact, model, "map" in found.get("validation", {}), found.get(LABEL_KIND, CLASSES))

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the scores: of a ranking task with two classes the last class alone, else all classes."""
        classes = self.model.classes
        return classes[-1:] if self.ranking and len(classes) == 2 else classes

    @property
    def exact(self) -> bool:
        """Whether one linear map says all: a mean of several heads' probabilities is none, but one of scores is."""
        return len(self.model.predicting) == 1 or len(self.model.classes) == 1

    def folded(self, values: np.ndarray) -> np.ndarray:
        """Return the scores ``[..., scores]``, float64, of all heads' ``[..., heads, classes]``: logits or weights.

        It is the mean over the heads that predict, and of two ranked classes the margin z₁ − z₀.
        """
        mean: np.ndarray = values[..., self.model.predicting, :].astype(np.float64).mean(axis=-2)
        margin = len(self.labels) < len(self.model.classes)
        return mean[..., 1:] - mean[..., :1] if margin else mean

    def linear(self) -> tuple[Tensor, Tensor]:
        """Return the map of h1 to the scores: weight ``[scores, width]`` and bias ``[scores]``, float32."""
        heads = self.model.heads

        def fold(values: Tensor) -> Tensor:
            by_head = values.detach().unflatten(-1, (len(heads.names), heads.classes)).numpy()
            return torch.from_numpy(self.folded(by_head)).float()

        return fold(heads.linear.weight.T).T.contiguous(), fold(heads.linear.bias)

    def config(self) -> dict[str, Any]:
        """Return what a sequence classifier's ``config.json`` has beside the encoder's settings."""
        return {
            "num_labels": len(self.labels),
            "id2label": dict(enumerate(self.labels)),
            "label2id": {name: index for index, name in enumerate(self.labels)},
            ALL_CLASSES: list(self.model.classes),
        }


def check_answers(artifact: Artifact) -> None:
    """Raise ModelError for a student of stage 1 that learnt inner states or a language alone: its head is random."""
    spec = artifact.manifest["spec"]
    if artifact.manifest["stage"] == "stage1" and (spec.get("kind") == "language" or spec.get("objective") == "terms"):
        raise ModelError(
            f"{artifact.name}: expected a model that has learnt to answer, got the {artifact.manifest['what']}, whose "
            "head has learnt nothing (stage1.kind); take a student of stage 2 that starts from it."
        )


def probabilities(scores: np.ndarray, classes: int) -> np.ndarray:
    """Return the probabilities ``[pairs, classes]``, float64, that scores ``[pairs, scores]`` mean.

    Of a model that learnt grades or numbers they are the scores.
    """
    from scipy.special import softmax

    scores = scores.astype(np.float64)
    if classes == 1:
        return scores
    found: np.ndarray = softmax(scores if scores.shape[1] == classes else np.pad(scores, ((0, 0), (1, 0))), axis=1)
    return found
