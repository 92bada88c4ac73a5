"""A file of pairs, from its content."""

import pytest


@pytest.fixture
def tsv(tmp_path):
    def write(content: str | bytes, name: str = "pairs.tsv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write
