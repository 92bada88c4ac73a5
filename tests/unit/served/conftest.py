"""A server for each test, and short waits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.served.server import Server, serving


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr("tmkd.teachers.served.endpoint.BACK_OFF", 0.01)
    with serving() as started:
        yield started
