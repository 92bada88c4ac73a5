"""What students learn from, and by which losses: the stages, the arms, their terms and their peers."""

from __future__ import annotations

import math

from tmkd import validators
from tmkd.config import ArmConfig, Config, MethodConfig, OnlineConfig, TermConfig, teaching

TARGETS = ("none", "one", "average", "heads", "students")
LOSSES = ("mse", "kl", "ce")
TERMS = (
    "hint", "patient", "embeddings", "hidden", "cosine", "scores", "attention", "queries", "keys", "values",
    "distances", "angles", "similarity", "fsp", "self_attention",
)  # fmt: skip
POOLED = ("patient", "distances", "angles", "similarity")  # terms that read one vector a pair
ALWAYS_MAPPED = ("hint",)  # terms whose map between widths is learnt where these agree, too
POOLINGS = ("first", "mean", "last")
WITHOUT_TEACHER = ("self_attention",)  # terms by which a student learns from itself
LAYER_MAPS = ("last", "skip", "uniform", "top", "middle", "embeddings")
MIXES = ("heads", "blend", "weigh")
HEAD_INITS = ("shared", "separate")
TEACHER_WEIGHTS = ("mean", "fixed", "confidence", "agreement")
ONLINE = ("none", "mutual", "codistillation", "together")
COURSES = ("linear", "cosine", "step")  # how a number goes from its start to its end
# sections that an arm may set for itself; all others are of the comparison as a whole
VARIED = ("corpus", "encoder", "teachers", "student", "stage1", "language", "stage2", "method", "trainer")


def check_stages(config: Config) -> None:
    """How long both stages train, and what the first one learns."""
    for where, section in (("stage1", config.stage1), ("stage2", config.stage2)):
        validators.positive(where, section, ("learning_rate", "batch_size", "epochs"))
    validators.that(config.stage2.patience >= 0, "stage2.patience", "0 (never) or more", config.stage2.patience)
    validators.that(0 < config.stage1.share <= 1, "stage1.share", "more than 0, at most 1", config.stage1.share)
    validators.one_of("stage1.kind", config.stage1.kind, ("soft", "terms", "language"))
    if config.stage1.kind == "language":
        _language(config)
    validators.one_of("stage1.targets", config.stage1.targets, ("average", "heads"))
    _soft("stage1", config.stage1.loss, config.stage1.temperature)


def check_method(config: Config) -> None:
    """The soft loss, the terms, the peers and the arms."""
    method = config.method
    _soft("method", method.loss, method.temperature)
    validators.share("method.alpha", method.alpha)
    if method.alpha_end is not None:
        validators.share("method.alpha_end", method.alpha_end)
    if method.temperature_end is not None:
        validators.that(
            0 < method.temperature_end < math.inf, "method.temperature_end", "more than 0", method.temperature_end
        )
    validators.one_of("method.schedule", method.schedule, COURSES)
    validators.one_of("method.mix", method.mix, MIXES)
    validators.one_of("method.head_init", method.head_init, HEAD_INITS)
    validators.one_of("method.teacher_weights", method.teacher_weights, TEACHER_WEIGHTS)
    validators.one_of("stage1.teacher_weights", config.stage1.teacher_weights, TEACHER_WEIGHTS[:-1])
    _weights(config)
    for name, term in method.terms.items():
        _term(f"method.terms.{name}", term)
    _online(method.online)
    validators.that(bool(method.arms), "method.arms", "at least one arm (for example method=tmkd)", method.arms)
    fewest = min([config.teachers.count, *config.comparison.teacher_counts])
    for name, arm in method.arms.items():
        _arm(f"method.arms.{name}", arm, method, fewest)


def _weights(config: Config) -> None:
    method = config.method
    if "fixed" in (method.teacher_weights, config.stage1.teacher_weights):
        most = len(teaching(config))
        good = len(method.weights) == most and all(0 <= weight < math.inf for weight in method.weights)
        validators.that(good, "method.weights", f"{most} numbers, none negative", method.weights)
        for count in config.comparison.teacher_counts or [most]:
            one = count == 1 or sum(method.weights[:count]) > 0
            validators.that(one, "method.weights", f"one of the first {count} above 0", method.weights)


def _arm(where: str, arm: ArmConfig, method: MethodConfig, fewest: int) -> None:
    for section, changes in arm.set.items():
        validators.one_of(f"{where}.set", section, VARIED)
        validators.that(isinstance(changes, dict), f"{where}.set.{section}", "settings, {name: value}", changes)
    validators.names(f"{where}.set", arm.set)
    validators.one_of(f"{where}.targets", arm.targets, TARGETS)
    if arm.teacher is not None:
        validators.that(1 <= arm.teacher <= fewest, f"{where}.teacher", f"a number from 1 to {fewest}", arm.teacher)
        validators.that(arm.targets == "one", f"{where}.teacher", "null unless targets is one", arm.teacher)
    if arm.alpha is not None:
        validators.share(f"{where}.alpha", arm.alpha)
    temperature = method.temperature if arm.temperature is None else arm.temperature
    _soft(where, arm.loss or method.loss, temperature)
    validators.that(arm.generations >= 1, f"{where}.generations", "1 or more", arm.generations)
    alone = arm.generations == 1 or not (arm.pretrain or arm.targets == "students")
    validators.that(alone, f"{where}.generations", "1, where pretrain is true or targets is students", arm.generations)
    if not arm.fine_tune:
        single = arm.targets != "students" and arm.generations == 1
        validators.that(arm.pretrain, f"{where}.fine_tune", "true, where pretrain is false", arm.fine_tune)
        validators.that(single, f"{where}.fine_tune", "true, where there are several students", arm.fine_tune)
    for own in arm.terms or []:
        known = f"names in method.terms ({', '.join(method.terms) or 'none'})"
        validators.that(own in method.terms, f"{where}.terms", known, own)
        taught = arm.targets != "none" or method.terms[own].loss in WITHOUT_TEACHER
        validators.that(taught, f"{where}.terms", "terms that need no teacher, where targets is none", own)


def _term(where: str, term: TermConfig) -> None:
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


def _online(online: OnlineConfig) -> None:
    where, peers = "method.online", online.peers
    validators.one_of(f"{where}.kind", online.kind, ONLINE)
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


def _language(config: Config) -> None:
    language, student = config.language, config.student
    masks = student.encoder.source != "bilstm"
    validators.that(masks, "stage1.kind", "soft where student.encoder.source is bilstm", config.stage1.kind)
    validators.that(student.init == "encoder", "student.init", "encoder where stage1.kind is language", student.init)
    for name in ("kl", "mlm", "cosine"):
        validators.not_negative(f"language.{name}", getattr(language, name))
    some = language.kl + language.mlm + language.cosine > 0
    validators.that(some, "language", "at least one of kl, mlm and cosine above 0", "0 for all")
    validators.positive("language", language, ("temperature", "fit_epochs", "fit_learning_rate", "fit_batch_size"))
    validators.that(0 < language.masked <= 1, "language.masked", "more than 0, at most 1", language.masked)
    validators.fraction("language.held_out", language.held_out)
    validators.seed("language.seed", language.seed)


def _soft(where: str, loss: str, temperature: float) -> None:
    validators.one_of(f"{where}.loss", loss, LOSSES)
    validators.that(0 < temperature < math.inf, f"{where}.temperature", "more than 0", temperature)
