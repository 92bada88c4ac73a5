"""``cross-encoder``: a modular ``CrossEncoder`` of sentence-transformers, which computes any student exactly."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from sentence_transformers import CrossEncoder
from sentence_transformers.base.modules import Dense, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from torch import nn

from tmkd.export.student import Student
from tmkd.export.tokenizer import portable_tokenizer

POOLING = {"first": "cls", "last": "lasttoken", "mean": "mean"}  # our names, and theirs


def write_modular(student: Student, folder: Path) -> None:
    """Write ``modules.json``, and what it names: the encoder, its pooling and the linear map."""
    model = student.model
    weight, bias = student.linear()
    with TemporaryDirectory(dir=folder) as place:  # Transformer is made of a folder alone; a kill leaves it in ours
        model.encoder.save_pretrained(place)
        portable_tokenizer(model).save_pretrained(place)
        encoder = Transformer(place)
    if (pooler := getattr(encoder.model, "pooler", None)) is not None:  # drawn at random, and read by nobody
        for parameter in pooler.parameters():
            torch.nn.init.zeros_(parameter)
    encoder.model.config.update(student.config())
    width = weight.shape[1]
    # CrossEncoder finds its scores by this name
    dense = Dense(width, len(weight), True, nn.Identity(), weight, bias, module_output_name="scores")
    pooling = Pooling(width, POOLING[model.pooling])
    cross_encoder = CrossEncoder(modules=[encoder, pooling, dense], device="cpu", activation_fn=nn.Identity())
    cross_encoder.save_pretrained(str(folder), create_model_card=False)
