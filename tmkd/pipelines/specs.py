"""Configuration to identities: what shapes each result, and nothing else.

Settings that make no difference are left out or brought to one form (one teacher's ``heads``, ``average`` and ``one``
are the same run; α says nothing where nobody teaches), so that equal runs have equal keys whatever they were called.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tmkd.choices import ALWAYS_MAPPED, POOLED
from tmkd.config import (
    Config,
    CorpusConfig,
    DataConfig,
    EncoderConfig,
    TeacherConfig,
    TermConfig,
    encoder_of,
    settings,
)
from tmkd.models.embedded import WEIGHTS_SHA256
from tmkd.models.hub import commit_of, folder_of, shaping_files
from tmkd.models.vectors import vectors_digest
from tmkd.store.artifacts import checksum

# What each reader looks at; the paths of files are not part of an identity, their content is.
COLUMNS = ("question", "passage", "question_id")
LABELLED = ("reader", "classes", "labels", "ranking", "rankable_only", "on_bad_row", "label", *COLUMNS)
DRAWN = ("validation_share", "seed")  # where no validation split is named
TASK_FIELDS = {
    "documentation": ("reader", "classes", "ranking", "questions", "negatives", "passage_words", "seed"),
    "files": LABELLED,
    "hub": (*LABELLED, "train", "validation", "test"),
}
CORPUS_FIELDS = {
    "documentation": ("reader", "questions", "candidates", "random"),
    "files": ("reader", *COLUMNS),
    "hub": ("reader", "split", *COLUMNS),
    "mined": ("reader", "candidates", "random", "seed", *COLUMNS),
    "task": ("reader", "candidates", "random", "seed"),
}


def task_spec(config: Config, raw: dict[str, Any]) -> dict[str, Any]:
    """The labelled task: how it is read, and ``raw``, the checksum or versions of what it is read from."""
    data = config.data
    drawn = DRAWN if data.reader != "documentation" and not data.validation else ()
    picked = _pick(settings(data), (*TASK_FIELDS[data.reader], *drawn))
    return {"data": picked | _table_spec(data), "raw": raw}


def corpus_spec(config: Config, raw: dict[str, Any]) -> dict[str, Any]:
    """The unlabelled corpus, in the same way."""
    reader = config.corpus.reader
    shared = ("passage_words", "seed") if reader == "documentation" else ("on_bad_row",)  # of ``data``
    spec = {
        "corpus": _pick(settings(config.corpus), CORPUS_FIELDS[reader]) | _table_spec(config.corpus),
        # made from the task's own pairs, it is shaped by all that shapes them
        **(task_spec(config, raw) if reader == "task" else {"data": _pick(settings(config.data), shared), "raw": raw}),
    }
    return spec | ({"pairs": config.corpus.pairs} if config.corpus.pairs else {})


def _table_spec(section: DataConfig | CorpusConfig) -> dict[str, Any]:
    """How the fields of a table are separated and quoted, where that is not the default."""
    spec = {"separator": section.separator} if section.separator and section.reader in ("files", "mined") else {}
    quoted = section.quoting == "csv" or section.reader not in ("files", "hub", "mined")
    return spec if quoted else spec | {"quoting": section.quoting}


def encoder_spec(encoder: EncoderConfig) -> dict[str, Any]:
    """An encoder's identity: checksums of what is read of it, or its commit on the hub (ModelError: see commit_of)."""
    common = {"pooling": encoder.pooling}
    if encoder.source == "embedded":
        return {**common, "sha256": WEIGHTS_SHA256}
    if encoder.source == "tiny":
        return {**common, "tiny": [encoder.layers, encoder.width, encoder.seed]}
    if encoder.source == "bilstm":
        made = _pick(settings(encoder), ("layers", "width", "seed", "words", "dimensions"))
        return {**common, "bilstm": made | {"vectors": vectors_digest(encoder.vectors) if encoder.vectors else None}}
    if (folder := folder_of(encoder.name)) is not None:
        files = shaping_files(folder, code=encoder.trust_remote_code)
        return {**common, "files": {name: checksum(path) for name, path in files.items()}}
    return {**common, "name": encoder.name, "revision": commit_of(str(encoder.name), encoder.revision)}


def teacher_spec(config: Config, teacher: TeacherConfig, task: str) -> dict[str, Any]:
    """A teacher: the task's key, its encoder and its hyperparameters."""
    encoder = encoder_of(teacher, config)
    spec = settings(teacher) | {"max_length": teacher.max_length or encoder.max_length}
    return {"task": task, **spec, "encoder": encoder_spec(encoder), "trainer": settings(config.trainer)}


def student_spec(config: Config, made: str | None = None) -> dict[str, Any]:
    """The student's architecture.

    Args:
        made: the key of its encoder's artifact, where that is made from the data; without it, ValueError there.
    """
    student, encoder = config.student, encoder_of(config.student, config)
    if encoder.source == "bilstm" and made is None:
        raise ValueError("expected the key of the encoder that is made from the data")
    identity = {"made": made} if made else encoder_spec(encoder)
    spec = {
        "encoder": identity | {"pooling": student.pooling or encoder.pooling},
        "layers": student.layers,
        "dropout": student.dropout,
        "freeze_embeddings": student.freeze_embeddings,
        "max_length": student.max_length or encoder.max_length,
    }
    if not student.token_types:
        spec["token_types"] = False
    return spec if student.keep == "bottom" or student.layers is None else spec | {"keep": student.keep}


def soft_spec(loss: str, temperature: float) -> dict[str, Any]:
    """The soft loss; squared error on logits knows no temperature."""
    return {"loss": loss} if loss == "mse" else {"loss": loss, "temperature": temperature}


def weights_spec(kind: str, shares: list[float]) -> dict[str, Any]:
    """How much each of several teachers counts."""
    return {"kind": kind, "shares": shares} if kind == "fixed" else {"kind": kind}


def teaching_spec(made_of: Mapping[str, Any]) -> dict[str, Any]:
    """How a teacher's heads make one answer; nothing where it has one head.

    Args:
        made_of: its own spec; a teacher's, or that of a student that teaches the next one.
    """
    return {"heads": "probabilities"} if "teachers" in made_of and "mix" not in made_of else {}


def term_spec(term: TermConfig) -> dict[str, Any]:
    """A term: the vector that it reads where it reads one, and the map where that is learnt at equal widths, too."""
    spec = settings(term)
    if term.loss not in POOLED:
        del spec["pooling"]
    return spec | {"map": "learnt"} if term.loss in ALWAYS_MAPPED else spec


def course_spec(**numbers: tuple[float, float | None, str]) -> dict[str, Any]:
    """Numbers that change while training goes on: (start, end, how); those that stay are not named."""
    return {name: [float(end), kind] for name, (start, end, kind) in numbers.items() if end not in (None, start)}


def _pick(section: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: section[name] for name in names}
