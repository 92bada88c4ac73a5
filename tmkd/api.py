"""The stages from Python: compose settings as the command line does, and run a stage on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tmkd.cli.stages import STAGES
from tmkd.errors import ConfigError

if TYPE_CHECKING:
    from tmkd.config import Config


def compose(overrides: Sequence[str] = ()) -> Config:
    """Return the checked settings of a run.

    Args:
        overrides: as behind a command, without the shell's quotes: ``["method=tmkd", "data.train=/my data/a.tsv"]``.

    Raises:
        ConfigError: a setting that is not there, or makes no sense.
    """
    from hydra import compose as composed
    from hydra import initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from tmkd.cli.arguments import as_typed
    from tmkd.cli.launch import explain, unset_section
    from tmkd.config import check, resolve
    from tmkd.shipped import CONF

    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return check(resolve(composed("config", as_typed(overrides))))
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(explain(error)) from None
    except (AssertionError, AttributeError):
        if (sentence := unset_section(overrides)) is None:
            raise
        raise ConfigError(sentence) from None


def run(stage: str, config: Config) -> Any:
    """Run a stage, and those before it whose results are missing.

    Args:
        stage: plan, teachers, stage1, stage2, stage3, pairs, label, spend, mine or verify.
        config: of ``compose``.

    Returns:
        The artifacts that it made or found; of stage3 the folder of the comparison.

    Raises:
        TmkdError: whatever the command would end with, as one sentence.
    """
    if stage not in STAGES:
        raise ConfigError(f"stage: expected one of {', '.join(STAGES)}, got {stage}.")
    return STAGES[stage].run(stage, config)
