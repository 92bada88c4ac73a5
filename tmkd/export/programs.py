"""The programs that read an export: each scores pairs of texts by its own tokenizer, model and head."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
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
ONNX_BATCH = 16  # what ONNX Runtime computes of more leaves the cache between its operators: in int8 a sixth slower
WINDOW = 512  # pairs that are tokenised together and sorted by their tokens, of which texts' lengths say too little
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
        batch: pairs that it scores fastest at once.
    """

    name: str
    package: str
    load: Callable[[Path, int | None], Scorer]
    most: int | None = None
    batch: int = BATCH

    @property
    def installed(self) -> bool:
        return find_spec(self.package) is not None


def _by_batches(folder: Path, max_length: int | None, forward: Forward) -> Scorer:
    """Return what scores pairs, those of similar length together, with the tokenizer of the folder."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.model_max_length = max_length or tokenizer.model_max_length

    def score(questions: Sequence[str], passages: Sequence[str], batch: int) -> np.ndarray:
        found = []
        for start in range(0, len(questions), WINDOW):
            pairs = slice(start, start + WINDOW)
            tokens = tokenizer(list(questions[pairs]), list(passages[pairs]), truncation=True)
            chosen = batches([len(ids) for ids in tokens["input_ids"]], batch)
            scores = []
            for places in chosen:
                rows = {name: [column[at] for at in places] for name, column in tokens.items()}
                scores.append(forward(dict(tokenizer.pad(rows, return_tensors="np"))))
            found.append(np.concatenate(scores)[np.argsort(np.concatenate(chosen))])
        return np.concatenate(found)

    return score


def batches(lengths: Sequence[int], most: int) -> list[np.ndarray]:
    """Return the places of all pairs, the longest first, in batches of at most ``most`` that differ by one at most."""
    order = np.argsort(-np.asarray(lengths), kind="stable")
    return np.array_split(order, -(-len(order) // most))


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


def _openvino(folder: Path, max_length: int | None, precision: str) -> Scorer:
    import openvino

    threads = {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "INFERENCE_PRECISION_HINT": precision}
    model = openvino.Core().compile_model(folder / OPENVINO_FILE, "CPU", threads)
    return _by_batches(folder, max_length, lambda tokens: model(tokens)[SCORES])


def _onnx_program(file_of: Callable[[Path], Path]) -> Program:
    return Program("ONNX Runtime", "onnxruntime", partial(_onnx_runtime, file_of=file_of), batch=ONNX_BATCH)


_SENTENCE_TRANSFORMERS = Program("sentence-transformers", "sentence_transformers", _sentence_transformers)
PROGRAMS = {
    HF: (
        Program("transformers", "transformers", _transformers),
        Program("transformers pipeline", "transformers", _pipeline, most=256),
        _SENTENCE_TRANSFORMERS,
    ),
    CROSS_ENCODER: (_SENTENCE_TRANSFORMERS,),
    ONNX: (_onnx_program(lambda folder: folder / FILE),),
    ONNX_INT8: (_onnx_program(int8_file),),
    OPENVINO: (Program("OpenVINO", "openvino", partial(_openvino, precision="f32")),),
}
OPENVINO_BF16 = Program("OpenVINO in bf16", "openvino", partial(_openvino, precision="bf16"))  # of the same folder


@dataclass(frozen=True)
class Readers:
    """The programs that read a folder of one target; the first one, which is asked more than once, loads it once."""

    target: str
    folder: Path

    @cached_property
    def installed(self) -> list[Program]:
        return [program for program in PROGRAMS[self.target] if program.installed]

    @property
    def missing(self) -> list[str]:
        return [program.name for program in PROGRAMS[self.target] if not program.installed]

    @cached_property
    def first(self) -> Scorer:
        """The scorer of the first installed program (IndexError: there is none)."""
        return self.installed[0].load(self.folder, None)

    def scorer(self, program: Program) -> Scorer:
        return self.first if program is self.installed[0] else program.load(self.folder, None)
