"""Settings that are typed and that the run would not read: whoever types one expects another run than it would be.

Presets may hold such settings for what else is chosen beside them, and so only those that are typed count.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tmkd.config import validators
from tmkd.config.compose import value_of
from tmkd.config.given import RANDOM_WEIGHTS, chosen_by, either
from tmkd.config.method import ArmConfig
from tmkd.config.whole import Config

CHOSEN = {"data": "reader", "corpus": "reader", "encoder": "source"}  # sections, and what chooses who reads them
READ_BY = {  # settings that some readers and sources do not know: those that do, and what to set for the others
    "data.packages": ("documentation",),
    "data.questions": ("documentation",),
    "data.passage_words": ("documentation",),
    "data.format": ("files",),
    "data.queries": ("files",),
    "data.documents": ("files",),
    "data.separator": ("files",),
    "corpus.questions": ("documentation",),
    "corpus.format": ("files",),
    "corpus.queries": ("files",),
    "corpus.documents": ("files",),
    "corpus.separator": ("files", "mined"),
    "encoder.layers": RANDOM_WEIGHTS,
}
INSTEAD = {"corpus.questions": "corpus.pairs limits others", "encoder.layers": "student.layers is that of students"}
OF_ARMS = ("method", "stage1", "stage2", "student")  # sections that arms alone read
OF_AN_ARM = ("alpha", "gold_loss", "loss", "temperature")  # settings of a method that are an arm's own, too


def check_typed(config: Config, typed: Collection[str]) -> Config:
    """Return the config itself, or raise ConfigError for the first setting that is typed and not read.

    Args:
        typed: names of settings that the run was given, such as ``method.alpha``; others are left out.
    """
    for key in typed:
        section, *steps = key.split(".")
        if key in READ_BY:
            _known(config, key, section)
        elif section in OF_ARMS and steps:
            _taken(config, key, section, steps)
    return config


def _known(config: Config, key: str, section: str) -> None:
    """A setting that the section's reader or source knows, or that of an arm or of a teacher's own training pairs."""
    chooser = CHOSEN[section]
    chosen = value_of(config, f"{section}.{chooser}")
    readers = {chosen, *chosen_by(list(config.method.arms.values()), section, chooser)}
    if section == "data" and config.teachers.learn_files:
        readers.add("files")
    instead = f" ({INSTEAD[key]})" if key in INSTEAD else ""
    expected = f"{section}.{chooser}={either(READ_BY[key])} beside it, since it is {chosen}{instead}"
    validators.that(not readers.isdisjoint(READ_BY[key]), key, expected, value_of(config, key))


def _taken(config: Config, key: str, section: str, steps: list[str]) -> None:
    """A setting that an arm takes: not each has a value of its own, as presets of a method give it."""
    arms = config.method.arms
    owns = {name: own for name, arm in arms.items() if (own := _own(arm, section, steps))}
    if owns and len(owns) == len(arms):
        name, (place, value) = next(iter(owns.items()))
        whose = "each arm has a value of its own" if len(arms) > 1 else "the arm has a value of its own"
        expected = f"method.arms.{name}.{place} in its place, since {whose} ({value})"
        got = value_of(config, key)
        validators.that(any(got == own for _, own in owns.values()), key, expected, got)


def _own(arm: ArmConfig, section: str, steps: list[str]) -> tuple[str, Any] | None:
    """Return where an arm has its own value of a setting, and the value; None: it has none."""
    if section == "method" and len(steps) == 1 and steps[0] in OF_AN_ARM and getattr(arm, steps[0]) is not None:
        return steps[0], getattr(arm, steps[0])
    value: Any = arm.set
    for step in (section, *steps):
        if not isinstance(value, dict) or step not in value:
            return None
        value = value[step]
    return f"set.{section}.{'.'.join(steps)}", value
