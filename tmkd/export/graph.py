"""``onnx`` and ``openvino``: the student as a graph, from tokens to ``logits``, where sentence-transformers looks."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tmkd.choices import CROSS_ENCODER
from tmkd.errors import ModelError
from tmkd.export.checkpoint import classifier_config
from tmkd.export.student import Student
from tmkd.export.tokenizer import portable_tokenizer
from tmkd.models.hub import first_sentence
from tmkd.models.states import pooled

FILE = Path("onnx", "model.onnx")
OPENVINO_FILE = Path("openvino", "openvino_model.xml")
SCORES = "logits"


class _Scorer(nn.Module):
    """An encoder with one linear map."""

    def __init__(self, student: Student) -> None:
        super().__init__()
        self.encoder, self.pooling = student.model.encoder, student.model.pooling
        weight, bias = student.linear()
        self.linear = nn.Linear(weight.shape[1], weight.shape[0])
        self.linear.load_state_dict({"weight": weight, "bias": bias})

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None) -> Tensor:
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **types).last_hidden_state
        scores: Tensor = self.linear(pooled(states, attention_mask, self.pooling))
        return scores


def write_onnx(student: Student, folder: Path) -> None:
    """Write ``onnx/model.onnx``, ``config.json`` and the tokenizer; batch and tokens may be of any size."""
    import onnx

    tokenizer = portable_tokenizer(student.model)
    example = tokenizer(["one", "one two"], ["one two", "one"], padding=True, return_tensors="pt")
    axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("tokens")}
    try:
        with _quiet():
            program = torch.onnx.export(
                _Scorer(student).eval(),
                kwargs=dict(example),
                input_names=list(example),
                output_names=[SCORES],
                dynamic_shapes=dict.fromkeys(example, axes),
                dynamo=True,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        kind, why = student.model.encoder.config.model_type, first_sentence(Exception(error.__cause__))
        raise ModelError(
            f"--to onnx: torch.onnx cannot follow an encoder of the family {kind} ({why}); export --to {CROSS_ENCODER}."
        ) from error
    graph = program.model_proto  # type: ignore[union-attr]
    _keep_layer_norm_fast(graph.graph)
    (folder / FILE).parent.mkdir(parents=True)
    onnx.save(graph, folder / FILE)
    _write_rest(student, tokenizer, folder)


def write_openvino(student: Student, folder: Path) -> None:
    """Write ``openvino/openvino_model.xml`` and ``.bin``, in float32, ``config.json`` and the tokenizer."""
    import openvino

    write_onnx(student, folder)
    model = openvino.convert_model(folder / FILE)
    (folder / OPENVINO_FILE).parent.mkdir()
    openvino.save_model(model, folder / OPENVINO_FILE, compress_to_fp16=False)
    (folder / FILE).unlink()
    (folder / FILE).parent.rmdir()


def _write_rest(student: Student, tokenizer: Any, folder: Path) -> None:
    classifier_config(student).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _keep_layer_norm_fast(graph: Any) -> None:
    """Call the additions before layer norms ``Sum``, which computes the same.

    ONNX Runtime would join each ``Add`` with its layer norm to an operator that takes several times as long as the two
    (1.32, CPU): a quarter of an int8 student's time.
    """
    made = {name: node for node in graph.node for name in node.output}
    for node in graph.node:
        before = made.get(node.input[0]) if node.op_type == "LayerNormalization" else None
        if before is not None and before.op_type == "Add":
            before.op_type = "Sum"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's notes on operators that are not used here to itself."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
