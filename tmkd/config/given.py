"""What a run is given, and would not read: whoever sets it expects another run than the one that it would be.

This is of what a run is given, not of its arms: an arm may change what it learns from, and keep the rest.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from typing import Any

from tmkd.choices import NO_TASK, PAIRWISE, RELATIONS, TEMPERED, WITHOUT_TEACHER
from tmkd.config import validators
from tmkd.config.data import TABLES, CorpusConfig, DataConfig
from tmkd.config.marks import known_by, read_beside
from tmkd.config.method import ArmConfig, MethodConfig
from tmkd.config.models import EncoderConfig
from tmkd.config.whole import Config

PLACES = ("train", "validation", "test", "path", "subset", "revision")  # what the task is read from
# Settings of the corpus that no preset has for another reader; what else is not read is refused where it is typed.
FOUND = ("path", "passages", "subset", "revision", "candidates", "random", "seed")
WORDS = ("words", "dimensions")  # of a Bi-LSTM


def check_given(config: Config) -> Config:
    """Return the config itself, which ``check`` has seen, or raise ConfigError for the first setting of this kind."""
    arms = list(config.method.arms.values())
    _data(config.data)
    _corpus(config.corpus, arms)
    if not config.tune.space:  # trials may have other losses
        _method(config)
        terms = (own.get("terms") for own in given_to(arms, "method"))
        _terms(config.method, {name for own in terms if isinstance(own, dict) for name in own})
        _parts(config)
    _encoder("", config.encoder)
    _encoder("student", config.student.encoder, vars(config.student), given_to(arms, "student"))
    for at, teacher in enumerate(config.teachers.roster):
        _encoder(f"teachers.roster.{at}", teacher.encoder, vars(teacher), given_to(arms, "teachers"))
    return config


def _data(data: DataConfig) -> None:
    reader = data.reader
    if reader not in TABLES:
        for name in PLACES:
            expected = f"data=files (or data.reader=hub) beside it, since data.reader is {reader}"
            got = getattr(data, name)
            validators.that(not got, f"data.{name}", expected, got)
    drawn = reader in (*TABLES, NO_TASK) and not data.validation
    instead = "data.questions says how many" if reader == "documentation" else "data.validation=null draws one"
    why = "data.validation is set" if data.validation else f"data.reader is {reader}"
    _usual("data", data, "validation_share", drawn, f"where {why} ({instead})")
    why = f"where data.reader is {reader}, which takes the pairs as they are (`tmkd mine` adds negatives)"
    _usual("data", data, "negatives", reader == "documentation", why)


def _corpus(corpus: CorpusConfig, arms: Sequence[ArmConfig]) -> None:
    readers = {corpus.reader, *chosen_by(arms, "corpus", "reader")}
    for name in FOUND:
        got, usual = getattr(corpus, name), getattr(CorpusConfig, name)
        also = (other.removeprefix("corpus=") for other in read_beside(CorpusConfig, name))
        known = (*known_by(CorpusConfig, name), *also)
        expected = f"corpus={either(known)} beside it, since corpus.reader is {corpus.reader}"
        validators.that(not readers.isdisjoint(known) or got == usual, f"corpus.{name}", expected, got)


def _method(config: Config) -> None:
    """Temperatures, weights and pairs, which nothing may read; arms have losses and weights of their own."""
    method, arms = config.method, list(config.method.arms.values())
    losses = {method.loss, *(arm.loss for arm in arms), *chosen_by(arms, "method", "loss")}
    if method.mix == "weigh":  # one target, learnt by cross-entropy
        losses.add("ce")
    why = f"where no soft loss is {either(TEMPERED)} (method.loss)"
    for name in ("temperature", "temperature_end"):
        _usual("method", method, name, bool(losses & {*TEMPERED}), why)
    moved = [vars(method), *given_to(arms, "method")]
    changes = any(own.get(name) is not None for own in moved for name in ("alpha_end", "temperature_end"))
    _usual("method", method, "schedule", changes, "where alpha_end and temperature_end are null")
    why = f"where no soft loss is {either(PAIRWISE)} (method.loss)"
    _usual("method", method, "margin_pairs", bool(losses & {*PAIRWISE}), why)
    losses = {config.stage1.loss, *chosen_by(arms, "stage1", "loss")}
    why = f"where no loss of stage 1 is {either(TEMPERED)} (stage1.loss)"
    _usual("stage1", config.stage1, "temperature", bool(losses & {*TEMPERED}), why)
    weights = {method.teacher_weights, config.stage1.teacher_weights}
    weights.update(*(chosen_by(arms, stage, "teacher_weights") for stage in ("method", "stage1")))
    read = "fixed" in weights or method.weights == MethodConfig().weights
    validators.that(read, "method.weights", "method.teacher_weights=fixed (or stage1's) beside it", method.weights)
    learnt = "where no teacher_weights are learnt (of method or stage1)"
    _usual("method", method, "trust_by", "learnt" in weights, learnt)


def _terms(method: MethodConfig, apart: Collection[str]) -> None:
    """Further terms: what a weight that does not change, or another loss, does not read. ``apart`` are those that arms
    have settings of their own for."""
    for name, term in ((name, term) for name, term in method.terms.items() if name not in apart):
        where, why = f"method.terms.{name}", f"where end is null, since the weight stays at {term.weight:g} (set end)"
        for course in ("schedule", "warm_up"):
            _usual(where, term, course, term.end is not None, why)
        related = f"where loss is {term.loss}, not {either(RELATIONS)}"
        _usual(where, term, "relation_heads", term.loss in RELATIONS, related)
        taught = term.loss not in WITHOUT_TEACHER
        _usual(where, term, "layers", taught, f"where loss is {term.loss}, in which each layer learns from the next")


def _parts(config: Config) -> None:
    """Sections of which nothing is read where no arm has what they are of."""
    method, arms = config.method, list(config.method.arms.values())
    kinds = {config.stage1.kind, *chosen_by(arms, "stage1", "kind")}
    peers = method.online.kind != "none" or any("online" in own for own in given_to(arms, "method"))
    exits = bool(config.student.exits) or any("exits" in own for own in given_to(arms, "student"))
    for where, section, read, why in (
        ("language", config.language, "language" in kinds, "where stage1.kind is not language"),
        ("method.online", method.online, peers, "where method.online.kind is none"),
        ("method.exits", method.exits, exits, "where student.exits is empty"),
    ):
        for known in dataclasses.fields(section):
            _usual(where, section, known.name, read, why)


def _encoder(
    section: str, encoder: EncoderConfig, own: Collection[str] = (), arms: Sequence[dict[str, Any]] = ()
) -> None:
    """An encoder, which is not given what its source does not read.

    Args:
        own: what the section itself has a setting for, where it takes the run's encoder.
        arms: what arms set in the section: those that have another source may keep what it reads.
    """
    where = f"{section}.encoder" if section else "encoder"
    for name in ("name", "revision", "trust_remote_code"):
        got, expected = getattr(encoder, name), f"{where}.source=hub beside it, since the source is {encoder.source}"
        validators.that(encoder.source == "hub" or not got, f"{where}.{name}", expected, got)
    for name in ("max_length", "long", "pooling"):
        got, usual = getattr(encoder, name), getattr(EncoderConfig, name)
        instead = f"set {section}.{name}" if name in own else f"set {where}.source, too"
        expected = f"{usual} where {where}.source is same, which is the run's encoder as it is ({instead})"
        validators.that(encoder.source != "same" or got == usual, f"{where}.{name}", expected, got)
    elsewhere = any("encoder" in each or "roster" in each for each in arms)
    # `experiment=smoke` has layers for the tiny encoder, and another encoder may be chosen beside it
    numbers = ("width", "seed") if not section else ("layers", "width", "seed")
    for name in (*numbers, *WORDS):
        sources = known_by(EncoderConfig, name)
        instead = f" (set {section}.{name})" if name in ("layers", "seed") and name in own else ""
        why = f"where {where}.source is {encoder.source}, not {' or '.join(sources)}{instead}"
        _usual(where, encoder, name, encoder.source in sources or elsewhere, why)


def _usual(where: str, section: Any, name: str, read: bool, why: str) -> None:
    """What is not read has its default, ``why`` it is not follows that in the sentence."""
    got, usual = getattr(section, name), getattr(type(section)(), name)
    validators.that(read or got == usual, f"{where}.{name}", f"{'null' if usual is None else usual} {why}", got)


def given_to(arms: Sequence[ArmConfig], section: str) -> list[dict[str, Any]]:
    """Return what arms set in a section."""
    return [own for arm in arms if isinstance(own := arm.set.get(section), dict)]


def chosen_by(arms: Sequence[ArmConfig], section: str, name: str) -> list[str]:
    """Return what arms set one setting to, where that is a text; a value of another type is refused with the arm."""
    return [value for own in given_to(arms, section) if isinstance(value := own.get(name), str)]


def either(names: Sequence[str]) -> str:
    """Return names as a sentence lists them."""
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last
