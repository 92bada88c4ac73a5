"""The page of a comparison in Chromium, opened as a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.browser.looking import PHONE, WIDE, in_first_screen, outlined, sideways, violations
from tests.unit.test_index_page import HOSTILE, page, some_facts, some_rows

if TYPE_CHECKING:
    from playwright.sync_api import Page

Visit = Callable[..., "Page"]
SIZES = pytest.mark.parametrize("size", [WIDE, PHONE])
WIDER = "elements => elements.filter(each => each.getBoundingClientRect().right > innerWidth + 1).length"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    rows = some_rows()
    rows[2].arm = f"MKD (student: layers = 3, {'w' * 60})"
    for row in rows[1:]:
        row.interval = [0.71, 0.79]
    path = tmp_path_factory.mktemp("report") / "index.html"
    path.write_text(page(rows, some_facts(HOSTILE), machine={"cores": 2}), encoding="utf-8")
    assert path.stat().st_size < 100_000
    return path.as_uri()


def unfolded(found: Page) -> Page:
    found.locator("details").evaluate_all("all => all.forEach(each => each.open = true)")
    return found


@SIZES
def test_answer_is_in_the_first_screen(report: str, visit: Visit, size: tuple[int, int]) -> None:
    found = visit(report, size)
    verdict = found.get_by_role("region", name="Result")
    assert in_first_screen(verdict.get_by_role("heading", name="Take m-o-m"))
    facts = verdict.locator("dl > div")
    assert facts.count() == 4 and all(in_first_screen(facts.nth(at)) for at in range(4))
    for value in ("0.760 ± 0.010", "95\xa0% interval 0.710 to 0.790", "90\xa0%", "160 pairs/s"):
        assert in_first_screen(verdict.get_by_text(value))
    if size == WIDE:
        assert in_first_screen(found.get_by_role("row").filter(has_text="take this"))


def test_folded_parts_open_by_keyboard(report: str, visit: Visit) -> None:
    found = visit(report)
    parts = found.locator("details")
    assert parts.count() == 6
    for at in range(parts.count()):
        inside = parts.nth(at).locator(".inside")
        assert not inside.is_visible()
        parts.nth(at).locator("summary").focus()
        found.keyboard.press("Enter")
        assert inside.is_visible() and outlined(found)


@SIZES
def test_wide_tables_scroll_inside_themselves(report: str, visit: Visit, size: tuple[int, int]) -> None:
    found = unfolded(visit(report, size))
    assert sideways(found) <= 0
    assert found.locator(":not(.scroll) > table, p, h2, h3, li, dd, pre").evaluate_all(WIDER) == 0
    whole = found.get_by_role("region", name="All columns")
    assert whole.evaluate("each => each.scrollWidth > each.clientWidth")
    whole.focus()
    found.keyboard.press("ArrowRight")
    found.wait_for_function("document.activeElement.scrollLeft > 0")
    name = whole.get_by_role("rowheader", name="m-o-m").bounding_box()
    assert name and name["x"] >= 0  # the name of a row stays


def test_figures_say_in_words_what_they_show(report: str, visit: Visit) -> None:
    found = unfolded(visit(report))
    figure = found.get_by_role("img", name="MAP against pairs per second")
    assert figure.is_visible()
    described = figure.evaluate("each => each.querySelector('desc').textContent")
    assert "m-o-m: 0.760 at 160" in described and "On the Pareto front: teacher ensemble" in described
    assert found.get_by_role("img").count() == found.locator("svg").count() == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
@SIZES
def test_whole_page_is_readable(report: str, visit: Visit, size: tuple[int, int], scheme: str) -> None:
    found = unfolded(visit(report, size, scheme))
    assert violations(found) == []
    lightness = found.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0]")
    assert (int(lightness) < 60) == (scheme == "dark")
    drawn = found.locator("svg text").first.evaluate("each => getComputedStyle(each).fill.match(/\\d+/)[0]")
    assert (int(drawn) > 180) == (scheme == "dark")


def test_print_has_what_is_folded(report: str, visit: Visit) -> None:
    found = visit(report)
    found.emulate_media(media="print")
    assert found.get_by_role("table", name="All columns").is_visible()


def test_texts_of_the_data_stay_texts(report: str, visit: Visit) -> None:
    found = unfolded(visit(report))
    assert found.locator("script, b").count() == 0
    assert found.get_by_text(HOSTILE.replace("\0", "\ufffd")).first.is_visible()
