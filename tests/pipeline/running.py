"""What the tests of pipelines share: a config composed as a stage would, with its results in a folder of the test's."""

from pathlib import Path

from hydra import compose, initialize_config_dir

from tmkd.config import Config, check, resolve

ROOT = Path(__file__).parents[2]


def compose_at(home: Path, *overrides: str) -> Config:
    """Return the checked config of the command line's settings; paths lie under ``home``."""
    paths = [f"paths.{name}={home / name}" for name in ("artifacts", "reports", "runs")]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return check(resolve(compose("config", overrides=[*paths, *overrides])))
