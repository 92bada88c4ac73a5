"""Arguments as people type them: a setting that is a text needs no quotes of Hydra's beside those of the shell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException

from tmkd.config import takes_text
from tmkd.errors import ConfigError
from tmkd.shipped import CONF

QUOTES = "'\""
SETTING = re.compile(r"(\+{0,2})([A-Za-z][\w.]*)=(.*)", re.DOTALL)


def as_typed(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with quotes around each text that Hydra would not read, or would read as something else.

    ``name=2026_11_25`` is no number, and ``data.train=/my data/train (1).tsv`` needs no second pair of quotes. What
    Hydra reads as a text, null or a sweep stays as it is.

    Raises:
        ConfigError: a map of labels that names one value twice, which Hydra would not see; a text in quotes that end
            before it does; null or a number where a file of ``conf/`` is chosen.
    """
    parser = OverridesParser.create()
    return [_as_typed(each, parser) for each in arguments]


def names_in(arguments: Sequence[str]) -> list[str]:
    """Return the names of settings that arguments, which Hydra has read, give values to, such as ``method.alpha``."""
    parser, found = OverridesParser.create(), []
    for override in parser.parse_overrides([each for each in arguments if SETTING.fullmatch(each)]):
        value = None if override.is_sweep_override() else override.value()
        found += _leaves(override.key_or_group, value)
    return found


def _leaves(key: str, value: Any) -> list[str]:
    """Return the names of all that a value holds: method.online.peers for method.online={peers: 3}."""
    if isinstance(value, dict) and value:
        return [name for step, own in value.items() for name in _leaves(f"{key}.{step}", own)]
    return [key]


def _as_typed(argument: str, parser: OverridesParser) -> str:
    found = SETTING.fullmatch(argument)
    if found is None:
        return argument
    added, key, value = found.groups()
    if key == "data.labels":
        _check_labels(value, parser)
    if (CONF / key).is_dir():
        _check_choice(argument, key, parser)
    if not takes_text(key):
        return argument
    try:
        override = parser.parse_override(argument)
        if override.is_sweep_override() or override.value() is None or isinstance(override.value(), str):
            return argument
    except HydraException:
        if len(value) > 1 and value[0] == value[-1] and value[0] in QUOTES:  # or they would be part of a path
            raise ConfigError(
                f"{key}: the quotes around {value} end before it does, since one is inside; leave out those around it: "
                f'"{key}={value[1:-1]}" in quotes of the shell alone.'
            ) from None
    return f"{added}{key}={QuotedString(value, Quote.single).with_quotes()}"


def _check_choice(argument: str, key: str, parser: OverridesParser) -> None:
    """Raise where what is chosen of a folder of ``conf/`` is no name; settings of the section are left to Hydra."""
    try:
        override = parser.parse_override(argument)
    except HydraException:
        return  # it is read once more, and then told
    if override.is_sweep_override() or isinstance(chosen := override.value(), dict):
        return
    if not all(isinstance(name, str) for name in (chosen if isinstance(chosen, list) else [chosen])):
        names = ", ".join(sorted(path.stem for path in (CONF / key).glob("*.yaml")))
        value = argument.partition("=")[2]
        raise ConfigError(f"{key}: expected one of {names}, or '~{key}' for none of them, got {value}.")


def _check_labels(value: str, parser: OverridesParser) -> None:
    """Raise where Python takes two labels for one key, as it does 0, 0.0 and false: the last would count in silence."""
    try:
        pairs = [(label.value, known.value) for label, known in yaml.compose(value, Loader=yaml.SafeLoader).value]
        keys = [parser.parse_override(f"label={label}").value() for label, _ in pairs]
        seen: dict[Any, tuple[str, str]] = {}
        twice = [(seen[key], pair) for key, pair in zip(keys, pairs) if seen.setdefault(key, pair)[1] != pair[1]]
    except (yaml.YAMLError, HydraException, AttributeError, TypeError, ValueError):
        return  # Hydra says what is wrong with it
    for (label, known), (other, meant) in twice:
        raise ConfigError(
            f"data.labels: expected one class for each label, but {label} and {other} are one key and mean '{known}' "
            f"and '{meant}'; leave one of them out, or give both as text, in quotes, in a YAML file."
        )
