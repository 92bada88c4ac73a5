"""``hf``: a sequence classifier of transformers, without code of its own.

Its head is not the student's: between the vector of the pair and the logits most families have a dense layer and an
activation. Two rows of the dense layer hold a linear map z through it:

- ReLU and GELU: f(z) − f(−z) = z, exactly.
- tanh: (8 tanh(εz/2) − tanh(εz)) / 3ε = z − ε⁴z⁵/30 + ..., the error of order ε² being cancelled (Richardson). It rises
  with z everywhere. With ε = 2⁻⁸ the error is below float32's own up to |z| = 8, and 10⁻⁵ at 16.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from transformers import (
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING,
    AutoModelForSequenceClassification,
    PretrainedConfig,
    PreTrainedModel,
)

from tmkd.choices import CROSS_ENCODER
from tmkd.errors import ModelError
from tmkd.export.decoder import NORMS, hold_last, pad_apart
from tmkd.export.student import Student
from tmkd.export.tokenizer import portable_tokenizer

EPSILON = 2.0**-8
IDENTITY = {"activation_fn": "torch.nn.modules.linear.Identity", "version": version("sentence-transformers")}


class Head(NamedTuple):
    """Where a family's sequence classifier has its two linear layers, and whether there is a tanh between them."""

    dense: str
    out: str
    tanh: bool


HEADS = {
    "bert": Head("bert.pooler.dense", "classifier", True),
    "albert": Head("albert.pooler", "classifier", True),
    "roberta": Head("classifier.dense", "classifier.out_proj", True),
    "xlm-roberta": Head("classifier.dense", "classifier.out_proj", True),
    "camembert": Head("classifier.dense", "classifier.out_proj", True),
    "mpnet": Head("classifier.dense", "classifier.out_proj", True),
    "electra": Head("classifier.dense", "classifier.out_proj", False),
    "deberta-v2": Head("pooler.dense", "classifier", False),
    "distilbert": Head("pre_classifier", "classifier", False),
}


def check_checkpoint(student: Student) -> None:
    """Raise ModelError for a student that no sequence classifier of transformers computes."""
    model, kind = student.model, student.model.encoder.config.model_type
    exact = f"--to {CROSS_ENCODER} is exact for it"
    if kind not in (*HEADS, *NORMS):
        raise ModelError(
            f"--to hf: expected an encoder of the families {', '.join((*HEADS, *NORMS))}, got {kind}, whose classifier "
            f"in transformers cannot hold the student's head (a decoder's has no bias); {exact}."
        )
    reads = "last" if kind in NORMS else "first"
    if model.pooling != reads:
        raise ModelError(
            f"--to hf: expected a student that reads the {reads} token (student.pooling={reads}), got "
            f"pooling={model.pooling}, which a plain {kind} classifier cannot compute; {exact}, or train it with "
            f"student.pooling={reads}."
        )
    if 2 * len(student.labels) > model.encoder.config.hidden_size:
        raise ModelError(
            f"--to hf: expected at least twice as many units as scores, got {model.encoder.config.hidden_size} units "
            f"and {len(student.labels)} scores; {exact}."
        )


def write_checkpoint(student: Student, folder: Path) -> None:
    """Write ``config.json``, ``model.safetensors`` and the tokenizer (ModelError: see ``check_checkpoint``)."""
    check_checkpoint(student)
    encoder, tokenizer = student.model.encoder, portable_tokenizer(student.model)
    kind = encoder.config.model_type
    classifier = AutoModelForSequenceClassification.from_config(classifier_config(student), dtype=torch.float32)
    missing, unknown = classifier.base_model.load_state_dict(encoder.state_dict(), strict=False)
    if unknown or any(not name.startswith("pooler.") for name in missing):
        raise ModelError(f"--to hf: weights of {type(encoder).__name__} have no place: {[*unknown, *missing][:3]}.")
    _take_two_types(classifier.base_model)
    weight, bias = student.linear()
    if kind in NORMS:
        pad_apart(tokenizer)
        hold_last(weight, bias, classifier, tokenizer)
    else:
        head = HEADS[kind]
        hold(weight, bias, classifier.get_submodule(head.dense), classifier.get_submodule(head.out), head.tanh)
    classifier.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@torch.no_grad()
def _take_two_types(model: PreTrainedModel) -> None:
    """Let a BERT without token types take any: servers in other languages send those of ``tokenizer.json``."""
    types = getattr(getattr(model, "embeddings", None), "token_type_embeddings", None)
    if model.config.model_type == "bert" and isinstance(types, nn.Embedding) and types.num_embeddings == 1:
        two = nn.Embedding.from_pretrained(types.weight.repeat(2, 1), freeze=False)
        model.get_submodule("embeddings").register_module("token_type_embeddings", two)
        model.config.type_vocab_size = 2


def classifier_config(student: Student) -> PretrainedConfig:
    """Return the config of the sequence classifier that other programs take the folder for."""
    config = type(student.model.encoder.config).from_dict(student.model.encoder.config.to_dict() | student.config())
    config.pad_token_id = student.model.tokenizer.pad_token_id
    known = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING
    config.architectures = [getattr(known[type(config)], "__name__", "")] if type(config) in known else None
    config.sentence_transformers = IDENTITY
    return config


@torch.no_grad()
def hold(weight: Tensor, bias: Tensor, dense: nn.Module, out: nn.Module, tanh: bool) -> None:
    """Let two layers, with an activation between them, compute a linear map (see the top of the file).

    Args:
        weight, bias: of the map, ``[scores, width]`` and ``[scores]``.
        dense, out: linear layers, changed in place; rows of ``dense`` that are not needed become 0.
        tanh: the activation; otherwise it is ReLU or GELU.
    """
    count = len(weight)
    into = (EPSILON, EPSILON / 2) if tanh else (1.0, -1.0)
    back = (-1 / (3 * EPSILON), 8 / (3 * EPSILON)) if tanh else (1.0, -1.0)
    for parameter in (*dense.parameters(), *out.parameters()):
        parameter.zero_()
    for part, (scale, share) in enumerate(zip(into, back)):
        rows = slice(part * count, (part + 1) * count)
        dense.weight[rows] = scale * weight  # type: ignore[operator]
        dense.bias[rows] = scale * bias  # type: ignore[operator]
        out.weight[:, rows] = share * torch.eye(count)  # type: ignore[operator]
