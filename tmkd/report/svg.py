"""Figures inside a page: SVG whose text is text and whose colours follow the page's, light or dark."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
COLORS = {  # of the figures, and the page's own names for them (templates/style.css)
    "#ffffff": "var(--page)",
    "#000000": "currentColor",
    "#dddddd": "var(--line)",
    "#999999": "var(--muted)",
    "#555555": "var(--muted)",
    "#7f7f7f": "var(--muted)",
    "#0072b2": "var(--blue)",
    "#d55e00": "var(--orange)",
    "#009e73": "var(--green)",
}
HEX, USED = re.compile("#[0-9a-f]{6}"), re.compile(r"#([^)\s]+)")


def inline_svg(draw: Callable[[Path], object], name: str, title: str, description: str) -> str:
    """Return a figure as an ``svg`` element that screen readers take for one image.

    Args:
        draw: writes the figure to a path that ends in .svg.
        name: unique in the page; ids begin with it.
        title, description: what it shows, for those who cannot see it.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "figure.svg"
        draw(path)
        root = ElementTree.parse(path).getroot()
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag == f"{{{SVG}}}metadata":
                parent.remove(child)
    used = {found for each in root.iter() for value in each.attrib.values() for found in USED.findall(value)}
    for each in root.iter():
        for key, value in each.attrib.items():
            if key == "style":
                clear = value.replace("fill: #ffffff", "fill: none")  # the page's shadow at a side is below it
                each.set(key, HEX.sub(lambda found: COLORS.get(found[0], found[0]), clear))
            elif key in ("clip-path", f"{{{XLINK}}}href"):
                each.set(key, value.replace("#", f"#{name}-"))
        own = each.attrib.pop("id", None)
        if own in used:
            each.set("id", f"{name}-{own}")
    del root.attrib["width"], root.attrib["height"]
    root.attrib |= {"role": "img", "aria-labelledby": f"{name}-title {name}-description", "fill": "currentColor"}
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ElementTree.Element(f"{{{SVG}}}{tag}", {"id": f"{name}-{'description' if place else 'title'}"})
        element.text = text
        root.insert(place, element)
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    return ElementTree.tostring(root, encoding="unicode")
