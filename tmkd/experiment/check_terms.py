"""Checks before anything is trained: terms that a student and its teachers cannot have together."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tmkd.choices import FINE_TUNED, POOLED, SELF_ATTENTION, WITHOUT_TEACHER
from tmkd.config import StudentConfig, TeacherConfig, encoder_of
from tmkd.errors import ConfigError, ModelError
from tmkd.experiment.experiment import Experiment
from tmkd.results.rows import tokenizer_digest
from tmkd.results.states import shape_of
from tmkd.results.terms import term_loss

if TYPE_CHECKING:
    from tmkd.losses.transfer import Shape


def check_terms(experiment: Experiment, arm: str, names: Sequence[str], assistant: Experiment | None = None) -> None:
    """Raise ConfigError, before any training, for terms that an arm's student and teachers cannot have together.

    Args:
        assistant: of the students that teach it, where those of another arm do.
    """
    from tmkd.losses.transfer import SelfAttention
    from tmkd.models.states import ATTENTION_KINDS, TOKEN_KINDS, check_attention

    config = experiment.config
    student = _student(experiment)
    teachers = {1: _student(assistant)} if assistant else _teachers(experiment, arm, names)
    shapes = [teacher.shape for teacher in teachers.values()]
    for name in names:
        term = config.method.terms[name]
        try:
            if term.loss == SELF_ATTENTION:
                SelfAttention(student.shape)
                check_attention(student.model)
                continue
            loss = term_loss(term, student.shape, shapes)
            for facts in (student, *teachers.values()):
                if loss.kind in ATTENTION_KINDS:
                    check_attention(facts.model)
                if loss.kind == "first" and not facts.first:
                    raise ModelError(
                        f"expected pooling last or mean, since the first token of {type(facts.model).__name__} does "
                        "not stand for the pair, got first."
                    )
        except (ValueError, ModelError) as error:
            raise ConfigError(f"method.terms.{name}, for the arm {arm}: {error}") from None
        for number, teacher in teachers.items():
            if loss.kind in TOKEN_KINDS and teacher.tokens != student.tokens:
                raise ConfigError(
                    f"method.terms.{name}, for the arm {arm}: '{term.loss}' compares token with token, so expected "
                    f"teacher {number} to have the student's tokenizer, max_length ({student.tokens[1]}) and long "
                    f"({student.tokens[2]}), but they differ; choose a term that reads one vector a pair "
                    f"({', '.join(POOLED)}) or another teacher."
                )


def _teachers(experiment: Experiment, arm: str, names: Sequence[str]) -> dict[int, _Facts]:
    """Return what is known of those that may teach an arm, by their numbers."""
    config = experiment.config
    most = max(config.comparison.teacher_counts or [config.teachers.size])
    named = config.method.arms[arm].teacher
    numbers = range(1, most + 1) if named is None else [named]  # which is the best of them is not known yet
    if any(config.method.terms[name].loss not in WITHOUT_TEACHER for name in names):
        _check_kinds(experiment, arm, numbers)
    roster = {number: config.teachers.roster[number - 1] for number in numbers}
    return {number: _facts(experiment, each) for number, each in roster.items() if each.kind == FINE_TUNED}


def _student(experiment: Experiment) -> _Facts:
    student = experiment.config.student
    return _facts(experiment, student, student.layers, student.keep)


def _check_kinds(experiment: Experiment, arm: str, numbers: Iterable[int]) -> None:
    teachers = experiment.config.teachers
    if teachers.cross_fit:
        raise ConfigError(
            f"method.arms.{arm}: expected teachers.cross_fit=0 for its terms, which read one model's inner states, "
            f"got {teachers.cross_fit}; leave the terms out (method.arms.{arm}.terms=[])."
        )
    for number in numbers:
        kind = teachers.roster[number - 1].kind
        if kind != FINE_TUNED:
            raise ConfigError(
                f"method.arms.{arm}: expected teachers of kind {FINE_TUNED} for its terms, which read inner states, "
                f"but teacher {number} is of kind {kind}; leave out the terms (method.arms.{arm}.terms=[]) or it."
            )


@dataclass(frozen=True)
class _Facts:
    """What can be known of a teacher or student without its weights.

    Attributes:
        tokens: what its tokens depend on.
        first: whether the first token stands for the pair.
    """

    model: Any
    shape: Shape
    tokens: tuple[str, int, str]
    first: bool


def _facts(
    experiment: Experiment, member: TeacherConfig | StudentConfig, keep: int | None = None, keep_which: str = "bottom"
) -> _Facts:
    source = experiment.encoder(member).source(experiment.context)
    model, digest, first = _inspected(**source, keep=keep, keep_which=keep_which)
    own = encoder_of(member, experiment.config)
    tokens = digest, member.max_length or own.max_length, member.long or own.long
    return _Facts(model, shape_of(model.config), tokens, first)


@functools.cache  # arms share encoders, and it takes a second to look at one
def _inspected(**encoder: Any) -> tuple[Any, str, bool]:
    from tmkd.models.encoder import first_stands_for_pair, inspect_encoder

    model, tokenizer = inspect_encoder(**encoder)
    return model, tokenizer_digest(tokenizer), first_stands_for_pair(model, tokenizer)
