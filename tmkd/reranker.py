"""A trained student as its users want it: a question and passages in, the passages in order out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset

from tmkd.data.batching import encode_pairs
from tmkd.errors import DataError, ModelError
from tmkd.evaluation.ensemble import average_probabilities
from tmkd.export.exported import ExportedModel
from tmkd.models.classifier import PairClassifier
from tmkd.store.artifacts import MODEL, open_artifact
from tmkd.training.predict import predict
from tmkd.training.runtime import Runtime, resolve_runtime


class Reranker:
    """A student or a teacher that scores question-passage pairs; stage 3 scores by the same rule.

    Methods are named and answer as those of sentence-transformers' ``CrossEncoder``.

    Attributes:
        model: the encoder and its heads, a ``torch.nn.Module``; or an export of them.
        classes: their names, in the order of the columns of ``score``; the last means "right" where ranked.
    """

    def __init__(self, model: PairClassifier | ExportedModel, runtime: Runtime) -> None:
        self.model = model.to(runtime.device) if isinstance(model, PairClassifier) else model
        self.runtime = runtime
        self.classes = model.classes

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path,
        *,
        device: str = "auto",
        precision: str = "auto",
        threads: int = 0,
        backend: str = "torch",
    ) -> Reranker:
        """Read the folder of a student or a teacher, ``artifacts/stage2-KEY``; it may have been moved, as a whole.

        ``device``, ``precision`` and ``threads`` are as in ``runtime`` of the settings (ConfigError). The folder may
        also be one of ``tmkd export``, which runs on the CPU, in its own precision.

        Args:
            backend: what runs an export: torch (of hf and cross-encoder), onnx or openvino.

        Raises:
            ModelError: the folder holds no classifier, or none that the backend can run.
            DamagedArtifact: it is not what was published.
        """
        folder = Path(folder).expanduser()
        if not (folder / MODEL).is_dir():
            runtime = resolve_runtime(device="cpu", precision="fp32", threads=threads)
            return cls(ExportedModel.read(folder, backend), runtime)
        if backend != "torch":
            raise ModelError(f"{folder}: expected an export where backend={backend}; run tmkd export --to {backend}.")
        runtime = resolve_runtime(device=device, precision=precision, threads=threads)
        model = PairClassifier.load(open_artifact(folder).folder(MODEL), attention=runtime.attention)
        return cls(model, runtime)

    def score(self, questions: Sequence[str], passages: Sequence[str], batch_size: int | None = None) -> np.ndarray:
        """Return the probabilities ``[pairs, classes]``, float64, of each question with the passage at its place.

        Args:
            batch_size: pairs scored at once; None: what suits the device.

        Raises:
            DataError: not as many questions as passages, or something that is no text.
        """
        _check(questions, passages)
        if not len(questions):
            return np.empty((0, len(self.classes)))
        model = self.model
        if isinstance(model, ExportedModel):
            return model.probabilities(questions, passages, batch_size)
        columns = encode_pairs(list(questions), list(passages), model.tokenizer, model.max_length, model.long)
        runtime = replace(self.runtime, score_batch=batch_size) if batch_size else self.runtime
        logits = predict(model, Dataset.from_dict(columns), runtime)  # [pairs, heads, classes]
        return average_probabilities(logits[:, model.predicting].transpose(1, 0, 2))

    def predict(self, pairs: Sequence[tuple[str, str]], batch_size: int | None = None) -> np.ndarray:
        """Return a score for each (question, passage), ``[pairs]`` float64: the higher, the more surely right.

        It is the log-odds of the last class, ``log p − log(1 − p)``: 0 where it is as likely as all others together.
        For probabilities see ``score``.

        Raises:
            DataError: a pair is not two texts.
        """
        for place, pair in enumerate(pairs):
            if isinstance(pair, str) or len(pair) != 2:
                raise DataError(f"pairs[{place}]: expected a question and a passage, got {pair!r:.60}.")
        right = self.score([pair[0] for pair in pairs], [pair[1] for pair in pairs], batch_size)[:, -1]
        right = np.clip(right, np.finfo(float).tiny, 1 - np.finfo(float).epsneg)
        odds: np.ndarray = np.log(right) - np.log1p(-right)
        return odds

    def rank(
        self,
        query: str,
        documents: Sequence[str],
        top_k: int | None = None,
        return_documents: bool = False,
        batch_size: int | None = None,
    ) -> list[dict[str, Any]]:
        """Return the documents in order, the best first; of equals, the one that came first.

        Args:
            top_k: return only the best ``top_k``; None: all.
            return_documents: with their texts.

        Returns:
            ``[{"corpus_id": place in documents, "score": as of predict, "text": ...}]``.

        Raises:
            DataError: as ``score``.
        """
        if not isinstance(query, str):
            raise DataError(f"query: expected a text, got {type(query).__name__} ({query!r:.40}).")
        _check([query] * len(documents), documents)
        scores = self.predict([(query, document) for document in documents], batch_size)
        order = np.argsort(-scores, kind="stable")[:top_k].tolist()
        text = (lambda at: {"text": documents[at]}) if return_documents else (lambda _: {})
        return [{"corpus_id": at, "score": float(scores[at]), **text(at)} for at in order]


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
