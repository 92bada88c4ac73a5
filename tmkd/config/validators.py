"""What one value may be; else a ConfigError of one sentence: the setting, what was expected, what came."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

from tmkd.choices import BCE, FLOAT, LAMBDA
from tmkd.errors import ConfigError

LONGEST = 240  # bytes: file systems take 255, and what is under way has a few more in its name


def that(holds: bool, name: str, expected: str, got: Any) -> None:
    """Whatever ``holds`` says."""
    if not holds:
        raise ConfigError(f"{name}: expected {expected}, got {got}.")


def one_of(name: str, value: str, allowed: Sequence[str]) -> None:
    """One of some names."""
    that(value in allowed, name, "one of " + ", ".join(allowed), value)


def positive(where: str, section: Any, names: Sequence[str]) -> None:
    """Several fields of a section, each above 0 and finite."""
    for name in names:
        value = getattr(section, name)
        that(0 < value < math.inf, f"{where}.{name}", "more than 0", value)


def not_negative(name: str, value: float) -> None:
    """0 or more, and finite."""
    that(0 <= value < math.inf, name, "0 or more", value)


def share(name: str, value: float) -> None:
    """From 0 to 1."""
    that(0 <= value <= 1, name, "a number from 0 to 1", value)


def fraction(name: str, value: float) -> None:
    """From 0 to less than 1."""
    that(0 <= value < 1, name, "at least 0 and less than 1", value)


def seed(name: str, value: int) -> None:
    """What numpy, torch and Python can all be seeded with."""
    that(0 <= value < 2**32, name, "0 or more, and less than 2 to the power of 32", value)


def folder(name: str, value: str) -> None:
    """A path of folders each of which a file system can name."""
    for part in value.split("/"):
        size = len(os.fsencode(part))
        that(size <= LONGEST, name, f"folders whose names have at most {LONGEST} bytes", f"{part[:40]}… of {size}")


def dropout(where: str, value: float | None) -> None:
    """A share, or None."""
    if value is not None:
        share(f"{where}.dropout", value)


def length(where: str, value: int | None) -> None:
    """Tokens enough for a pair, or None."""
    that(value is None or value >= 8, f"{where}.max_length", "at least 8 tokens", value)


def groups(where: str, group_size: int | None, batch_questions: int | None) -> None:
    """Passages of a question that a step sees together, or None, and questions a step."""
    expected = "null (pairs by themselves), 0 (all passages of a question) or 2 and more"
    that(group_size is None or group_size == 0 or group_size >= 2, f"{where}.group_size", expected, group_size)
    if batch_questions is not None:
        expected = f"null where {where}.group_size is null"
        that(group_size is not None, f"{where}.batch_questions", expected, batch_questions)
        that(batch_questions >= 1, f"{where}.batch_questions", "1 or more, or null", batch_questions)


def over_questions(name: str, loss: str, group: str, group_size: int | None) -> None:
    """A loss over a question's passages has batches of whole questions, which the setting ``group`` asks for."""
    expected = f"a number of passages (0: all of them), since {name}={loss} compares the passages of a question"
    that(group_size is not None, group, expected, group_size)


def ranked(name: str, loss: str, ranking: bool) -> None:
    """A loss over a question's passages has passages to rank, and so two classes."""
    that(ranking, "data.ranking", f"true, since {name}={loss} compares the passages of a question", ranking)


def gold_loss(name: str, loss: str | None, kind: str) -> None:
    """Binary cross-entropy has labels that may be numbers from 0 to 1; lambda has gains 2^grade − 1, of grades."""
    that(loss != BCE or kind == FLOAT, name, f"another loss where data.label_kind is {kind}, not {FLOAT}", loss)
    expected = f"another loss, such as ranknet, where data.label_kind is {kind}, since a number is its own gain in nDCG"
    that(loss != LAMBDA or kind != FLOAT, name, expected, loss)


def names(where: str, value: Any) -> None:
    """Settings by name, at every level: YAML takes a bare number for a number, and identities are sorted by name."""
    if isinstance(value, list):
        for each in value:
            names(where, each)
    if isinstance(value, dict):
        for name, each in value.items():
            that(isinstance(name, str), where, "names of settings", repr(name))
            names(f"{where}.{name}", each)
