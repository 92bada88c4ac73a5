"""What students learn from, and by which losses: the method, and its arms."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from tmkd.choices import COURSES, FIRST_WORD, GOLD_LOSSES, LOSSES, MARGIN_PAIRS, WITHOUT_TEACHER
from tmkd.config import validators
from tmkd.config.families import ExitsConfig, OnlineConfig, TermConfig, check_exits, check_online, check_term

TARGETS = ("none", "one", "average", "heads", "students")
TEACHER_WEIGHTS = ("mean", "fixed", "confidence", "learnt", "agreement")
# sections that an arm may set for itself; all others are of the comparison as a whole
VARIED = ("corpus", "encoder", "teachers", "student", "stage1", "language", "stage2", "method", "trainer")


@dataclass
class ArmConfig:
    """One row of the comparison: the two switches, and per-arm overrides."""

    pretrain: bool = False  # start from the student of stage 1
    fine_tune: bool = True  # train in stage 2; false: the row is the student of stage 1
    targets: str = "none"  # who teaches: none | one (1-o-1) | average (1avg-o-1) | heads (m-o-1) | students (m-o-m)
    # another arm of the run, whose students teach this one in place of the teachers, seed by seed; null: the teachers
    taught_by: Optional[str] = None
    teacher: Optional[int] = None  # with targets one: the number of the teacher; null: the best on the validation split
    alpha: Optional[float] = None  # null: method.alpha
    gold_loss: Optional[str] = None  # null: method.gold_loss
    loss: Optional[str] = None  # null: method.loss
    temperature: Optional[float] = None  # null: method.temperature
    generations: int = 1  # number of students in a row, each teaching the next; the last one is the row
    # generations: each goes on from the one before, in its share of the epochs; false: each starts from the encoder
    continues: bool = False
    terms: Optional[list[str]] = None  # names in method.terms; null: all of them
    set: dict[str, Any] = field(default_factory=dict)  # settings of this arm: {student: bottom1, stage1: {share: 0.1}}


@dataclass
class MethodConfig:
    alpha: float = 0.9  # α: weight of the soft labels; gold labels have 1 − α; at 1 the soft heads alone predict
    # gold loss of stage 2: pointwise (cross-entropy, the paper; of grades and numbers the squared error) | bce (binary
    # cross-entropy, of numbers from 0 to 1: data.label_kind=float); over a question's passages, with stage2.group_size:
    # listwise | listwise_each (right passages do not compete) | ranknet | lambda
    gold_loss: str = "pointwise"
    # soft loss of stage 2: mse (on logits, the paper) | kl | ce; over a question's passages, with stage2.group_size:
    # margin_mse | listwise_kl | ranknet | adr_mse
    loss: str = "mse"
    margin_pairs: str = (
        "all"  # pairs of passages that margin_mse and ranknet compare: all | right_wrong (by the gold labels)
    )
    temperature: float = 1.0  # T, of kl, ce, listwise_kl and adr_mse
    alpha_end: Optional[float] = None  # α at the end of the training; null: it does not change
    temperature_end: Optional[float] = None  # T at the end of the training; null: it does not change
    schedule: str = "linear"  # how α and T change: linear | cosine | step
    # heads (the paper: gold and soft labels have heads of their own) | blend (one head, two losses) | weigh (one head,
    # one target that is mixed from both labels)
    mix: str = "heads"
    # weight of each of several teachers: mean | fixed (see weights) | confidence | learnt (on validation, see
    # trust_by) | agreement (with the gold label)
    teacher_weights: str = "mean"
    weights: list[float] = field(default_factory=list)  # with teacher_weights fixed: one number a teacher
    # with teacher_weights learnt: what weights depend on, in both stages: first_word (of the question) | question_word
    # (the first of who, what, when, where, why, how, which in it) | none | a name in data.extra_columns
    trust_by: str = FIRST_WORD
    terms: dict[str, TermConfig] = field(default_factory=dict)  # further losses, by name
    online: OnlineConfig = field(default_factory=OnlineConfig)
    exits: ExitsConfig = field(default_factory=ExitsConfig)
    # new heads start: shared (all from one random draw, so that the heads of several teachers change the encoder as
    # their average would) | separate (each from its own)
    head_init: str = "shared"
    carry_heads: bool = True  # heads of stage 2 start from those of stage 1
    arms: dict[str, ArmConfig] = field(default_factory=dict)  # the students to train and compare


def check_method(method: MethodConfig, fewest: int) -> None:
    """The soft loss, the terms, the peers and the arms.

    Args:
        fewest: teachers that teach wherever an arm is trained.
    """
    check_soft("method", method.loss, method.temperature)
    validators.one_of("method.gold_loss", method.gold_loss, GOLD_LOSSES)
    validators.one_of("method.margin_pairs", method.margin_pairs, MARGIN_PAIRS)
    validators.share("method.alpha", method.alpha)
    if method.alpha_end is not None:
        validators.share("method.alpha_end", method.alpha_end)
    if method.temperature_end is not None:
        validators.that(
            0 < method.temperature_end < math.inf, "method.temperature_end", "more than 0", method.temperature_end
        )
    validators.one_of("method.schedule", method.schedule, COURSES)
    validators.one_of("method.mix", method.mix, ("heads", "blend", "weigh"))
    validators.one_of("method.head_init", method.head_init, ("shared", "separate"))
    validators.one_of("method.teacher_weights", method.teacher_weights, TEACHER_WEIGHTS)
    for name, term in method.terms.items():
        check_term(f"method.terms.{name}", term)
    check_online(method.online)
    check_exits(method.exits)
    validators.that(bool(method.arms), "method.arms", "at least one arm (for example method=tmkd)", method.arms)
    for name, arm in method.arms.items():
        _arm(f"method.arms.{name}", arm, method, fewest)
        _taught(name, method.arms)


def check_weights(weights: Sequence[float], most: int, counts: Sequence[int]) -> None:
    """The teachers' fixed weights.

    Args:
        most: how many teach at most.
        counts: how many teach in each of the comparisons.
    """
    good = len(weights) == most and all(0 <= weight < math.inf for weight in weights)
    validators.that(good, "method.weights", f"{most} numbers, none negative", weights)
    for count in counts:
        one = count == 1 or sum(weights[:count]) > 0
        validators.that(one, "method.weights", f"one of the first {count} above 0", weights)


def check_soft(where: str, loss: str, temperature: float) -> None:
    """A soft loss: of a stage, or of an arm."""
    validators.one_of(f"{where}.loss", loss, LOSSES)
    validators.that(0 < temperature < math.inf, f"{where}.temperature", "more than 0", temperature)


def _taught(name: str, arms: Mapping[str, ArmConfig]) -> None:
    """That the arms that teach an arm, one behind the other, end at one that the teachers teach."""
    chain = [name]
    while (other := arms[chain[-1]].taught_by) is not None:
        where = f"method.arms.{chain[-1]}.taught_by"
        others = ", ".join(each for each in arms if each != chain[-1]) or "there is none"
        known = other in arms and other != chain[-1]
        validators.that(known, where, f"another arm of the run ({others})", other)
        chain.append(other)
        ends = other not in chain[:-1]
        validators.that(ends, where, "null in one of the arms that teach one another", " taught by ".join(chain))
    if len(chain) > 1:
        arm, where = arms[name], f"method.arms.{name}"
        validators.that(arm.targets != "none", f"{where}.taught_by", "null where targets is none", chain[1])
        validators.that(arm.teacher is None, f"{where}.teacher", "null with taught_by", arm.teacher)


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
    check_soft(where, arm.loss or method.loss, temperature)
    validators.one_of(f"{where}.gold_loss", arm.gold_loss or method.gold_loss, GOLD_LOSSES)
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
