"""Settings that make no sense, found before anything costs time. Each is one sentence: setting, expected, got."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tmkd.config import Config, EncoderConfig, OnlineConfig, TermConfig, encoder_of
from tmkd.errors import ConfigError

TARGETS = ("none", "one", "average", "heads", "students")
LOSSES = ("mse", "kl", "ce")
READERS = ("documentation", "files", "hub")
POOLINGS = ("auto", "first", "last", "mean")
TERMS = (
    "hint", "patient", "embeddings", "hidden", "cosine", "scores", "attention", "values", "distances", "angles",
    "similarity", "self_attention",
)  # fmt: skip
WITHOUT_TEACHER = ("self_attention",)  # terms by which a student learns from itself
LAYER_MAPS = ("last", "skip", "uniform", "top", "middle", "embeddings")
MIXES = ("heads", "blend", "weigh")
TEACHER_WEIGHTS = ("mean", "fixed", "confidence", "agreement")
ONLINE = ("none", "mutual", "codistillation", "together")
COURSES = ("linear", "cosine", "step")  # how a number goes from its start to its end
DATA_SETS = ("DeepQA", "CommQA", "MNLI", "SNLI", "QNLI", "RTE")  # the paper's
SCHEDULES = ("linear", "cosine", "constant", "constant_with_warmup")


def check(config: Config) -> Config:
    """Return the config itself, or raise ConfigError for the first setting that makes no sense."""
    plain = bool(config.name) and not set(config.name) & set("/\\") and not config.name.startswith(".")
    _expect(plain, "name", "a plain folder name", config.name)
    _data(config)
    _teachers(config)
    _student(config)
    _methods(config)
    _table(config)
    _share("trainer.warmup", config.trainer.warmup)
    _one_of("trainer.schedule", config.trainer.schedule, SCHEDULES)
    _positive("trainer", config.trainer, ("max_grad_norm",))
    _expect(config.trainer.weight_decay >= 0, "trainer.weight_decay", "0 or more", config.trainer.weight_decay)
    _one_of("runtime.precision", config.runtime.precision, ("auto", "fp32", "bf16"))
    _one_of("runtime.device", config.runtime.device, ("auto", "cpu", "cuda"))
    _one_of("runtime.attention", config.runtime.attention, ("auto", "eager", "sdpa"))
    _positive("runtime", config.runtime, ("shard_size", "checkpoint_seconds", "state_window"))
    _expect(config.runtime.threads >= 0, "runtime.threads", "0 (all) or more", config.runtime.threads)
    batch = config.runtime.score_batch
    _expect(batch >= 0, "runtime.score_batch", "0 (the device's own) or more", batch)
    if (ray := config.runtime.ray) is not None:
        _expect(ray.workers is None or ray.workers > 0, "runtime.ray.workers", "more than 0", ray.workers)
        shared = ray.address is None or ray.storage is not None
        _expect(shared, "runtime.ray.storage", "a folder or URI that all machines share, with an address", ray.storage)
    return config


def _data(config: Config) -> None:
    data = config.data
    _one_of("data.reader", data.reader, READERS)
    _one_of("corpus.reader", config.corpus.reader, (*READERS, "mined"))
    _one_of("data.on_bad_row", data.on_bad_row, ("raise", "skip"))
    _expect(
        0 < data.validation_share < 1, "data.validation_share", "more than 0 and less than 1", data.validation_share
    )
    mapped = all(name in data.classes for name in data.labels.values())
    _expect(mapped, "data.labels", f"classes ({data.classes})", data.labels)
    if data.column is not None:
        _one_of("data.column", data.column, DATA_SETS)
    _expect(not data.rankable_only or data.ranking, "data.rankable_only", "false where data.ranking is false", True)
    _expect(config.corpus.pairs is None or config.corpus.pairs > 0, "corpus.pairs", "more than 0", config.corpus.pairs)
    _expect(
        len(data.questions) == 3 and min(data.questions) > 0, "data.questions", "three numbers above 0", data.questions
    )
    _expect(
        len(data.classes) >= 2 and len(set(data.classes)) == len(data.classes),
        "data.classes",
        "at least two different names",
        data.classes,
    )
    _expect(
        not data.ranking or len(data.classes) == 2,
        "data.classes",
        "two classes where data.ranking is true",
        data.classes,
    )
    _positive("data", data, ("negatives", "passage_words"))
    _positive("corpus", config.corpus, ("questions", "candidates"))
    _expect(config.corpus.random >= 0, "corpus.random", "0 or more", config.corpus.random)


def _table(config: Config) -> None:
    table, arms = config.table, config.method.arms
    for name in ("teacher", "ensemble"):
        _expect(not table.rows or name not in arms, f"method.arms.{name}", "another name where there is a table", name)
    for label, row in table.rows.items():
        _one_of(f"table.rows.{label}.arm", row.arm, (*arms, "teacher", "ensemble"))
        for name in row.paper:
            _one_of(f"table.rows.{label}.paper", name, (*DATA_SETS, "QPS", "parameters"))
    for index, claim in enumerate(table.claims):
        _one_of(f"table.claims[{index}].better", claim.better, tuple(table.rows))
        _one_of(f"table.claims[{index}].worse", claim.worse, tuple(table.rows))
        for name in claim.where:
            _one_of(f"table.claims[{index}].where", name, DATA_SETS)
    counts = config.comparison.teacher_counts
    _expect(not table.rows or len(counts) < 2, "comparison.teacher_counts", "one number at most with a table", counts)


def _teachers(config: Config) -> None:
    roster = config.teachers.roster
    number = f"a number from 1 to {len(roster)} (the teachers in teachers.roster)"
    _expect(1 <= config.teachers.count <= len(roster), "teachers.count", number, config.teachers.count)
    for count in config.comparison.teacher_counts:
        _expect(1 <= count <= len(roster), "comparison.teacher_counts", number, count)
    for index, teacher in enumerate(roster):
        same = roster.index(teacher)
        _expect(same == index, f"teachers.roster[{index}]", f"other settings than roster[{same}]", "the same")
    _encoder("encoder", config.encoder)
    for index, teacher in enumerate(roster):
        where = f"teachers.roster[{index}]"
        _positive(where, teacher, ("learning_rate", "batch_size", "epochs"))
        _dropout(where, teacher.dropout)
        _length(where, teacher.max_length)
        _encoder(f"{where}.encoder", teacher.encoder, ("same",))


def _student(config: Config) -> None:
    student = config.student
    _expect(student.layers is None or student.layers >= 1, "student.layers", "at least 1", student.layers)
    typed = student.token_types or student.encoder.source != "bilstm"
    _expect(typed, "student.token_types", "true where student.encoder.source is bilstm", False)
    _one_of("student.keep", student.keep, ("bottom", "every"))
    _one_of("student.init", student.init, ("encoder", "teacher"))
    roster = config.teachers.roster[: config.teachers.count]
    same = all(encoder_of(teacher, config) == encoder_of(student, config) for teacher in roster)
    _expect(student.init == "encoder" or same, "student.init", "encoder, where teachers have others", student.init)
    _expect(bool(student.seeds), "student.seeds", "at least one seed", student.seeds)
    _expect(len(set(student.seeds)) == len(student.seeds), "student.seeds", "different seeds", student.seeds)
    _dropout("student", student.dropout)
    if student.pooling is not None:
        _one_of("student.pooling", student.pooling, POOLINGS)
    _length("student", student.max_length)
    _encoder("student.encoder", student.encoder, ("same", "bilstm"))
    _exits(config)
    for where, section in (("stage1", config.stage1), ("stage2", config.stage2)):
        _positive(where, section, ("learning_rate", "batch_size", "epochs"))
    _expect(config.stage2.patience >= 0, "stage2.patience", "0 (never) or more", config.stage2.patience)


def _exits(config: Config) -> None:
    student, exits = config.student, config.method.exits
    rising = student.exits == sorted(set(student.exits)) and min(student.exits, default=1) >= 1
    below = student.layers is None or max(student.exits, default=0) < student.layers
    _expect(rising and below, "student.exits", "layers below the student's last, in rising order", student.exits)
    able = not student.exits or encoder_of(student, config).source != "bilstm"
    _expect(able, "student.exits", "[] where student.encoder is a Bi-LSTM", student.exits)
    if student.exit_threshold is not None:
        _share("student.exit_threshold", student.exit_threshold)
        _expect(bool(student.exits), "student.exit_threshold", "null without student.exits", student.exit_threshold)
    _share("method.exits.alpha", exits.alpha)
    _positive("method.exits", exits, ("temperature",))
    for name in ("weight", "feature_weight"):
        value = getattr(exits, name)
        _expect(0 <= value < math.inf, f"method.exits.{name}", "0 or more", value)


def _methods(config: Config) -> None:
    method = config.method
    _expect(0 < config.stage1.share <= 1, "stage1.share", "more than 0, at most 1", config.stage1.share)
    _one_of("stage1.kind", config.stage1.kind, ("soft", "language"))
    if config.stage1.kind == "language":
        _language(config)
    _one_of("stage1.targets", config.stage1.targets, ("average", "heads"))
    _soft("stage1", config.stage1.loss, config.stage1.temperature)
    _soft("method", method.loss, method.temperature)
    _share("method.alpha", method.alpha)
    if method.alpha_end is not None:
        _share("method.alpha_end", method.alpha_end)
    _soft("method", method.loss, method.temperature_end or method.temperature)
    _one_of("method.schedule", method.schedule, COURSES)
    _one_of("method.mix", method.mix, MIXES)
    _one_of("method.teacher_weights", method.teacher_weights, TEACHER_WEIGHTS)
    _one_of("stage1.teacher_weights", config.stage1.teacher_weights, TEACHER_WEIGHTS[:-1])
    if "fixed" in (method.teacher_weights, config.stage1.teacher_weights):
        most = max([config.teachers.count, *config.comparison.teacher_counts])
        good = len(method.weights) == most and min(method.weights, default=0) >= 0 and sum(method.weights) > 0
        _expect(good, "method.weights", f"{most} numbers, none negative and not all 0", method.weights)
    for name, term in method.terms.items():
        _term(f"method.terms.{name}", term)
    _online(method.online)
    _expect(bool(method.arms), "method.arms", "at least one arm (for example method=tmkd)", method.arms)
    fewest = min([config.teachers.count, *config.comparison.teacher_counts])
    for name, arm in method.arms.items():
        where = f"method.arms.{name}"
        _one_of(f"{where}.targets", arm.targets, TARGETS)
        if arm.teacher is not None:
            _expect(1 <= arm.teacher <= fewest, f"{where}.teacher", f"a number from 1 to {fewest}", arm.teacher)
            _expect(arm.targets == "one", f"{where}.teacher", "null unless targets is one", arm.teacher)
        if arm.alpha is not None:
            _share(f"{where}.alpha", arm.alpha)
        temperature = method.temperature if arm.temperature is None else arm.temperature
        _soft(where, arm.loss or method.loss, temperature)
        _expect(arm.generations >= 1, f"{where}.generations", "1 or more", arm.generations)
        alone = arm.generations == 1 or not (arm.pretrain or arm.targets == "students")
        _expect(alone, f"{where}.generations", "1, where pretrain is true or targets is students", arm.generations)
        for own in arm.terms or []:
            known = f"names in method.terms ({', '.join(method.terms) or 'none'})"
            _expect(own in method.terms, f"{where}.terms", known, own)
            taught = arm.targets != "none" or method.terms[own].loss in WITHOUT_TEACHER
            _expect(taught, f"{where}.terms", "terms that need no teacher, where targets is none", own)


def _online(online: OnlineConfig) -> None:
    where, peers = "method.online", online.peers
    _one_of(f"{where}.kind", online.kind, ONLINE)
    _one_of(f"{where}.direction", online.direction, ("both", "down"))
    both = online.kind == "mutual" or online.direction == "both"
    _expect(both, f"{where}.direction", "both, where kind is not mutual", online.direction)
    codistilled = online.kind == "codistillation" or not online.processes
    _expect(codistilled, f"{where}.processes", "false, where kind is not codistillation", online.processes)
    counted = type(peers) is int and peers >= 2
    listed = isinstance(peers, list) and len(peers) >= 2 and all(isinstance(peer, dict) for peer in peers)
    expected = "a number from 2 on, or a list of at least two students' settings"
    _expect(counted or listed, f"{where}.peers", expected, peers)
    for name in ("seeds", "exits", "exit_threshold"):
        own = listed and any(name in peer for peer in peers)
        _expect(not own, f"{where}.peers", f"settings without {name}, which are those of all", peers)
    _expect(0 <= online.weight < math.inf, f"{where}.weight", "0 or more", online.weight)
    _expect(0 < online.temperature < math.inf, f"{where}.temperature", "more than 0", online.temperature)
    _expect(0 <= online.burn_in < 1, f"{where}.burn_in", "at least 0 and less than 1", online.burn_in)
    _expect(online.refresh >= 1, f"{where}.refresh", "1 step or more", online.refresh)


def _language(config: Config) -> None:
    language, student = config.language, config.student
    masks = student.encoder.source != "bilstm"
    _expect(masks, "stage1.kind", "soft where student.encoder.source is bilstm", config.stage1.kind)
    _expect(student.init == "encoder", "student.init", "encoder where stage1.kind is language", student.init)
    for name in ("kl", "mlm", "cosine"):
        _expect(0 <= getattr(language, name) < math.inf, f"language.{name}", "0 or more", getattr(language, name))
    some = language.kl + language.mlm + language.cosine > 0
    _expect(some, "language", "at least one of kl, mlm and cosine above 0", "0 for all")
    _positive("language", language, ("temperature", "fit_epochs", "fit_learning_rate", "fit_batch_size"))
    _expect(0 < language.masked <= 1, "language.masked", "more than 0, at most 1", language.masked)
    _expect(0 <= language.held_out < 1, "language.held_out", "at least 0 and less than 1", language.held_out)


def _term(where: str, term: TermConfig) -> None:
    _one_of(f"{where}.loss", term.loss, TERMS)
    _one_of(f"{where}.schedule", term.schedule, COURSES)
    _expect(0 <= term.warm_up < 1, f"{where}.warm_up", "at least 0 and less than 1", term.warm_up)
    for name in ("weight", "end"):
        value = getattr(term, name)
        _expect(value is None or 0 <= value < math.inf, f"{where}.{name}", "0 or more", value)
    if term.layers is not None:
        _one_of(f"{where}.layers", term.layers, LAYER_MAPS)
    _expect(term.relation_heads is None or term.relation_heads > 0, f"{where}.relation_heads", "1 or more", 0)
    _expect(bool(term.stages) and set(term.stages) <= {1, 2}, f"{where}.stages", "1, 2 or both", term.stages)


def _encoder(where: str, encoder: EncoderConfig, more: tuple[str, ...] = ()) -> None:
    _one_of(f"{where}.source", encoder.source, ("embedded", "hub", "tiny", *more))
    _one_of(f"{where}.pooling", encoder.pooling, POOLINGS)
    _expect(encoder.source != "hub" or bool(encoder.name), f"{where}.name", "a hub name or a folder", encoder.name)
    _length(where, encoder.max_length)
    _positive(where, encoder, ("layers", "width", "words", "dimensions"))
    unused = encoder.vectors is None or encoder.source in ("bilstm", "same")  # same: for arms that are a Bi-LSTM
    _expect(unused, f"{where}.vectors", "null where source is not bilstm", encoder.vectors)


def _soft(where: str, loss: str, temperature: float) -> None:
    _one_of(f"{where}.loss", loss, LOSSES)
    _expect(0 < temperature < math.inf, f"{where}.temperature", "more than 0", temperature)


def _positive(where: str, section: Any, names: Sequence[str]) -> None:
    for name in names:
        value = getattr(section, name)
        _expect(0 < value < math.inf, f"{where}.{name}", "more than 0", value)


def _dropout(where: str, value: float | None) -> None:
    if value is not None:
        _share(f"{where}.dropout", value)


def _length(where: str, value: int | None) -> None:
    _expect(value is None or value >= 8, f"{where}.max_length", "at least 8 tokens", value)


def _share(name: str, value: float) -> None:
    _expect(0 <= value <= 1, name, "a number from 0 to 1", value)


def _one_of(name: str, value: str, allowed: Sequence[str]) -> None:
    _expect(value in allowed, name, "one of " + ", ".join(allowed), value)


def _expect(holds: bool, name: str, expected: str, got: Any) -> None:
    if not holds:
        raise ConfigError(f"{name}: expected {expected}, got {got}.")
