"""The programs that read an export: each scores pairs of texts by its own tokenizer, model and head."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tmkd.choices import CROSS_ENCODER, HF, ONNX, ONNX_INT8, OPENVINO
from tmkd.export.graph import FILE, OPENVINO_FILE, SCORES
from tmkd.export.int8 import int8_file

BATCH = 32
Forward = Callable[[dict[str, np.ndarray]], np.ndarray]  # tokens [batch, tokens] by name, to scores [batch, scores]
# Questions, passages and the size of a batch, to scores [pairs, scores] before any softmax or sigmoid
Scorer = Callable[[Sequence[str], Sequence[str], int], np.ndarray]


@dataclass(frozen=True)
class Program:
    """Who reads a folder.

    Attributes:
        load: of a folder, and how many tokens of a pair are read (None: the student's own ``max_length``), to what
            scores pairs by it, on the CPU.
        package: what must be installed.
        most: pairs that it is asked for, where it is slow.
    """

    name: str
    package: str
    load: Callable[[Path, int | None], Scorer]
    most: int | None = None

    @property
    def installed(self) -> bool:
        return find_spec(self.package) is not None


def _by_batches(folder: Path, max_length: int | None, forward: Forward) -> Scorer:
    """Return what scores pairs, those of similar length together, with the tokenizer of the folder."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.model_max_length = max_length or tokenizer.model_max_length

    def score(questions: Sequence[str], passages: Sequence[str], batch: int) -> np.ndarray:
        order = np.argsort([-len(question) - len(passage) for question, passage in zip(questions, passages)])
        found: list[np.ndarray] = []
        for start in range(0, len(order), batch):
            texts = ([column[at] for at in order[start : start + batch]] for column in (questions, passages))
            found.append(forward(dict(tokenizer(*texts, truncation=True, padding=True, return_tensors="np"))))
        scores = np.concatenate(found)
        back = np.empty_like(scores)
        back[order] = scores
        return back

    return score


def _transformers(folder: Path, max_length: int | None) -> Scorer:
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()

    @torch.inference_mode()
    def forward(tokens: dict[str, np.ndarray]) -> np.ndarray:
        scores: np.ndarray = model(**{name: torch.from_numpy(ids) for name, ids in tokens.items()}).logits.numpy()
        return scores

    return _by_batches(folder, max_length, forward)


def _pipeline(folder: Path, max_length: int | None) -> Scorer:
    from transformers import pipeline

    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.model_max_length = max_length or tokenizer.model_max_length
    run = pipeline("text-classification", model=str(folder), tokenizer=tokenizer, device="cpu")
    names: Any = run.model.config.label2id

    def score(questions: Sequence[str], passages: Sequence[str], batch: int) -> np.ndarray:
        texts = [{"text": question, "text_pair": passage} for question, passage in zip(questions, passages)]
        found = run(texts, top_k=None, function_to_apply="none", truncation=True, padding=True, batch_size=batch)
        scores = np.empty((len(texts), len(names)))
        answer: Any
        for row, answer in enumerate(found):
            for each in answer:
                scores[row, names[each["label"]]] = each["score"]
        return scores

    return score


def _sentence_transformers(folder: Path, max_length: int | None) -> Scorer:
    from sentence_transformers import CrossEncoder

    model = CrossEncoder(str(folder), device="cpu", max_length=max_length)

    def score(questions: Sequence[str], passages: Sequence[str], batch: int) -> np.ndarray:
        texts = list(zip(questions, passages))
        return np.asarray(model.predict(texts, batch_size=batch, show_progress_bar=False)).reshape(len(texts), -1)

    return score


def _onnx_runtime(folder: Path, max_length: int | None, file_of: Callable[[Path], Path]) -> Scorer:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(file_of(folder), options, providers=["CPUExecutionProvider"])
    return _by_batches(folder, max_length, lambda tokens: session.run([SCORES], tokens)[0])


def _openvino(folder: Path, max_length: int | None) -> Scorer:
    import openvino

    threads = {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "INFERENCE_PRECISION_HINT": "f32"}
    model = openvino.Core().compile_model(folder / OPENVINO_FILE, "CPU", threads)
    return _by_batches(folder, max_length, lambda tokens: model(tokens)[SCORES])


_SENTENCE_TRANSFORMERS = Program("sentence-transformers", "sentence_transformers", _sentence_transformers)
PROGRAMS = {
    HF: (
        Program("transformers", "transformers", _transformers),
        Program("transformers pipeline", "transformers", _pipeline, most=256),
        _SENTENCE_TRANSFORMERS,
    ),
    CROSS_ENCODER: (_SENTENCE_TRANSFORMERS,),
    ONNX: (Program("ONNX Runtime", "onnxruntime", partial(_onnx_runtime, file_of=lambda folder: folder / FILE)),),
    ONNX_INT8: (Program("ONNX Runtime", "onnxruntime", partial(_onnx_runtime, file_of=int8_file)),),
    OPENVINO: (Program("OpenVINO", "openvino", _openvino),),
}
