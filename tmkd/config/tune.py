"""What `tmkd tune` searches: settings, and between which values."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from tmkd.config import validators
from tmkd.config.method import VARIED
from tmkd.errors import ConfigError

FORMS = "[LOW, HIGH], {log: [LOW, HIGH]} with LOW above 0, or {choice: [VALUE, ...]}"


@dataclass
class TuneConfig:
    """`tmkd tune` searches settings by the validation split; docs/tuning.md. No other stage reads this."""

    # what is searched, by setting: {method.alpha: [0.1, 0.9], stage2.learning_rate: {log: [2e-5, 5e-4]},
    # method.loss: {choice: [mse, kl]}}; null leaves a setting as it is
    space: dict[str, Any] = field(default_factory=dict)
    trials: int = 20  # settings to try beside the run's own, those of earlier runs of the same search included
    seed: int = 1  # of what is tried


@dataclass(frozen=True)
class Interval:
    """Numbers from ``low`` to ``high``, both included; ``log``: equal factors are equally likely."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def holds(self, value: Any) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high

    def plain(self, value: float) -> float:
        """Return a value with three digits, if there is one in the interval: it is to be read, and typed."""
        return value if self.whole else min(max(float(f"{value:.3g}"), self.low), self.high)

    @property
    def ends(self) -> tuple[float, ...]:
        return self.low, self.high


@dataclass(frozen=True)
class Choice:
    """One of some values."""

    values: tuple[Any, ...]

    def holds(self, value: Any) -> bool:
        return value in self.values

    def plain(self, value: Any) -> Any:
        return value

    @property
    def ends(self) -> tuple[Any, ...]:
        return self.values


def read_space(space: dict[str, Any], kinds: dict[str, Any]) -> dict[str, Interval | Choice]:
    """Return what is searched, by setting.

    Args:
        kinds: the type of each setting, which says whether the numbers between two are whole; None: no such setting.

    Raises:
        ConfigError: nothing is searched, or not in one of the known forms.
    """
    found: dict[str, Interval | Choice] = {}
    for name, value in space.items():
        if value is None:
            continue
        where = f"tune.space, {name}"
        varied = f"a setting of {', '.join(VARIED)}"
        validators.that(name.partition(".")[0] in VARIED and kinds[name] is not None, where, varied, name)
        found[name] = _read(where, value, kinds[name])
    if not found:
        raise ConfigError("tune.space: expected settings to search, got none; add sweep=optuna, or name some.")
    return found


def check_tune(tune: TuneConfig) -> None:
    """How long, and whether the space can be read; its settings are looked at by `tmkd tune`."""
    validators.positive("tune", tune, ("trials",))
    validators.seed("tune.seed", tune.seed)


def _read(where: str, value: Any, kind: Any) -> Interval | Choice:
    if isinstance(value, dict) and set(value) == {"choice"} and isinstance(value["choice"], list):
        values = value["choice"]
        plain = len(values) > 1 and all(each is None or isinstance(each, bool | int | float | str) for each in values)
        once = len({repr(each) for each in values}) == len(values)
        validators.that(plain and once, where, "two or more different numbers, texts or truth values", values)
        return Choice(tuple(values))
    log = isinstance(value, dict) and set(value) == {"log"}
    ends = value["log"] if log else value
    numbers = isinstance(ends, list) and len(ends) == 2 and all(_is_number(each) for each in ends)
    validators.that(numbers and (not log or ends[0] > 0), where, FORMS, value)
    low, high = ends
    validators.that(low < high, where, "a lower number before a higher one", value)
    validators.that(kind in (int, float), where, "{choice: [VALUE, ...]}, since it is no number", value)
    whole = kind is int
    validators.that(not whole or (low == int(low) and high == int(high)), where, "whole numbers", value)
    return Interval(int(low), int(high), log, True) if whole else Interval(float(low), float(high), log)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
