"""Settings that make no sense, found before anything costs time. Each is one sentence: setting, expected, got."""

from __future__ import annotations

import math
from dataclasses import fields

from tmkd import expect
from tmkd.config import Config, EncoderConfig, OnlineConfig, TermConfig, encoder_of, task_folder, teaching

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
# sections that an arm may set for itself; all others are of the comparison as a whole
VARIED = ("corpus", "encoder", "teachers", "student", "stage1", "language", "stage2", "method", "trainer")
COLUMNS = "columns"  # a folder beside those of a table's tasks
MOST_THREADS = 1024
SCHEDULES = ("linear", "cosine", "constant", "constant_with_warmup")


def check(config: Config) -> Config:
    """Return the config itself, or raise ConfigError for the first setting that makes no sense."""
    plain = bool(config.name) and not set(config.name) & set("/\\") and not config.name.startswith(".")
    expect.that(plain, "name", "a plain folder name", config.name)
    _data(config)
    _teachers(config)
    _student(config)
    _methods(config)
    _table(config)
    expect.fraction("trainer.warmup", config.trainer.warmup)
    expect.one_of("trainer.schedule", config.trainer.schedule, SCHEDULES)
    expect.positive("trainer", config.trainer, ("max_grad_norm",))
    expect.not_negative("trainer.weight_decay", config.trainer.weight_decay)
    expect.one_of("runtime.precision", config.runtime.precision, ("auto", "fp32", "bf16"))
    expect.one_of("runtime.device", config.runtime.device, ("auto", "cpu", "cuda"))
    expect.one_of("runtime.attention", config.runtime.attention, ("auto", "eager", "sdpa"))
    expect.positive("runtime", config.runtime, ("shard_size", "checkpoint_seconds", "state_window"))
    threads = config.runtime.threads
    expect.that(0 <= threads <= MOST_THREADS, "runtime.threads", f"a number from 0 (all) to {MOST_THREADS}", threads)
    batch = config.runtime.score_batch
    expect.that(batch >= 0, "runtime.score_batch", "0 (the device's own) or more", batch)
    for path in fields(config.paths):
        place = getattr(config.paths, path.name)
        expect.that(bool(place), f"paths.{path.name}", "a folder", repr(place))
    if (ray := config.runtime.ray) is not None:
        expect.that(ray.workers is None or ray.workers > 0, "runtime.ray.workers", "more than 0", ray.workers)
        shared = ray.address is None or ray.storage is not None
        expect.that(
            shared, "runtime.ray.storage", "a folder or URI that all machines share, with an address", ray.storage
        )
    return config


def _data(config: Config) -> None:
    data = config.data
    expect.one_of("data.reader", data.reader, READERS)
    expect.one_of("corpus.reader", config.corpus.reader, (*READERS, "mined"))
    expect.one_of("data.on_bad_row", data.on_bad_row, ("raise", "skip"))
    expect.that(
        0 < data.validation_share < 1, "data.validation_share", "more than 0 and less than 1", data.validation_share
    )
    mapped = all(name in data.classes for name in data.labels.values())
    expect.that(mapped, "data.labels", f"classes ({data.classes})", data.labels)
    if data.column is not None:
        expect.one_of("data.column", data.column, DATA_SETS)
    expect.that(not data.rankable_only or data.ranking, "data.rankable_only", "false where data.ranking is false", True)
    expect.that(
        config.corpus.pairs is None or config.corpus.pairs > 0, "corpus.pairs", "more than 0", config.corpus.pairs
    )
    expect.that(
        len(data.questions) == 3 and min(data.questions) > 0, "data.questions", "three numbers above 0", data.questions
    )
    expect.that(
        len(data.classes) >= 2 and len(set(data.classes)) == len(data.classes),
        "data.classes",
        "at least two different names",
        data.classes,
    )
    expect.that(
        not data.ranking or len(data.classes) == 2,
        "data.classes",
        "two classes where data.ranking is true",
        data.classes,
    )
    expect.positive("data", data, ("negatives", "passage_words"))
    expect.positive("corpus", config.corpus, ("questions", "candidates"))
    expect.that(config.corpus.random >= 0, "corpus.random", "0 or more", config.corpus.random)
    expect.seed("data.seed", data.seed)
    expect.seed("corpus.seed", config.corpus.seed)


