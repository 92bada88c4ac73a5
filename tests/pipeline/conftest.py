"""Pipelines run from the checkout's root: conf/data/smoke.yaml names its files from there."""

import shutil
from pathlib import Path

import pytest

from tests.pipeline.running import ROOT
from tests.pipeline.scored import make_scored


@pytest.fixture(autouse=True)
def at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="session")
def scored_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_scored(tmp_path_factory.mktemp("scored"))


@pytest.fixture
def scored(scored_once: Path, tmp_path: Path) -> Path:
    """A store with task and corpus read, and every pair's score in ``SPLIT.jsonl``, for a test of its own to change."""
    shutil.copytree(scored_once, tmp_path / "home")
    return tmp_path / "home"
