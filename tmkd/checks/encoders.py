"""Teachers, students and their encoders."""

from __future__ import annotations

from tmkd import validators
from tmkd.config import Config, EncoderConfig, encoder_of, teaching

POOLINGS = ("auto", "first", "last", "mean")


def check_teachers(config: Config) -> None:
    """The roster, and how many of it teach."""
    roster = config.teachers.roster
    number = f"a number from 1 to {len(roster)} (the teachers in teachers.roster)"
    validators.that(1 <= config.teachers.count <= len(roster), "teachers.count", number, config.teachers.count)
    counts = config.comparison.teacher_counts
    for count in counts:
        validators.that(1 <= count <= len(roster), "comparison.teacher_counts", number, count)
    validators.that(len(set(counts)) == len(counts), "comparison.teacher_counts", "different numbers", counts)
    _encoder("encoder", config.encoder)
    for index, teacher in enumerate(roster):
        where = f"teachers.roster[{index}]"
        validators.positive(where, teacher, ("learning_rate", "batch_size", "epochs"))
        validators.seed(f"{where}.seed", teacher.seed)
        validators.dropout(where, teacher.dropout)
        validators.length(where, teacher.max_length)
        _encoder(f"{where}.encoder", teacher.encoder, ("same",))


def check_student(config: Config) -> None:
    """What a student is made of, and its exits."""
    student = config.student
    validators.that(student.layers is None or student.layers >= 1, "student.layers", "at least 1", student.layers)
    typed = student.token_types or student.encoder.source != "bilstm"
    validators.that(typed, "student.token_types", "true where student.encoder.source is bilstm", False)
    validators.one_of("student.keep", student.keep, ("bottom", "every"))
    validators.one_of("student.init", student.init, ("encoder", "teacher"))
    same = all(encoder_of(teacher, config) == encoder_of(student, config) for teacher in teaching(config))
    validators.that(
        student.init == "encoder" or same, "student.init", "encoder, where teachers have others", student.init
    )
    validators.that(bool(student.seeds), "student.seeds", "at least one seed", student.seeds)
    validators.that(len(set(student.seeds)) == len(student.seeds), "student.seeds", "different seeds", student.seeds)
    for seed in student.seeds:
        validators.seed("student.seeds", seed)
    validators.dropout("student", student.dropout)
    if student.pooling is not None:
        validators.one_of("student.pooling", student.pooling, POOLINGS)
    validators.length("student", student.max_length)
    _encoder("student.encoder", student.encoder, ("same", "bilstm"))
    _exits(config)


def _exits(config: Config) -> None:
    student, exits = config.student, config.method.exits
    rising = student.exits == sorted(set(student.exits)) and min(student.exits, default=1) >= 1
    below = student.layers is None or max(student.exits, default=0) < student.layers
    validators.that(
        rising and below, "student.exits", "layers below the student's last, in rising order", student.exits
    )
    able = not student.exits or encoder_of(student, config).source != "bilstm"
    validators.that(able, "student.exits", "[] where student.encoder is a Bi-LSTM", student.exits)
    if student.exit_threshold is not None:
        validators.share("student.exit_threshold", student.exit_threshold)
        validators.that(
            bool(student.exits), "student.exit_threshold", "null without student.exits", student.exit_threshold
        )
    validators.share("method.exits.alpha", exits.alpha)
    validators.positive("method.exits", exits, ("temperature",))
    for name in ("weight", "feature_weight"):
        validators.not_negative(f"method.exits.{name}", getattr(exits, name))


def _encoder(where: str, encoder: EncoderConfig, more: tuple[str, ...] = ()) -> None:
    validators.one_of(f"{where}.source", encoder.source, ("embedded", "hub", "tiny", *more))
    validators.one_of(f"{where}.pooling", encoder.pooling, POOLINGS)
    validators.that(
        encoder.source != "hub" or bool(encoder.name), f"{where}.name", "a hub name or a folder", encoder.name
    )
    validators.length(where, encoder.max_length)
    validators.positive(where, encoder, ("layers", "width", "words", "dimensions"))
    even = encoder.source != "tiny" or encoder.width % 2 == 0  # it has two heads
    validators.that(even, f"{where}.width", "an even number where source is tiny", encoder.width)
    validators.seed(f"{where}.seed", encoder.seed)
    unused = encoder.vectors is None or encoder.source in ("bilstm", "same")  # same: for arms that are a Bi-LSTM
    validators.that(unused, f"{where}.vectors", "null where source is not bilstm", encoder.vectors)