def _table(config: Config) -> None:
    table, arms = config.table, config.method.arms
    plain = not table.rows or task_folder(config) not in ("", COLUMNS)
    expect.that(plain, "data.name", "a name that a folder can have where there is a table", repr(config.data.name))
    for name in ("teacher", "ensemble"):
        expect.that(
            not table.rows or name not in arms, f"method.arms.{name}", "another name where there is a table", name
        )
    for label, row in table.rows.items():
        expect.one_of(f"table.rows.{label}.arm", row.arm, (*arms, "teacher", "ensemble"))
        for name in row.paper:
            expect.one_of(f"table.rows.{label}.paper", name, (*DATA_SETS, "QPS", "parameters"))
    for index, claim in enumerate(table.claims):
        expect.one_of(f"table.claims[{index}].better", claim.better, tuple(table.rows))
        expect.one_of(f"table.claims[{index}].worse", claim.worse, tuple(table.rows))
        for name in claim.where:
            expect.one_of(f"table.claims[{index}].where", name, DATA_SETS)
    counts = config.comparison.teacher_counts
    expect.that(
        not table.rows or len(counts) < 2, "comparison.teacher_counts", "one number at most with a table", counts
    )


def _teachers(config: Config) -> None:
    roster = config.teachers.roster
    number = f"a number from 1 to {len(roster)} (the teachers in teachers.roster)"
    expect.that(1 <= config.teachers.count <= len(roster), "teachers.count", number, config.teachers.count)
    counts = config.comparison.teacher_counts
    for count in counts:
        expect.that(1 <= count <= len(roster), "comparison.teacher_counts", number, count)
    expect.that(len(set(counts)) == len(counts), "comparison.teacher_counts", "different numbers", counts)
    _encoder("encoder", config.encoder)
    for index, teacher in enumerate(roster):
        where = f"teachers.roster[{index}]"
        expect.positive(where, teacher, ("learning_rate", "batch_size", "epochs"))
        expect.seed(f"{where}.seed", teacher.seed)
        expect.dropout(where, teacher.dropout)
        expect.length(where, teacher.max_length)
        _encoder(f"{where}.encoder", teacher.encoder, ("same",))


def _student(config: Config) -> None:
    student = config.student
    expect.that(student.layers is None or student.layers >= 1, "student.layers", "at least 1", student.layers)
    typed = student.token_types or student.encoder.source != "bilstm"
    expect.that(typed, "student.token_types", "true where student.encoder.source is bilstm", False)
    expect.one_of("student.keep", student.keep, ("bottom", "every"))
    expect.one_of("student.init", student.init, ("encoder", "teacher"))
    same = all(encoder_of(teacher, config) == encoder_of(student, config) for teacher in teaching(config))
    expect.that(student.init == "encoder" or same, "student.init", "encoder, where teachers have others", student.init)
    expect.that(bool(student.seeds), "student.seeds", "at least one seed", student.seeds)
    expect.that(len(set(student.seeds)) == len(student.seeds), "student.seeds", "different seeds", student.seeds)
    for seed in student.seeds:
        expect.seed("student.seeds", seed)
    expect.dropout("student", student.dropout)
    if student.pooling is not None:
        expect.one_of("student.pooling", student.pooling, POOLINGS)
    expect.length("student", student.max_length)
    _encoder("student.encoder", student.encoder, ("same", "bilstm"))
    _exits(config)
    for where, section in (("stage1", config.stage1), ("stage2", config.stage2)):
        expect.positive(where, section, ("learning_rate", "batch_size", "epochs"))
    expect.that(config.stage2.patience >= 0, "stage2.patience", "0 (never) or more", config.stage2.patience)


