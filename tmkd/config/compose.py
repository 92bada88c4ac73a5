"""From what Hydra composes to ``Config``, and from one config to another.

YAML files in ``conf/`` override the defaults of the classes. Hydra knows these as ``schema`` once this module is
imported.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import re
import typing
from collections.abc import Callable
from typing import Any

from hydra import compose
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tmkd.config.whole import Config
from tmkd.errors import ConfigError
from tmkd.shipped import EXAMPLES
from tmkd.spelling import as_text, same

# a file of the examples that come with the program, wherever that is installed: ${example:train.tsv}
OmegaConf.register_new_resolver("example", lambda name: str(EXAMPLES / name), replace=True)
OmegaConf.register_new_resolver("home", lambda path: at_home(path), replace=True)  # for paths that Hydra looks at
STORE = ConfigStore.instance()
STORE.store(name="schema", node=Config)
# the names are the user's own: data.labels={no: wrong} needs no "+"
OmegaConf.set_struct(STORE.repo["schema.yaml"].node.data.labels, False)
OmegaConf.set_struct(STORE.repo["schema.yaml"].node.tune.space, False)


def resolve(composed: DictConfig) -> Config:
    """Turn what Hydra composed into dataclasses; whether they make sense is for ``check`` to say.

    Raises:
        ConfigError: a preset that is not there, or a label that means two things.
    """
    preset = functools.cache(_preset)  # which several arms may name
    for name, arm in composed.method.arms.items():
        _open_presets(arm, f"method.arms.{name}.set", preset)
    config = OmegaConf.to_object(composed)
    assert isinstance(config, Config)
    config.data.labels = _named(config.data.labels)
    _at_home(config)
    return config


def _open_presets(arm: DictConfig, key: str, preset: Callable[[str, str], Any]) -> None:
    """Put the settings of a preset in its name's place: ``set: {student: bilstm}`` is ``student=bilstm`` for one arm.

    What else the arm sets has the last word.
    """
    presets = {section: name for section, name in arm.set.items() if isinstance(name, str)}
    opened: list[Any] = []
    for section, name in presets.items():
        options = GlobalHydra.instance().config_loader().get_group_options(section)
        if name not in options:
            expected = f"one of {', '.join(options)}" if options else "its settings, {SETTING: VALUE}"
            raise ConfigError(f"{key}.{section}: expected {expected}, got {name}.")
        opened.append(preset(section, name))
    if opened:
        own = {section: value for section, value in arm.set.items_ex(resolve=False) if section not in presets}
        arm.set = OmegaConf.merge(*opened, own)


def _preset(section: str, name: str) -> Any:
    found: Any = OmegaConf.to_container(compose(f"{section}/{name}"))  # without a fixed set of settings
    return found if section in found else {section: found}  # it may reach other sections, too


def takes_text(key: str) -> bool:
    """Whether the setting at ``key`` (``data.train``, ``teachers.roster.1.encoder.name``) is a text."""
    return kind_of(key) is str


def kind_of(key: str) -> Any:
    """Return the type of the setting at ``key``, of one that may be null its other type; None: no such setting."""
    kind: Any = Config
    for step in key.split("."):
        if dataclasses.is_dataclass(kind):
            kind = typing.get_type_hints(kind).get(step)
        else:  # a list or a dictionary of sections
            kind = typing.get_args(kind)[-1] if typing.get_origin(kind) in (list, dict) else None
        if type(None) in typing.get_args(kind):
            kind = typing.get_args(kind)[0]
    return kind


def value_of(config: Config, key: str) -> Any:
    """Return the value of the setting at ``key``.

    Raises:
        ConfigError: it is not there: an entry that no list or dictionary has.
    """
    value: Any = config
    try:
        for step in key.split("."):
            if isinstance(value, list):
                value = value[int(step)]
            else:
                value = value[step] if isinstance(value, dict) else getattr(value, step)
    except (AttributeError, IndexError, KeyError, ValueError):
        raise ConfigError(f"{key}: expected a setting that the run has, but it is not there.") from None
    return value


def with_settings(config: Config, values: dict[str, Any]) -> Config:
    """Return the config with other values of some settings, by name: ``{"student.layers": 1}``; see ``value_of``.

    Raises:
        ConfigError: a value of another kind.
    """
    names = {key.partition(".")[0] for key in values}
    sections = OmegaConf.create({name: getattr(config, name) for name in names})
    for key, value in values.items():
        try:
            OmegaConf.update(sections, key, value)
        except OmegaConfBaseException as error:
            why = str(error).splitlines()[0]
            raise ConfigError(f"{key}: expected a value of its kind, got {value} ({why}).") from None
    changed: Any = OmegaConf.to_object(sections)
    return dataclasses.replace(config, **changed)


def vary(config: Config, changes: dict[str, Any]) -> Config:
    """Return the config with other settings in some of its sections: ``{"student": {"layers": 1}}``.

    Raises:
        ConfigError: a field that is not there, or a value of another kind.
    """
    # these sections alone: the whole config takes many times as long
    sections = OmegaConf.create({name: getattr(config, name) for name in changes})
    try:
        varied: Any = OmegaConf.to_object(OmegaConf.merge(sections, changes))
    except OmegaConfBaseException as error:
        why = str(error).splitlines()[0]
        raise ConfigError(f"method.arms, set: expected settings of docs/settings.md, got {changes} ({why}).") from None
    for section in varied.values():
        _at_home(section)
    return dataclasses.replace(config, **varied)


def _named(labels: dict[Any, str]) -> dict[str, str]:
    """Return labels by their names as text: YAML has numbers and truth values."""
    named: dict[str, str] = {}
    meant: dict[str, tuple[Any, str]] = {}
    for label, known in labels.items():
        name = as_text(label) or str(label)
        other, before = meant.setdefault(same(name), (label, known))
        if before != known:
            raise ConfigError(
                f"data.labels: expected one class for each label, but {other!r} and {label!r} are one label and mean "
                f"'{before}' and '{known}'; leave one of them out."
            )
        named[name] = known
    return named


def at_home(path: str) -> str:
    """Return a path with the home folder for its ~; ConfigError for the home of somebody who is not there."""
    found = os.path.expanduser(path)
    if re.match(r"~[\w.-]+/", found):  # else a folder of that name would be made
        name = found.partition("/")[0]
        raise ConfigError(f"{path}: expected ~/ or the home of a user, but there is no user {name[1:]}; mend it, or "
                          f"write ./{name} for a folder of that name.")  # fmt: skip
    return found


def _at_home(section: Any) -> None:
    """Put the home folder for a ~ at the beginning of every text, which is a path."""
    for known in dataclasses.fields(section):
        value = getattr(section, known.name)
        if isinstance(value, str) and value.startswith("~"):
            setattr(section, known.name, at_home(value))
        for each in value if isinstance(value, list) else value.values() if isinstance(value, dict) else [value]:
            if dataclasses.is_dataclass(each):
                _at_home(each)
