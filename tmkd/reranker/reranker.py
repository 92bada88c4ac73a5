"""Scores and orders of passages, by any model that scores pairs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tmkd.data.given import check_count, check_query, list_of_pairs, list_of_texts, lists_of_texts
from tmkd.errors import ModelError
from tmkd.evaluation.cutoffs import Cutoff
from tmkd.evaluation.ensemble import scores_of
from tmkd.evaluation.score_calibration import ScoreCalibration
from tmkd.export.exported import AUTO
from tmkd.reranker.loading import Model, load_model, scorer_of
from tmkd.reranker.ranking import ranked
from tmkd.reranker.scorer import ClassifierScorer
from tmkd.training.runtime import Runtime


class Reranker:
    """A student or a teacher that scores question-passage pairs; stage 3 scores by the same rule.

    Methods are named and answer as those of sentence-transformers' ``CrossEncoder``. Several threads may share one
    reranker: they take turns, since a tokenizer serves one call at a time.

    Args:
        exit_at: the layer whose early exit answers, so that the layers above are not run; None: the deepest classifier
            (ModelError: there is no such exit).
        calibrate: returns the map of ``score(calibrated=True)`` and the cut-offs; None: there are none.
        max_length: tokens of a pair to read, no more than the model learnt to read (ModelError); None: as many.

    Attributes:
        model: the encoder and its heads, a ``torch.nn.Module``; or an export of them.
        classes: their names, in the order of the columns of ``score``; the last means "right" where ranked. One alone,
            "score", where it learnt grades or numbers.
        scorer: what turns texts into probabilities by it.
    """

    def __init__(
        self,
        model: Model,
        runtime: Runtime,
        exit_at: int | None = None,
        calibrate: Callable[[], ScoreCalibration] | None = None,
        max_length: int | None = None,
    ) -> None:
        self.scorer = scorer_of(model, runtime, exit_at, max_length)
        self.model = model
        self.runtime = runtime
        self.classes = model.classes
        self.exit_at = exit_at
        self.max_length = self.scorer.max_length
        self._calibrate = calibrate
        self._turn = threading.Lock()

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path,
        *,
        artifacts: str | Path | None = None,
        exit_at: int | None = None,
        device: str = "auto",
        precision: str = "auto",
        threads: int = 0,
        backend: str = AUTO,
        max_length: int | None = None,
    ) -> Reranker:
        """Read the folder of a student or a teacher, ``artifacts/stage2-KEY``; it may have been moved, as a whole.

        The folder may also be one of ``tmkd export``, which runs on the CPU, in its own precision; one for
        OpenVINO also in bf16.

        Args:
            artifacts: a folder of results; what is no folder itself is then the name, the key or the beginning of the
                key of an artifact there (ConfigError: of none, or of several).
            exit_at, max_length: see ``Reranker``.
            device, precision, threads: as in ``runtime`` of the settings (ConfigError).
            backend: what runs an export: torch (of hf and cross-encoder), onnx or openvino; auto: what its files are
                for.

        Raises:
            ModelError: the folder holds no classifier, or none that the backend can run.
            DamagedArtifact: it is not what was published.
        """
        loaded = load_model(folder, artifacts, exit_at, device, precision, threads, backend, max_length)
        return cls(loaded.model, loaded.runtime, exit_at, loaded.calibrate, max_length)

    @cached_property
    def calibration(self) -> ScoreCalibration:
        """The map to calibrated probabilities, how good it is, and the cut-offs; found when it is first asked for.

        Raises:
            ModelError: it is not known: a student needs its task beside it, an export its ``calibration.json``.
            DataError: the scores cannot be calibrated.
        """
        if self._calibrate is None:
            raise ModelError("Expected a reranker that from_pretrained made, whose calibration is known; make it so.")
        return self._calibrate()

    @property
    def cut_pairs(self) -> int:
        """How many of the pairs scored so far lost text to ``max_length``; of an export 0, since none are counted."""
        return self.scorer.cut_pairs if isinstance(self.scorer, ClassifierScorer) else 0

    @property
    def cutoffs(self) -> tuple[Cutoff, ...]:
        """Scores, as of ``predict``, that keep 99, 95, 90 and 80 % of the right answers (raises: ``calibration``)."""
        return self.calibration.cutoffs

    def score(
        self,
        questions: Iterable[str],
        passages: Iterable[str],
        batch_size: int | None = None,
        calibrated: bool = False,
    ) -> np.ndarray:
        """Return the probabilities ``[pairs, classes]``, float64, of each question with the passage at its place.

        Of a model with one logit, which learnt grades or numbers, they are scores ``[pairs, 1]``.

        Args:
            batch_size: pairs scored at once; None: what suits the device.
            calibrated: map them so that of the pairs with 0.8, about 80 % are right; see ``calibration``.

        Raises:
            DataError: not as many questions as passages, something that is no text, or a batch size below 1.
            ModelError: as ``calibration``.
        """
        if calibrated:
            return self.calibration.apply(self.score(questions, passages, batch_size))
        questions, passages = lists_of_texts(questions, passages)
        check_count("batch_size", batch_size, 1, "what suits the device")
        if not len(questions):
            return np.empty((0, len(self.classes)))
        with self._turn:
            return self.scorer.probabilities(questions, passages, batch_size)

    def predict(self, pairs: Iterable[tuple[str, str]], batch_size: int | None = None) -> np.ndarray:
        """Return a score for each (question, passage), ``[pairs]`` float64: the higher, the more surely right.

        It is the log-odds of the last class, ``log p − log(1 − p)``: 0 where it is as likely as all others together.
        For probabilities see ``score``. Of a model that learnt grades or numbers it is the score itself.

        Raises:
            DataError: a pair is not two texts.
        """
        pairs = list_of_pairs(pairs)
        found = self.score([question for question, _ in pairs], [passage for _, passage in pairs], batch_size)
        return scores_of(found)

    def rank(
        self,
        query: str,
        documents: Iterable[str],
        top_k: int | None = None,
        return_documents: bool = False,
        batch_size: int | None = None,
        calibrated: bool = False,
    ) -> list[dict[str, Any]]:
        """Return the documents in order, the best first; of equals, the one that came first.

        Args:
            top_k: return only the best ``top_k``; None: all.
            return_documents: with their texts.
            calibrated: with probabilities as of ``score(calibrated=True)``; the order is that of the scores.

        Returns:
            ``[{"corpus_id": place in documents, "score": as of predict, "probability": ..., "text": ...}]``.

        Raises:
            DataError, ModelError: as ``score``.
        """
        check_query(query)
        check_count("top_k", top_k, 0, "all documents")
        documents = list_of_texts("documents", documents)
        calibrate = self.calibration.apply if calibrated else None
        found = self.score([query] * len(documents), documents, batch_size)
        return ranked(found, documents, top_k, return_documents, calibrate)
