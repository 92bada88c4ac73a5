"""What students learn beside soft labels: inner states, each other, exits, the language of their encoder."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Optional

from omegaconf import MISSING

from tmkd.choices import COURSES, LAYER_MAPS, ONLINE_LOSSES, POOLED, POOLINGS, TERMS
from tmkd.config import validators
from tmkd.config.models import StudentConfig


@dataclass
class TermConfig:
    """A further loss, on the inner states of student and teachers; docs/families.md describes each."""

    # hint | patient | embeddings | hidden | cosine | scores | attention | queries | keys | values | distances | angles
    # | similarity | fsp | self_attention
    loss: str = MISSING
    weight: float = 1.0  # its weight in the sum of losses
    end: Optional[float] = None  # the weight at the end of the training; null: it does not change
    schedule: str = "linear"  # how the weight changes: linear | cosine | step
    warm_up: float = 0.0  # share of the training before the weight begins to change
    # which layer learns from which: last | skip | uniform | top | middle | embeddings; null: the loss's own
    layers: Optional[str] = None
    # patient, distances, angles, similarity: the vector of a pair that is compared, of student and teacher alike: first
    # (token: [CLS]) | mean (of the tokens) | last (token)
    pooling: str = "first"
    relation_heads: Optional[int] = None  # queries, keys, values: number of heads to compare in; null: the models' own
    stages: list[int] = field(default_factory=lambda: [2])  # stages whose loss it is part of: 1, 2 or both


@dataclass
class OnlineConfig:
    """Students that are trained together, as peers, in one training; docs/families.md describes the kinds."""

    # none | mutual (each learns from the others) | codistillation (each learns from older copies of the others) |
    # together (all learn from the same teachers, not from each other)
    kind: str = "none"
    peers: Any = 2  # number of peers; or a list of each one's settings of `student`: [{layers: 6}, {layers: 3}]
    weight: float = 1.0  # of the loss between peers, beside each one's own loss
    temperature: float = 1.0  # of the loss between peers
    burn_in: float = 0.0  # share of the training, from its start, without the loss between peers
    refresh: int = 50  # codistillation: steps between two copies
    processes: bool = False  # codistillation: a process and an order of the data for each peer; needs torchrun
    direction: str = "both"  # mutual: both (all learn from all) | down (each from those before it in the list)


@dataclass
class ExitsConfig:
    """What the exits of a student (``student.exits``) learn, in stage 2: (1 − α) CE + α T² KL + λ feature distance."""

    weight: float = 1.0  # of each exit's loss, beside that of the deepest classifier
    alpha: float = 0.1  # α: weight of the deepest classifier's predictions
    temperature: float = 3.0  # T
    feature_weight: float = 0.1  # λ, of a mean over the width


@dataclass
class LanguageConfig:
    """With stage1.kind=language: the student learns to predict masked tokens from its encoder at full depth. An encoder
    whose checkpoint has no masked-language-model head gets one first, fitted to the corpus."""

    kl: float = 5.0  # weight of the KL divergence from the encoder's predictions
    mlm: float = 2.0  # weight of the cross-entropy with the masked tokens
    cosine: float = 1.0  # weight of the cosine distance between last hidden states
    temperature: float = 2.0  # of the KL divergence
    masked: float = 0.15  # share of the tokens that are masked
    held_out: float = 0.05  # share of the passages that is kept out of training, to measure how many tokens are right
    fit_encoder: bool = False  # when a head is fitted: train the encoder with it
    fit_epochs: int = 1  # when a head is fitted: passes over the corpus
    fit_learning_rate: float = 1e-3  # when a head is fitted: peak learning rate
    fit_batch_size: int = 32  # when a head is fitted: passages a step
    seed: int = 1  # when a head is fitted: random seed


def check_term(where: str, term: TermConfig) -> None:
    """One entry of ``method.terms``."""
    validators.one_of(f"{where}.loss", term.loss, TERMS)
    validators.one_of(f"{where}.schedule", term.schedule, COURSES)
    validators.fraction(f"{where}.warm_up", term.warm_up)
    for name in ("weight", "end"):
        value = getattr(term, name)
        validators.that(value is None or 0 <= value < math.inf, f"{where}.{name}", "0 or more", value)
    if term.layers is not None:
        validators.one_of(f"{where}.layers", term.layers, LAYER_MAPS)
    validators.one_of(f"{where}.pooling", term.pooling, POOLINGS)
    own = term.loss in POOLED or term.pooling == "first"
    validators.that(own, f"{where}.pooling", f"first, where loss is none of {', '.join(POOLED)}", term.pooling)
    heads = term.relation_heads
    validators.that(heads is None or heads > 0, f"{where}.relation_heads", "1 or more", heads)
    validators.that(bool(term.stages) and set(term.stages) <= {1, 2}, f"{where}.stages", "1, 2 or both", term.stages)


def check_online(online: OnlineConfig) -> None:
    """Peers, and how they learn from each other."""
    where, peers = "method.online", online.peers
    validators.one_of(f"{where}.kind", online.kind, ("none", *ONLINE_LOSSES, "together"))
    validators.one_of(f"{where}.direction", online.direction, ("both", "down"))
    both = online.kind == "mutual" or online.direction == "both"
    validators.that(both, f"{where}.direction", "both, where kind is not mutual", online.direction)
    codistilled = online.kind == "codistillation" or not online.processes
    validators.that(codistilled, f"{where}.processes", "false, where kind is not codistillation", online.processes)
    counted = type(peers) is int and peers >= 2
    listed = isinstance(peers, list) and len(peers) >= 2 and all(isinstance(peer, dict) for peer in peers)
    expected = "a number from 2 on, or a list of at least two students' settings"
    validators.that(counted or listed, f"{where}.peers", expected, peers)
    validators.names(f"{where}.peers", peers)
    for name in ("seeds", "exits", "exit_threshold"):
        own = listed and any(name in peer for peer in peers)
        validators.that(not own, f"{where}.peers", f"settings without {name}, which are those of all", peers)
    validators.not_negative(f"{where}.weight", online.weight)
    validators.that(0 < online.temperature < math.inf, f"{where}.temperature", "more than 0", online.temperature)
    validators.fraction(f"{where}.burn_in", online.burn_in)
    validators.that(online.refresh >= 1, f"{where}.refresh", "1 step or more", online.refresh)


def check_exits(exits: ExitsConfig) -> None:
    """What exits learn; which ones there are is for ``student`` to say."""
    validators.share("method.exits.alpha", exits.alpha)
    validators.positive("method.exits", exits, ("temperature",))
    for name in ("weight", "feature_weight"):
        validators.not_negative(f"method.exits.{name}", getattr(exits, name))


def check_language(language: LanguageConfig, student: StudentConfig) -> None:
    """A stage 1 of kind language, and a student that can have one."""
    masks = student.encoder.source != "bilstm"
    validators.that(masks, "stage1.kind", "soft where student.encoder.source is bilstm", "language")
    validators.that(student.init == "encoder", "student.init", "encoder where stage1.kind is language", student.init)
    for name in ("kl", "mlm", "cosine"):
        validators.not_negative(f"language.{name}", getattr(language, name))
    some = language.kl + language.mlm + language.cosine > 0
    validators.that(some, "language", "at least one of kl, mlm and cosine above 0", "0 for all")
    validators.positive("language", language, ("temperature", "fit_epochs", "fit_learning_rate", "fit_batch_size"))
    validators.that(0 < language.masked <= 1, "language.masked", "more than 0, at most 1", language.masked)
    validators.fraction("language.held_out", language.held_out)
    validators.seed("language.seed", language.seed)
