"""Lists in the documents that are followed step by step have every entry."""

import re

import pytest

from tests.configs.test_examples import ROOT
from tmkd.store.identity import VERSIONS


@pytest.mark.parametrize(
    ("document", "heading"),
    [("docs/architecture.md", "| stage | upstream keys"), ("CONTRIBUTING.md", "| what changed | raise |")],
)
def test_no_kind_of_result_is_left_out(document, heading):
    """Whoever followed the table of CONTRIBUTING.md would have found old peers and language models again, silently."""
    _, _, behind = (ROOT / document).read_text(encoding="utf-8").partition(heading)
    table, _, _ = behind.partition("\n\n")
    assert set(VERSIONS) <= set(re.findall(r"\w+", table))


def test_every_file_that_the_documents_name_in_the_code_is_there():
    for document in [ROOT / "CONTRIBUTING.md", ROOT / "pyproject.toml", *ROOT.glob("docs/**/*.md")]:
        for path in re.findall(r"\b(?:tmkd|tests|benchmarks)/[\w/]+\.py\b", document.read_text(encoding="utf-8")):
            assert (ROOT / path).exists(), f"{document}: {path}"
