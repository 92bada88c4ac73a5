"""Settings that are typed and that the run would not read: whoever types one expects another run than it would be.

Presets may hold such settings for what else is chosen beside them, and so only those that are typed count.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from tmkd.config import validators
from tmkd.config.compose import value_of
from tmkd.config.data import CorpusConfig, DataConfig
from tmkd.config.given import chosen_by, either
from tmkd.config.marks import known_by, read_beside
from tmkd.config.method import ArmConfig
from tmkd.config.models import EncoderConfig
from tmkd.config.whole import Config

# Sections whose settings not all readers or sources know (``tmkd.config.marks.of``), and what chooses one.
CHOSEN = {"data": ("reader", DataConfig), "corpus": ("reader", CorpusConfig), "encoder": ("source", EncoderConfig)}
INSTEAD = {"corpus.questions": "corpus.pairs limits others", "encoder.layers": "student.layers is that of students"}
OF_ARMS = ("method", "stage1", "stage2", "student")  # sections that arms alone read
OF_AN_ARM = ("alpha", "gold_loss", "loss", "temperature")  # settings of a method that are an arm's own, too


def check_typed(config: Config, typed: Collection[str], stage: str | None = None) -> Config:
    """Return the config itself, or raise ConfigError for the first setting that is typed and not read.

    Args:
        typed: names of settings that the run was given, such as ``method.alpha``; others are left out.
        stage: what runs; None: any may.
    """
    for key in typed:
        section, *steps = key.split(".")
        if section in CHOSEN and steps:
            _known(config, section, steps[0], stage)
        elif section in OF_ARMS and steps:
            _taken(config, key, section, steps)
    return config


def _known(config: Config, section: str, name: str, stage: str | None) -> None:
    """A setting that the section's reader or source knows, or what else reads it."""
    key, (chooser, fields) = f"{section}.{name}", CHOSEN[section]
    known = known_by(fields, name)
    if not known:
        return
    also = read_beside(fields, name)
    may = stage is None and any("=" not in other for other in also)
    knowing = {*(f"{section}={reader}" for reader in known), *also}
    read = may or not knowing.isdisjoint({stage, *_readers(config)})
    chosen = value_of(config, f"{section}.{chooser}")
    instead = f" ({INSTEAD[key]})" if key in INSTEAD else ""
    expected = f"{section}.{chooser}={either(known)} beside it, since it is {chosen}{instead}"
    validators.that(read, key, expected, value_of(config, key))


def _readers(config: Config) -> Iterator[str]:
    """Yield the readers and sources of the run and of its arms, as in ``corpus=files``."""
    arms = list(config.method.arms.values())
    for section, (chooser, _) in CHOSEN.items():
        for reader in (value_of(config, f"{section}.{chooser}"), *chosen_by(arms, section, chooser)):
            yield f"{section}={reader}"
    if config.teachers.learn_files:  # whatever the task's reader is
        yield "data=files"


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
