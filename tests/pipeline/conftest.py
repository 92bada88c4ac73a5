"""Pipelines run from the checkout's root: conf/data/smoke.yaml names its files from there."""

import pytest

from tests.pipeline.running import ROOT


@pytest.fixture(autouse=True)
def at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
