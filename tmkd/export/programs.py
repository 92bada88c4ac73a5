"""The programs that read an export: each scores pairs of texts by its own tokenizer, model and head."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from tmkd.choices import CROSS_ENCODER, HF, ONNX, ONNX_INT8, OPENVINO
from tmkd.export.graph import FILE, OPENVINO_FILE, SCORES
from tmkd.export.int8 import int8_file
from tmkd.export.pairs import Pairs

BATCH = 32
Forward = Callable[[dict[str, np.ndarray]], np.ndarray]  # tokens [batch, tokens] by name, to scores [batch, scores]


@dataclass(frozen=True)
class Program:
    """Who reads a folder.

    Attributes:
        score: of a folder and pairs to scores ``[pairs, scores]``, before any softmax or sigmoid.
        package: what must be installed.
        most: pairs that it is asked for, where it is slow.
    """

    name: str
    package: str
    score: Callable[[Path, Pairs], np.ndarray]
    most: int | None = None

    @property
    def installed(self) -> bool:
        return find_spec(self.package) is not None


def _by_batches(folder: Path, pairs: Pairs, forward: Forward, what: str) -> np.ndarray:
    """Score pairs, those of similar length together, with the tokenizer of the folder."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    order = np.argsort([-len(question) - len(passage) for question, passage in zip(pairs.questions, pairs.passages)])
    found: list[np.ndarray] = []
    with tqdm(total=len(order), desc=what, unit="pair", dynamic_ncols=True, leave=False, mininterval=1) as bar:
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            texts = ([column[at] for at in chosen] for column in (pairs.questions, pairs.passages))
            found.append(forward(dict(tokenizer(*texts, truncation=True, padding=True, return_tensors="np"))))
            bar.update(len(chosen))
    scores = np.concatenate(found)
    back = np.empty_like(scores)
    back[order] = scores
    return back


def _transformers(folder: Path, pairs: Pairs) -> np.ndarray:
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()

    @torch.inference_mode()
    def forward(tokens: dict[str, np.ndarray]) -> np.ndarray:
        scores: np.ndarray = model(**{name: torch.from_numpy(ids) for name, ids in tokens.items()}).logits.numpy()
        return scores

    return _by_batches(folder, pairs, forward, "transformers")


def _pipeline(folder: Path, pairs: Pairs) -> np.ndarray:
    from transformers import pipeline

    run = pipeline("text-classification", model=str(folder), device="cpu")
    texts = [{"text": question, "text_pair": passage} for question, passage in zip(pairs.questions, pairs.passages)]
    found = run(texts, top_k=None, function_to_apply="none", truncation=True, padding=True, batch_size=BATCH)
    names: Any = run.model.config.label2id
    scores = np.empty((len(pairs), len(names)))
    answer: Any
    for row, answer in enumerate(found):
        for each in answer:
            scores[row, names[each["label"]]] = each["score"]
    return scores


def _sentence_transformers(folder: Path, pairs: Pairs) -> np.ndarray:
    from sentence_transformers import CrossEncoder

    texts = list(zip(pairs.questions, pairs.passages))
    found = CrossEncoder(str(folder), device="cpu").predict(texts, batch_size=BATCH, show_progress_bar=False)
    return np.asarray(found).reshape(len(texts), -1)


def onnx_session(file: Path, threads: int = 0) -> Any:
    """Return an ONNX Runtime session on the CPU; ``threads`` 0: as many as there are cores."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def _onnx_runtime(folder: Path, pairs: Pairs, file_of: Callable[[Path], Path]) -> np.ndarray:
    session = onnx_session(file_of(folder), torch.get_num_threads())
    return _by_batches(folder, pairs, lambda tokens: session.run([SCORES], tokens)[0], "ONNX Runtime")


def _openvino(folder: Path, pairs: Pairs) -> np.ndarray:
    import openvino

    threads = {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "INFERENCE_PRECISION_HINT": "f32"}
    model = openvino.Core().compile_model(folder / OPENVINO_FILE, "CPU", threads)
    return _by_batches(folder, pairs, lambda tokens: model(tokens)[SCORES], "OpenVINO")


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
