"""What ``--help`` says. Hydra's own answer takes seconds: it copies all of ``conf/`` for each of its groups."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

FLAGS = {"-h", "--help"}
TEXT = """\
{what}

Usage: tmkd {stage} [setting=value ...], or from a checkout: python -m stages.{stage} [setting=value ...]

Choose from the groups of conf/ with GROUP=OPTION:

{groups}

Set a field with SECTION.FIELD=VALUE; `tmkd settings` prints what each one means. As it is composed now:

{config}
--multirun starts a sweep, --cfg job prints the settings alone, and --hydra-help has the rest of the flags.
"""


def text(conf: Path, what: str, stage: str, overrides: Sequence[str]) -> str:
    """Return the page of a stage, with the configuration as ``overrides`` compose it.

    Raises:
        HydraException, OmegaConfBaseException: an override that Hydra cannot apply.
    """
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    with initialize_config_dir(str(conf), version_base="1.3"):
        config = OmegaConf.to_yaml(compose("config", list(overrides)))
    return TEXT.format(what=what, stage=stage, groups="\n".join(groups(conf)), config=config)


def groups(conf: Path) -> list[str]:
    """Return a line a folder of YAML files: its name, then theirs."""
    folders = sorted({file.parent for file in conf.glob("*/**/*.yaml")})
    return [
        f"  {folder.relative_to(conf)}: {', '.join(sorted(file.stem for file in folder.glob('*.yaml')))}"
        for folder in folders
    ]