def _exits(config: Config) -> None:
    student, exits = config.student, config.method.exits
    rising = student.exits == sorted(set(student.exits)) and min(student.exits, default=1) >= 1
    below = student.layers is None or max(student.exits, default=0) < student.layers
    expect.that(rising and below, "student.exits", "layers below the student's last, in rising order", student.exits)
    able = not student.exits or encoder_of(student, config).source != "bilstm"
    expect.that(able, "student.exits", "[] where student.encoder is a Bi-LSTM", student.exits)
    if student.exit_threshold is not None:
        expect.share("student.exit_threshold", student.exit_threshold)
        expect.that(bool(student.exits), "student.exit_threshold", "null without student.exits", student.exit_threshold)
    expect.share("method.exits.alpha", exits.alpha)
    expect.positive("method.exits", exits, ("temperature",))
    for name in ("weight", "feature_weight"):
        expect.not_negative(f"method.exits.{name}", getattr(exits, name))


def _methods(config: Config) -> None:
    method = config.method
    expect.that(0 < config.stage1.share <= 1, "stage1.share", "more than 0, at most 1", config.stage1.share)
    expect.one_of("stage1.kind", config.stage1.kind, ("soft", "language"))
    if config.stage1.kind == "language":
        _language(config)
    expect.one_of("stage1.targets", config.stage1.targets, ("average", "heads"))
    _soft("stage1", config.stage1.loss, config.stage1.temperature)
    _soft("method", method.loss, method.temperature)
    expect.share("method.alpha", method.alpha)
    if method.alpha_end is not None:
        expect.share("method.alpha_end", method.alpha_end)
    if method.temperature_end is not None:
        expect.that(
            0 < method.temperature_end < math.inf, "method.temperature_end", "more than 0", method.temperature_end
        )
    expect.one_of("method.schedule", method.schedule, COURSES)
    expect.one_of("method.mix", method.mix, MIXES)
    expect.one_of("method.teacher_weights", method.teacher_weights, TEACHER_WEIGHTS)
    expect.one_of("stage1.teacher_weights", config.stage1.teacher_weights, TEACHER_WEIGHTS[:-1])
    if "fixed" in (method.teacher_weights, config.stage1.teacher_weights):
        most = len(teaching(config))
        good = len(method.weights) == most and all(0 <= weight < math.inf for weight in method.weights)
        expect.that(good, "method.weights", f"{most} numbers, none negative", method.weights)
        for count in config.comparison.teacher_counts or [most]:
            one = count == 1 or sum(method.weights[:count]) > 0
            expect.that(one, "method.weights", f"one of the first {count} above 0", method.weights)
    for name, term in method.terms.items():
        _term(f"method.terms.{name}", term)
    _online(method.online)
    expect.that(bool(method.arms), "method.arms", "at least one arm (for example method=tmkd)", method.arms)
    fewest = min([config.teachers.count, *config.comparison.teacher_counts])
    for name, arm in method.arms.items():
        where = f"method.arms.{name}"
        for section, changes in arm.set.items():
            expect.one_of(f"{where}.set", section, VARIED)
            expect.that(isinstance(changes, dict), f"{where}.set.{section}", "settings, {name: value}", changes)
        expect.names(f"{where}.set", arm.set)
        expect.one_of(f"{where}.targets", arm.targets, TARGETS)
        if arm.teacher is not None:
            expect.that(1 <= arm.teacher <= fewest, f"{where}.teacher", f"a number from 1 to {fewest}", arm.teacher)
            expect.that(arm.targets == "one", f"{where}.teacher", "null unless targets is one", arm.teacher)
        if arm.alpha is not None:
            expect.share(f"{where}.alpha", arm.alpha)
        temperature = method.temperature if arm.temperature is None else arm.temperature
        _soft(where, arm.loss or method.loss, temperature)
        expect.that(arm.generations >= 1, f"{where}.generations", "1 or more", arm.generations)
        alone = arm.generations == 1 or not (arm.pretrain or arm.targets == "students")
        expect.that(alone, f"{where}.generations", "1, where pretrain is true or targets is students", arm.generations)
        for own in arm.terms or []:
            known = f"names in method.terms ({', '.join(method.terms) or 'none'})"
            expect.that(own in method.terms, f"{where}.terms", known, own)
            taught = arm.targets != "none" or method.terms[own].loss in WITHOUT_TEACHER
            expect.that(taught, f"{where}.terms", "terms that need no teacher, where targets is none", own)


