"""A trained student as its users want it: a question and passages in, the passages in order out."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor

from tmkd.data.encoding import encode_and_count
from tmkd.data.given import check_texts
from tmkd.errors import DataError, ModelError
from tmkd.evaluation.cutoffs import Cutoff
from tmkd.evaluation.ensemble import average_probabilities, log_odds
from tmkd.evaluation.score_calibration import ScoreCalibration
from tmkd.export.calibrated import calibration_of, read_calibration
from tmkd.export.exported import AUTO, ExportedModel, chosen_length
from tmkd.models.classifier import PairClassifier
from tmkd.store.artifacts import MODEL, open_artifact
from tmkd.store.catalogue import locate
from tmkd.training.predict import logits_of, predict
from tmkd.training.runtime import Runtime, resolve_runtime

log = logging.getLogger(__name__)


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
        cut_pairs: how many of the pairs scored so far lost text to ``max_length``.
    """

    def __init__(
        self,
        model: PairClassifier | ExportedModel,
        runtime: Runtime,
        exit_at: int | None = None,
        calibrate: Callable[[], ScoreCalibration] | None = None,
        max_length: int | None = None,
    ) -> None:
        exits = model.exits.layers if isinstance(model, PairClassifier) else ()
        if exit_at is not None and exit_at not in exits:
            raise ModelError(
                f"exit_at: expected a layer with an early exit, one of {list(exits)}, got {exit_at}; "
                "student.exits is where a student gets them."
            )
        self.model = model.to(runtime.device) if isinstance(model, PairClassifier) else model
        self.runtime = runtime
        self.classes = model.classes
        self.exit_at = exit_at
        self.max_length = chosen_length(max_length, model.max_length)
        self.cut_pairs = 0
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
        folder = Path(folder).expanduser() if artifacts is None else locate(folder, Path(artifacts))
        if not (folder / MODEL).is_dir():
            runtime = resolve_runtime(device="cpu", precision="fp32", threads=threads)
            exported = ExportedModel.read(folder, backend, max_length, precision)
            return cls(exported, runtime, exit_at, lambda: read_calibration(folder))
        if backend not in (AUTO, "torch"):
            raise ModelError(f"{folder}: expected an export where backend={backend}; run tmkd export --to {backend}.")
        runtime = resolve_runtime(device=device, precision=precision, threads=threads)
        artifact = open_artifact(folder)
        student = PairClassifier.load(artifact.folder(MODEL), attention=runtime.attention)
        return cls(student, runtime, exit_at, lambda: calibration_of(artifact, exit=exit_at), max_length)

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
    def cutoffs(self) -> tuple[Cutoff, ...]:
        """Scores, as of ``predict``, that keep 99, 95, 90 and 80 % of the right answers (raises: ``calibration``)."""
        return self.calibration.cutoffs

    def score(
        self,
        questions: Sequence[str],
        passages: Sequence[str],
        batch_size: int | None = None,
        calibrated: bool = False,
    ) -> np.ndarray:
        """Return the probabilities ``[pairs, classes]``, float64, of each question with the passage at its place.

        Of a model with one logit, which learnt grades or numbers, they are scores ``[pairs, 1]``.

        Args:
            batch_size: pairs scored at once; None: what suits the device.
            calibrated: map them so that of the pairs with 0.8, about 80 % are right; see ``calibration``.

        Raises:
            DataError: not as many questions as passages, or something that is no text.
            ModelError: as ``calibration``.
        """
        if calibrated:
            return self.calibration.apply(self.score(questions, passages, batch_size))
        check_texts(questions, passages)
        if not len(questions):
            return np.empty((0, len(self.classes)))
        model = self.model
        with self._turn:
            if isinstance(model, ExportedModel):
                return model.probabilities(questions, passages, batch_size)
            runtime = replace(self.runtime, score_batch=batch_size) if batch_size else self.runtime
            tokens = self._tokens(model, list(questions), list(passages))
            logits = predict(model, tokens, runtime, answer=self.answer(model))
        return self.averaged(model, logits)

    def _tokens(self, model: PairClassifier, questions: list[str], passages: list[str]) -> Dataset:
        """Tokenise pairs and count those that are cut; the first time, say so."""
        columns, lost = encode_and_count(questions, passages, model.tokenizer, self.max_length, model.long)
        cut = sum(lost)
        if cut and not self.cut_pairs:
            log.warning(
                "%d of %d pairs are longer than the %d tokens that this model reads and lose text; this is "
                "logged once.",
                cut,
                len(questions),
                self.max_length,
            )
        self.cut_pairs += cut
        return Dataset.from_dict(columns)

    def averaged(self, model: PairClassifier, logits: np.ndarray) -> np.ndarray:
        """Return the probabilities ``[pairs, classes]``, float64, of what ``answer`` gave."""
        heads = model.predicting if self.exit_at is None else [0]
        return average_probabilities(logits[:, heads].transpose(1, 0, 2))

    def answer(self, model: PairClassifier) -> Callable[..., Tensor]:
        """Return what answers a batch: all heads' logits ``[batch, heads, classes]``, or those of the exit, as one."""
        layer = self.exit_at
        if layer is None:
            return logits_of(model)
        tiny = torch.finfo(torch.float32).tiny
        return lambda **batch: model.predict_exit(layer, **batch).float().clamp(min=tiny).log().unsqueeze(1)

    def predict(self, pairs: Sequence[tuple[str, str]], batch_size: int | None = None) -> np.ndarray:
        """Return a score for each (question, passage), ``[pairs]`` float64: the higher, the more surely right.

        It is the log-odds of the last class, ``log p − log(1 − p)``: 0 where it is as likely as all others together.
        For probabilities see ``score``. Of a model that learnt grades or numbers it is the score itself.

        Raises:
            DataError: a pair is not two texts.
        """
        for place, pair in enumerate(pairs):
            if isinstance(pair, str) or len(pair) != 2:
                raise DataError(f"pairs[{place}]: expected a question and a passage, got {pair!r:.60}.")
        return self._scores(self.score([pair[0] for pair in pairs], [pair[1] for pair in pairs], batch_size))

    def rank(
        self,
        query: str,
        documents: Sequence[str],
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
        if not isinstance(query, str):
            raise DataError(f"query: expected a text, got {type(query).__name__} ({query!r:.40}).")
        check_texts([query] * len(documents), documents)
        calibrate = self.calibration.apply if calibrated else None
        found = self.score([query] * len(documents), documents, batch_size)
        scores = self._scores(found)
        probabilities = calibrate(found)[:, -1] if calibrate and len(found) else scores
        ranked = []
        for at in np.argsort(-scores, kind="stable")[:top_k].tolist():
            row: dict[str, Any] = {"corpus_id": at, "score": float(scores[at])}
            row |= {"probability": float(probabilities[at])} if calibrated else {}
            ranked.append(row | ({"text": documents[at]} if return_documents else {}))
        return ranked

    def _scores(self, found: np.ndarray) -> np.ndarray:
        """Return the scores ``[pairs]`` of what ``score`` returned."""
        last = found[:, -1]
        return last if len(self.classes) == 1 else log_odds(last)
