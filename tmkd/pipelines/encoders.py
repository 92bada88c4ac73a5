"""Encoders that are made from the data: the Bi-LSTM, whose words are those of the task and the corpus.

One is made once and kept as an ordinary folder of ``save_pretrained``; from there it is loaded as any local checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tmkd.config import EncoderConfig, StudentConfig, TeacherConfig, encoder_of
from tmkd.models.hub import commit_of, folder_of
from tmkd.pipelines.context import CORPUS, RunContext
from tmkd.pipelines.specs import encoder_spec, student_spec
from tmkd.store.artifacts import Artifact
from tmkd.store.identity import key

ENCODER = "encoder"
TEACHERS_ENCODER = "model/encoder"  # where a teacher's artifact holds it
LOADED = ("source", "name", "revision", "trust_remote_code", "pooling", "layers", "width", "seed")
MADE = ("words", "vectors", "dimensions", "layers", "width", "seed")


def encoder_source(
    context: RunContext, member: TeacherConfig | StudentConfig, start: Artifact | None = None
) -> dict[str, Any]:
    """Return what ``load_encoder`` is to be told of a member's encoder; make that encoder if it is not there yet.

    ``start`` is a trained teacher whose encoder the member starts from instead.
    """
    encoder = encoder_of(member, context.config)
    if start is not None:
        trusted = {"trust_remote_code": encoder.trust_remote_code}
        return {"name": str(start.folder(TEACHERS_ENCODER)), "pooling": encoder.pooling, **trusted}
    if encoder.source != "bilstm":
        told = {name: getattr(encoder, name) for name in LOADED}
        if encoder.source == "hub" and folder_of(encoder.name) is None:  # the one that the result is known by
            told["revision"] = commit_of(str(encoder.name), encoder.revision)
        return told
    return {"name": str(_made(context, encoder).folder(ENCODER)), "pooling": encoder.pooling}


def student_identity(context: RunContext, start: Artifact | None = None) -> dict[str, Any]:
    """Return what a student's artifacts are known by: ``student_spec``, with the key of an encoder that is made, and of
    the teacher that it starts from."""
    encoder = encoder_of(context.config.student, context.config)
    made = key("encoder", _spec(context, encoder)) if encoder.source == "bilstm" else None
    return student_spec(context.config, made) | ({"init": start.key} if start else {})


def _spec(context: RunContext, encoder: EncoderConfig) -> dict[str, Any]:
    # The corpus counts where any arm needs it, so that all students of a comparison know the same words.
    corpus = context.corpus.key if context.needs_corpus else None
    return {"task": context.task_key, "corpus": corpus, "bilstm": encoder_spec(encoder)["bilstm"]}


def _made(context: RunContext, encoder: EncoderConfig) -> Artifact:
    spec = _spec(context, encoder)

    def texts() -> Iterator[list[str]]:
        for split in ("train", *([CORPUS] if context.needs_corpus else [])):
            for batch in context.rows(split).iter(1000):
                yield batch["question"]
                yield batch["passage"]

    def make(work: Path) -> dict[str, Any]:
        from tmkd.models.bilstm import make_bilstm

        model, tokenizer, facts = make_bilstm(texts(), **{name: getattr(encoder, name) for name in MADE})
        model.save_pretrained(work / ENCODER)
        tokenizer.save_pretrained(work / ENCODER)
        return {**facts, "vectors": Path(encoder.vectors).name if encoder.vectors else "random"}

    return context.store.build("encoder", spec, make, f"Bi-LSTM over {encoder.words} words")