def _online(online: OnlineConfig) -> None:
    where, peers = "method.online", online.peers
    expect.one_of(f"{where}.kind", online.kind, ONLINE)
    expect.one_of(f"{where}.direction", online.direction, ("both", "down"))
    both = online.kind == "mutual" or online.direction == "both"
    expect.that(both, f"{where}.direction", "both, where kind is not mutual", online.direction)
    codistilled = online.kind == "codistillation" or not online.processes
    expect.that(codistilled, f"{where}.processes", "false, where kind is not codistillation", online.processes)
    counted = type(peers) is int and peers >= 2
    listed = isinstance(peers, list) and len(peers) >= 2 and all(isinstance(peer, dict) for peer in peers)
    expected = "a number from 2 on, or a list of at least two students' settings"
    expect.that(counted or listed, f"{where}.peers", expected, peers)
    expect.names(f"{where}.peers", peers)
    for name in ("seeds", "exits", "exit_threshold"):
        own = listed and any(name in peer for peer in peers)
        expect.that(not own, f"{where}.peers", f"settings without {name}, which are those of all", peers)
    expect.not_negative(f"{where}.weight", online.weight)
    expect.that(0 < online.temperature < math.inf, f"{where}.temperature", "more than 0", online.temperature)
    expect.fraction(f"{where}.burn_in", online.burn_in)
    expect.that(online.refresh >= 1, f"{where}.refresh", "1 step or more", online.refresh)


def _language(config: Config) -> None:
    language, student = config.language, config.student
    masks = student.encoder.source != "bilstm"
    expect.that(masks, "stage1.kind", "soft where student.encoder.source is bilstm", config.stage1.kind)
    expect.that(student.init == "encoder", "student.init", "encoder where stage1.kind is language", student.init)
    for name in ("kl", "mlm", "cosine"):
        expect.not_negative(f"language.{name}", getattr(language, name))
    some = language.kl + language.mlm + language.cosine > 0
    expect.that(some, "language", "at least one of kl, mlm and cosine above 0", "0 for all")
    expect.positive("language", language, ("temperature", "fit_epochs", "fit_learning_rate", "fit_batch_size"))
    expect.that(0 < language.masked <= 1, "language.masked", "more than 0, at most 1", language.masked)
    expect.fraction("language.held_out", language.held_out)
    expect.seed("language.seed", language.seed)


def _term(where: str, term: TermConfig) -> None:
    expect.one_of(f"{where}.loss", term.loss, TERMS)
    expect.one_of(f"{where}.schedule", term.schedule, COURSES)
    expect.fraction(f"{where}.warm_up", term.warm_up)
    for name in ("weight", "end"):
        value = getattr(term, name)
        expect.that(value is None or 0 <= value < math.inf, f"{where}.{name}", "0 or more", value)
    if term.layers is not None:
        expect.one_of(f"{where}.layers", term.layers, LAYER_MAPS)
    expect.that(term.relation_heads is None or term.relation_heads > 0, f"{where}.relation_heads", "1 or more", 0)
    expect.that(bool(term.stages) and set(term.stages) <= {1, 2}, f"{where}.stages", "1, 2 or both", term.stages)


def _encoder(where: str, encoder: EncoderConfig, more: tuple[str, ...] = ()) -> None:
    expect.one_of(f"{where}.source", encoder.source, ("embedded", "hub", "tiny", *more))
    expect.one_of(f"{where}.pooling", encoder.pooling, POOLINGS)
    expect.that(encoder.source != "hub" or bool(encoder.name), f"{where}.name", "a hub name or a folder", encoder.name)
    expect.length(where, encoder.max_length)
    expect.positive(where, encoder, ("layers", "width", "words", "dimensions"))
    even = encoder.source != "tiny" or encoder.width % 2 == 0  # it has two heads
    expect.that(even, f"{where}.width", "an even number where source is tiny", encoder.width)
    expect.seed(f"{where}.seed", encoder.seed)
    unused = encoder.vectors is None or encoder.source in ("bilstm", "same")  # same: for arms that are a Bi-LSTM
    expect.that(unused, f"{where}.vectors", "null where source is not bilstm", encoder.vectors)


def _soft(where: str, loss: str, temperature: float) -> None:
    expect.one_of(f"{where}.loss", loss, LOSSES)
    expect.that(0 < temperature < math.inf, f"{where}.temperature", "more than 0", temperature)
