"""Chromium itself, and what every page in it must keep: no error, nothing from elsewhere."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.browser.looking import WIDE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

NAMES = ("chromium", "chromium-browser", "google-chrome")
REFUSED = "Failed to load resource"  # what Chromium says of an answer that is an error


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("There is no Chromium: install the system's package, or set CHROMIUM to the path of one.")
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is missing: run make test-browser.")
    with sync_api.sync_playwright() as playwright:
        # Chromium's sandbox does not start for root, and these pages are our own
        browser = playwright.chromium.launch(executable_path=found, chromium_sandbox=os.geteuid() != 0)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Open a page; once the test is over, fail if it has logged anything or asked another host.

    ``refused``: the test is about answers that are errors, which Chromium logs.
    """
    contexts, problems = [], []

    def open_page(url: str, size: tuple[int, int] = WIDE, scheme: str = "light", refused: bool = False) -> Page:
        def logged(message: ConsoleMessage) -> None:
            if not (refused and message.text.startswith(REFUSED)):
                problems.append(message.text)

        def asked(address: str) -> None:
            parts = 3 if url.startswith("file:") else 2  # a file is alone; a server has other paths
            if urlsplit(address)[:parts] != urlsplit(url)[:parts] and not address.startswith("data:"):
                problems.append(f"asked {address}")

        viewport = {"width": size[0], "height": size[1]}
        contexts.append(chromium.new_context(viewport=viewport, color_scheme=scheme))
        page = contexts[-1].new_page()
        page.set_default_timeout(15_000)
        page.on("console", logged)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: asked(request.url))
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not problems
