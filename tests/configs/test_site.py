"""The site of the documentation: every page is in it, links lead where the forge's lead, and nothing is fetched."""

import importlib.util
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.configs.test_examples import ROOT
from tests.configs.test_links import LINK

SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
OUTSIDE = SITE["extra"]["outside"]
BELOW = {str(page.relative_to(ROOT / "docs")) for page in ROOT.glob("docs/**/*.md")} - {"README.md"}
specification = importlib.util.spec_from_file_location("site_hook", ROOT / SITE["hooks"][0])
hook = importlib.util.module_from_spec(specification)
specification.loader.exec_module(hook)


def test_nav_names_every_page_and_no_other():
    assert set(hook.titles_of(SITE["nav"])) == BELOW | set(OUTSIDE.values())
    assert all((ROOT / source).is_file() for source in OUTSIDE)


def test_no_two_pages_have_one_place():
    assert len(set(OUTSIDE.values())) == len(OUTSIDE)
    assert not BELOW & set(OUTSIDE.values())


@pytest.mark.parametrize(
    ("page", "link", "expected"),
    [
        ("tutorial.md", "[x](comparing.md#the-page)", "[x](comparing.md#the-page)"),
        ("tutorial.md", "[../data/README.md](../data/README.md#bad-rows)", "[Data](data.md#bad-rows)"),
        ("results/speed.md", "[x](../../CONTRIBUTING.md)", "[x](../contributing.md)"),
        ("index.md", "[docs/results/](docs/results/README.md)", "[Results](results/README.md)"),
        ("index.md", "![a](docs/results/default_full/a.png)", "![a](results/default_full/a.png)"),
        ("data.md", "[x](../docs/tutorial.md)", "[x](tutorial.md)"),
        ("tutorial.md", "[x](README.md), [y](#here), [z](https://example.org/)", "[x](index.md), [y](#here), [z]("),
        ("results/speed.md", "[the script](../../benchmarks/scoring.py).", "the script."),
        ("tutorial.md", "```\n[x](../data/README.md)\n```\n[x](../LICENSE)", "```\n[x](../data/README.md)\n```\nx"),
    ],
)
def test_link_of_the_forge_leads_to_the_same_in_the_site(page, link, expected):
    assert hook.relinked(link, page, OUTSIDE, hook.titles_of(SITE["nav"]), None).startswith(expected)


def test_file_that_is_no_page_leads_to_the_repository_if_there_is_one():
    written = hook.relinked("[x](../LICENSE)", "tutorial.md", OUTSIDE, {}, "https://example.org/blob/main")
    assert written == "[x](https://example.org/blob/main/LICENSE)"


def test_notebook_is_a_page_of_texts_and_code():
    page = hook.as_markdown(ROOT / "docs/first_student.ipynb")
    assert page.startswith("# ")
    assert "```python\nimport json\n" in page


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/api/*.md")), ids=lambda page: page.name)
def test_docstrings_are_of_something_that_is_there(page):
    names = [name.removeprefix("::: ") for name in hook.DOCSTRINGS.findall(page.read_text(encoding="utf-8"))]
    assert names
    assert all(pkgutil.resolve_name(name).__doc__ for name in names)


@pytest.mark.parametrize("page", [*sorted(BELOW), *OUTSIDE])
def test_nested_list_is_nested_in_the_site_too(page):
    path = ROOT / page if page in OUTSIDE else ROOT / "docs" / page
    text = hook.FENCE.sub("", path.read_text(encoding="utf-8"))
    assert path.suffix != ".md" or not re.findall(r"^ {1,3}(?:[-*]|\d+\.) .*", text, re.MULTILINE)


def test_glossary_is_in_alphabetical_order_and_each_word_stands_once():
    rows = re.findall(r"^\| (.*?) \| (.*) \|$", (ROOT / "docs/glossary.md").read_text(encoding="utf-8"), re.MULTILINE)
    words = [re.sub(r"\W", "", word).lower().replace("α", "alpha") for word, _ in rows if word != "word"]
    assert words == sorted(set(words))
    assert sum(bool(LINK.search(meaning)) for _, meaning in rows) > len(words) / 2


@pytest.mark.thorough
def test_site_builds_strictly_and_fetches_nothing(tmp_path):
    pytest.importorskip("material", reason="the extra docs is not installed")
    pytest.importorskip("mkdocstrings", reason="the extra docs is not installed")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    built = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    pages = {page: page.read_text(encoding="utf-8") for page in tmp_path.glob("**/*.html")}
    assert len(pages) == len(BELOW | set(OUTSIDE.values())) + 1  # 404.html
    loads = re.compile(r"<(?:script|img|iframe)[^>]*\ssrc=\"?(?:https?:)?//|<link[^>]*\shref=\"?(?:https?:)?//")
    styles = {sheet: sheet.read_text(encoding="utf-8") for sheet in tmp_path.glob("**/*.css")}
    assert not [page for page, text in pages.items() if loads.search(text)]
    assert not [sheet for sheet, text in styles.items() if re.search(r"(?:url\(|@import )[\"']?(?:https?:)?//", text)]
    assert "temperature" in Path(tmp_path / "api/losses.html").read_text(encoding="utf-8")
