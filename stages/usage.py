"""What ``--help`` says. Hydra's own answer takes seconds: it copies all of ``conf/`` anew for each of its groups."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

FLAGS = {"-h", "--help"}
TEXT = """\
{doc}

Choose from the groups of conf/ with GROUP=OPTION:

{groups}

Set a field with SECTION.FIELD=VALUE; what each one means is in tmkd/config.py. As it is composed now:

{config}
--multirun starts a sweep, --cfg job prints the settings alone, and --hydra-help has the rest of the flags.
"""


def text(conf: Path, overrides: Sequence[str]) -> str:
    """Return the page for a configuration as ``overrides`` compose it.

    Raises:
        HydraException, OmegaConfBaseException: an override that Hydra cannot apply.
    """
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    with initialize_config_dir(str(conf), version_base="1.3"):
        config = OmegaConf.to_yaml(compose("config", list(overrides)))
    doc = (sys.modules["__main__"].__doc__ or "").strip()
    return TEXT.format(doc=doc, groups="\n".join(groups(conf)), config=config)


def groups(conf: Path) -> list[str]:
    """Return a line a folder of YAML files: its name, then theirs."""
    folders = sorted({file.parent for file in conf.glob("*/**/*.yaml")})
    return [
        f"  {folder.relative_to(conf)}: {', '.join(sorted(file.stem for file in folder.glob('*.yaml')))}"
        for folder in folders
    ]
