"""The teachers: an entry of the roster says by its ``kind`` what it is, and has the settings of that kind."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field, replace
from typing import Any, Optional

from tmkd.choices import (
    CUT,
    FINE_TUNED,
    POINTWISE,
)
from tmkd.config.marks import OF, of, settings
from tmkd.config.models import EncoderConfig

# what teachers have from the section where they have none of their own
INHERITED = ("group_size", "batch_questions", "gold_loss")


@dataclass
class LoraConfig:
    rank: Optional[int] = None  # width of each adapter B A, as 16; null: no adapters, all weights are trained
    alpha: float = 32.0  # what an adapter adds to its layer is B A times alpha / rank
    # ends of the names of the linear layers that get adapters, as [query, value]; null: all linear layers
    targets: Optional[list[str]] = None


@dataclass
class TeacherConfig:
    """An entry of the roster; ``of`` names the kinds of teacher that have a setting, where not all do."""

    # fine_tuned (on the task) | ready (a reranker or classifier as it is) | causal (a language model and a prompt)
    # | scores (a file of scores) | served (an endpoint)
    kind: str = FINE_TUNED
    learning_rate: float = field(default=5e-5, metadata=of(FINE_TUNED))  # peak, after the warm-up
    batch_size: int = field(default=32, metadata=of(FINE_TUNED))  # pairs a step, of all processes together
    # what a batch is made of, and questions a step; null: teachers.group_size, teachers.batch_questions
    group_size: Optional[int] = field(default=None, metadata=of(FINE_TUNED))
    batch_questions: Optional[int] = field(default=None, metadata=of(FINE_TUNED))  # likewise
    epochs: int = field(default=3, metadata=of(FINE_TUNED))  # the best one by the validation metric is kept
    # of attention and hidden states; null: the encoder's own
    dropout: Optional[float] = field(default=None, metadata=of(FINE_TUNED))
    freeze_embeddings: bool = field(default=False, metadata=of(FINE_TUNED))  # do not train the word embeddings
    # low-rank adapters: they and the head alone are trained, and merged into the encoder's weights at the end
    lora: Optional[LoraConfig] = field(default_factory=LoraConfig, metadata=of(FINE_TUNED))
    # tokens of a pair, its prompt included; null: the encoder's or checkpoint's own
    max_length: Optional[int] = field(default=None, metadata=of(FINE_TUNED, "ready", "causal"))
    # what is read of a passage that is too long, as encoder.long; null: the encoder's
    long: Optional[str] = field(default=None, metadata=of(FINE_TUNED))
    gold_loss: Optional[str] = field(default=None, metadata=of(FINE_TUNED))  # as teachers.gold_loss; null: that
    seed: int = field(default=1, metadata=of(FINE_TUNED))  # random seed of the head, the order of the data and dropout
    # inherits nothing from the run's encoder, unless its source is same
    encoder: EncoderConfig = field(default_factory=lambda: EncoderConfig(source="same"), metadata=of(FINE_TUNED))
    # a file or pattern of labelled pairs (of beir, a folder) to learn instead of the task's training split, in the
    # format, columns and classes of data (data.format, data.question, ...), whatever data.reader is
    train: Optional[str] = field(default=None, metadata=of(FINE_TUNED))
    # learn the task's training split too, where train is set
    train_with_task: bool = field(default=False, metadata=of(FINE_TUNED))
    # hub name or folder; of an endpoint, the model that is asked for
    name: Optional[str] = field(default=None, metadata=of("ready", "causal", "served"))
    # branch, tag or commit on the hub; the key of a result has the commit
    revision: Optional[str] = field(default=None, metadata=of("ready", "causal"))
    # run the checkpoint's own code; set it only for code that you have read
    trust_remote_code: bool = field(default=False, metadata=of("ready", "causal"))
    # a known prompt by its name, or a text with {query} and {document}
    prompt: Optional[str] = field(default=None, metadata=of("ready", "causal", "served"))
    # the words for right and wrong (served: with api openai); null: yes and no; [] (served): a score in JSON instead
    answers: Optional[list[str]] = field(default=None, metadata=of("causal", "served"))
    path: Optional[str] = field(default=None, metadata=of("scores"))  # the file
    # the file's format, as data.format but for beir and msmarco, which have no scores
    format: str = field(default="pairs", metadata=of("scores"))
    # file of the queries (of a format that has ids alone)
    queries: Optional[str] = field(default=None, metadata=of("scores"))
    documents: Optional[str] = field(default=None, metadata=of("scores"))  # file of the documents, likewise
    url: Optional[str] = field(default=None, metadata=of("served"))  # where it answers: http://127.0.0.1:8080
    api: str = field(default="tei", metadata=of("served"))  # tei | jina | cohere | openai
    # what its scores are, margin (log-odds) | probability; null: what the API usually gives
    scale: Optional[str] = field(default=None, metadata=of("served"))
    # NAME of the environment variable that holds the key, never the key itself
    api_key: Optional[str] = field(default=None, metadata=of("served"))
    concurrency: int = field(default=8, metadata=of("served"))  # requests under way at once
    requests_per_second: Optional[float] = field(default=None, metadata=of("served"))  # at most; null: no limit
    timeout: float = field(default=60.0, metadata=of("served"))  # seconds for one answer
    retries: int = field(default=6, metadata=of("served"))  # after the first try, at growing intervals
    texts_a_request: int = field(default=32, metadata=of("served"))  # passages of one question asked together
    budget_requests: Optional[int] = field(default=None, metadata=of("served"))  # the run stops after so many
    budget_money: Optional[float] = field(default=None, metadata=of("served"))  # the run stops at this price
    price_per_request: Optional[float] = field(default=None, metadata=of("served"))  # in the budget's currency
    price_per_1000_tokens: Optional[float] = field(default=None, metadata=of("served"))  # likewise


@dataclass
class TeachersConfig:
    count: Optional[int] = None  # N: the first N of the roster teach; null: all of it
    roster: list[TeacherConfig] = field(
        default_factory=list
    )  # the teachers, numbered from 1 in tables (and from 0 in settings, as all lists)
    # what fine-tuned teachers learn from gold labels by: pointwise (cross-entropy) | bce, as method.gold_loss; over a
    # question's passages, with teachers.group_size: listwise | listwise_each | ranknet | lambda
    gold_loss: str = "pointwise"
    # pairs that a teacher has no score for: raise (stop) | skip (leave them out) | average (the other teachers' mean)
    missing: str = "raise"
    # one scale for unlike teachers, a monotone map fitted on validation: none | temperature | platt | isotonic | rank
    # | linear (where labels are grades or numbers); null: none where all are fine-tuned here, else platt (more than two
    # classes: temperature; grades or numbers: linear)
    calibration: Optional[str] = None
    # copies of each fine-tuned teacher, each leaves a part of the training questions out and labels it; 0: none (and of
    # a teacher that does not learn the training split there are none)
    cross_fit: int = 0
    # of each fine-tuned teacher: what a batch is made of, as stage2.group_size
    group_size: Optional[int] = None
    # of each fine-tuned teacher: questions a step where group_size is set; null: as many as have about batch_size pairs
    batch_questions: Optional[int] = None

    @property
    def size(self) -> int:
        """How many teach."""
        return len(self.roster) if self.count is None else self.count

    @property
    def learn_files(self) -> bool:
        """Whether one of the roster learns pairs of files, which ``data`` says how to read whatever its reader is."""
        return any(teacher.train for teacher in self.roster)

    def scale_of(self, classes: int) -> str:
        """Return how scores are calibrated, for a task of so many classes; 1: its labels are grades or numbers."""
        if self.calibration is not None:
            return self.calibration
        if all(teacher.kind == FINE_TUNED for teacher in self.roster):
            return "none"
        return {1: "linear", 2: "platt"}.get(classes, "temperature")

    def settled(self, teacher: TeacherConfig) -> TeacherConfig:
        """Return a teacher of the roster with what it inherits from here."""
        if teacher.kind != FINE_TUNED:
            return teacher
        own = {name: getattr(teacher, name) for name in INHERITED}
        return replace(teacher, **{name: getattr(self, name) if own[name] is None else own[name] for name in own})

    @property
    def on_missing(self) -> str:
        """What is done about missing scores; teachers that are trained here have all."""
        return "raise" if all(teacher.kind == FINE_TUNED for teacher in self.roster) else self.missing


def kind_settings(teacher: TeacherConfig) -> dict[str, Any]:
    """Return the settings that a teacher of its kind has, without the kind itself.

    ``lora``, ``long``, ``train``, and those of groups and ranking, are there if it has any, so that teachers and
    comparisons of earlier versions, which had none of them, are found again.
    """
    kinds = {known.name: known.metadata.get(OF, ()) for known in dataclasses.fields(teacher)}
    found = {name: value for name, value in settings(teacher).items() if teacher.kind in kinds[name]}
    if teacher.lora is None or teacher.lora.rank is None:
        found.pop("lora", None)
    for name in ("long", *INHERITED):
        if found.get(name) in (None, POINTWISE):
            found.pop(name, None)
    if teacher.train is None:
        found.pop("train", None)
        found.pop("train_with_task", None)
    if "encoder" in found and teacher.encoder.long == CUT:
        del found["encoder"]["long"]
    return found
