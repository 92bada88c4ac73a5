"""What a person would see or hear of a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

WIDE, PHONE = (1200, 800), (360, 740)

CONTRAST = """element => {
  const light = name => {
    const parts = getComputedStyle(name[0])[name[1]].match(/[\\d.]+/g).slice(0, 3).map(part => part / 255);
    const [r, g, b] = parts.map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
  };
  const both = [light([element, "borderTopColor"]), light([document.body, "backgroundColor"])];
  return Math.max(...both) / Math.min(...both);
}"""


def violations(page: Page) -> list[str]:
    """Return what axe-core finds against WCAG 2 and good practice: the rule, and the elements."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {[node['html'][:200] for node in each['nodes']]}" for each in found]


def sideways(page: Page) -> int:
    """Return by how many pixels the page itself can be scrolled sideways."""
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))


def in_first_screen(element: Locator) -> bool:
    """Whether all of an element is seen before anything is scrolled."""
    box, size = element.bounding_box(), element.page.viewport_size
    return bool(
        box and size and box["y"] >= 0 and box["y"] + box["height"] <= size["height"]
        and box["x"] >= 0 and box["x"] + box["width"] <= size["width"]
    )  # fmt: skip


def border_contrast(element: Locator) -> float:
    """Return the contrast of an element's border to the page, 1 to 21 (WCAG 2, 1.4.11 wants 3)."""
    return float(element.evaluate(CONTRAST))


def outlined(page: Page) -> bool:
    """Whether the element that has the focus shows it."""
    style = "(({outlineStyle, outlineWidth}) => [outlineStyle, parseFloat(outlineWidth)])"
    line, width = page.evaluate(f"{style}(getComputedStyle(document.activeElement))")
    return line != "none" and width >= 2
