"""From the words behind a command to checked settings: those of one run, or of each run of a sweep."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString, ValueType
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from tmkd.cli.arguments import as_typed, names_in
from tmkd.cli.explain import explain, unset_section
from tmkd.config import Config, check, check_given, check_typed, resolve
from tmkd.errors import ConfigError
from tmkd.shipped import CONF


@dataclass(frozen=True)
class Combination:
    """One run of a sweep.

    Attributes:
        settings: those that differ between the runs, as they are typed; "the student" where there is one run.
    """

    settings: str
    config: Config


def compose(overrides: Sequence[str]) -> Config:
    """Return the checked settings of a run (ConfigError: one that is not there, or makes no sense)."""
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            typed = as_typed(overrides)
            return check_typed(check_given(check(resolve(hydra_compose("config", typed)))), names_in(typed))
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(explain(error)) from None
    except (AssertionError, AttributeError):
        if (sentence := unset_section(overrides)) is None:
            raise
        raise ConfigError(sentence) from None


def compose_sweep(overrides: Sequence[str], folder: Path | None = None, **more: str) -> list[Combination]:
    """Return a run for each combination of values with commas between them, as Hydra's ``--multirun`` does.

    Args:
        folder: of a user's own settings, beside ``conf/``.
        more: texts of further settings, dots written as ``__``.

    Raises:
        ConfigError: a setting that is not there, that makes no sense, or that is no list of values.
    """
    try:
        parsed = OverridesParser.create().parse_overrides(as_typed(overrides))
    except HydraException as error:
        raise ConfigError(explain(error)) from None
    usual = [f"{name.replace('__', '.')}={_quoted(value)}" for name, value in more.items()]
    usual += [f"hydra.searchpath=[{_quoted(str(folder.resolve()))}]"] if folder else []
    found = []
    for chosen in itertools.product(*map(_values, parsed)):
        differing = [text for text, override in zip(chosen, parsed) if override.is_sweep_override()]
        found.append(Combination(" ".join(differing) or "the student", compose([*chosen, *usual])))
    return found


def _values(override: Override) -> list[str]:
    """Return an override for each of the values of one."""
    if not override.is_sweep_override():
        return [str(override.input_line)]
    if not override.is_discrete_sweep() or override.value_type == ValueType.GLOB_CHOICE_SWEEP:
        raise ConfigError(
            f"'{override.input_line}': expected values with commas between them, as in student.layers=1,2,3."
        )
    key = override.get_key_element()
    return [f"{key}={value}" for value in override.sweep_string_iterator()]


def _quoted(text: str) -> str:
    return QuotedString(text, Quote.single).with_quotes()
