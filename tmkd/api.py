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
        overrides: as behind a command, without the shell's quotes: ``["data=files", "data.train=/my data/a.tsv"]``.

    Raises:
        ConfigError: a setting that is not there, or makes no sense.
    """
    from tmkd.cli.compose import compose as composed

    return composed(overrides)


def run(stage: str, config: Config) -> Any:
    """Run a stage, and those before it whose results are missing.

    Args:
        stage: plan, teachers, stage1, stage2, stage3, pairs, label, spend, mine, tune or verify.
        config: of ``compose``.

    Returns:
        Of teachers, stage1, stage2 and verify the artifacts that it made or found; of plan a summary in a few words; of
        the others the folder that they wrote: stage3's has the comparison.

    Raises:
        TmkdError: whatever the command would end with, as one sentence.
    """
    if stage not in STAGES:
        raise ConfigError(f"stage: expected one of {', '.join(STAGES)}, got {stage}.")
    return STAGES[stage].run(stage, config)
