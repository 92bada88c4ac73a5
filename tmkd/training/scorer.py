"""A trained student as those who use it want it: texts in, probabilities out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from datasets import Dataset

from tmkd.artifacts import MODEL, Artifact, open_artifact
from tmkd.data.batching import encode_pairs
from tmkd.ensemble import average_probabilities
from tmkd.errors import DataError, ModelError
from tmkd.models.classifier import PairClassifier
from tmkd.training.predict import predict
from tmkd.training.runtime import Runtime, resolve_runtime


class Scorer:
    """A classifier of question-passage pairs with the heads that predict; stage 3 scores by the same rule.

    Attributes:
        classes: their names, in the order of the columns of probabilities; the last means "right" where ranked.
    """

    def __init__(self, model: PairClassifier, runtime: Runtime) -> None:
        self.model = model.to(runtime.device)
        self.runtime = runtime
        self.classes = model.classes

    @classmethod
    def load(cls, folder: str | Path, *, device: str = "auto", precision: str = "auto", threads: int = 0) -> Scorer:
        """Read a student's or teacher's folder, ``artifacts/stage2-KEY``; it may have been moved, as a whole.

        The other arguments are as in ``runtime`` of the config (ConfigError).

        Raises:
            ModelError: the folder holds no classifier.
            DamagedArtifact: it is not what was published.
        """
        if not (Path(folder) / MODEL).is_dir():
            raise ModelError(
                f"Expected the folder of a trained student or teacher, artifacts/stage2-KEY, but {folder} has no "
                f"folder {MODEL} in it; reports/NAME/comparison.json names the artifacts of every row."
            )
        runtime = resolve_runtime(device=device, precision=precision, threads=threads)
        return cls.of(open_artifact(Path(folder)), runtime)

    @classmethod
    def of(cls, artifact: Artifact, runtime: Runtime) -> Scorer:
        """Read the classifier of a student or teacher (DamagedArtifact)."""
        return cls(PairClassifier.load(artifact.folder(MODEL), attention=runtime.attention), runtime)

    def score(self, questions: Sequence[str], passages: Sequence[str]) -> np.ndarray:
        """Return the probabilities ``[pairs, classes]``, float64, of each question with the passage at its place.

        Raises:
            DataError: not as many questions as passages, or something that is no text.
        """
        _check(questions, passages)
        if not len(questions):
            return np.empty((0, len(self.classes)))
        columns = encode_pairs(list(questions), list(passages), self.model.tokenizer, self.model.max_length)
        logits = predict(self.model, Dataset.from_dict(columns), self.runtime)  # [pairs, heads, classes]
        return average_probabilities(logits[:, self.model.predicting].transpose(1, 0, 2))

    def rank(self, question: str, passages: Sequence[str]) -> list[tuple[str, float]]:
        """Return the passages with the probability of the last class, the best first (DataError as ``score``)."""
        right = self.score([question] * len(passages), passages)[:, -1]
        return sorted(zip(passages, right.tolist(), strict=True), key=lambda scored: -scored[1])


def _check(questions: Sequence[str], passages: Sequence[str]) -> None:
    for name, texts in (("questions", questions), ("passages", passages)):
        if isinstance(texts, str):
            raise DataError(f"{name}: expected a list of texts, got one text; put it in a list.")
        for place, text in enumerate(texts):
            if not isinstance(text, str):
                raise DataError(f"{name}[{place}]: expected a text, got {type(text).__name__} ({text!r:.40}).")
    if len(questions) != len(passages):
        raise DataError(
            f"Expected a passage for each question, got {len(questions)} questions and {len(passages)} passages; "
            "repeat a question for each of its passages, or call rank."
        )
