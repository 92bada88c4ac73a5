from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.serving.server import Served, serving
from tmkd.reranker import Reranker


@pytest.fixture(scope="session")
def folder(small_store: Path) -> Path:
    return sorted((small_store / "artifacts").glob("stage2-*"))[0]


@pytest.fixture(scope="session")
def reranker(folder: Path) -> Reranker:
    return Reranker.from_pretrained(folder, device="cpu", precision="fp32")


@pytest.fixture(scope="session")
def served(reranker: Reranker) -> Iterator[Served]:
    with serving(reranker) as server:
        yield server
