"""Models and settings that stand side by side behind ``tmkd choose --train``."""

from __future__ import annotations

from pathlib import Path

from tmkd.errors import ConfigError

TRAIN = "--train student.layers=1,2,3 method=tmkd 'student.seeds=[1]'"  # what a mistake is answered with
ELSEWHERE = {  # settings that have no meaning here, and what has
    "paths.artifacts": "--artifacts",
    "launcher": "`tmkd stage2 --multirun launcher=...` first, since students are trained one after the other here",
}


def split(arguments: list[str], train: bool, config_dir: Path | None) -> tuple[list[str], list[str]]:
    """Return models and settings: what has a = in it, and is no folder.

    Raises:
        ConfigError: settings without --train or the other way round, or a setting that has no meaning here.
    """
    settings = [each for each in arguments if "=" in each and not Path(each).expanduser().is_dir()]
    if train and not settings:
        raise ConfigError(f"--train: expected the settings of the students to train, as in {TRAIN}.")
    if settings and not train:
        raise ConfigError(f"{settings[0]}: expected a model, or --train before settings, as in {TRAIN}.")
    if config_dir is not None and not (train and config_dir.is_dir()):
        raise ConfigError(f"--config-dir: expected a folder of settings, together with --train, got {config_dir}.")
    for each in settings:
        name = each.lstrip("+").partition("=")[0]
        if name.partition(".")[0] == "hydra" or name.startswith("hydra/") or name in ELSEWHERE:
            instead = ELSEWHERE.get(name, "`tmkd stage2`, since choose is no application of Hydra's")
            raise ConfigError(f"{each}: no setting of --train; use {instead}.")
    return [each for each in arguments if each not in settings], settings
