"""A report as one HTML file, its figures inside: to be mailed, or opened anywhere, with no other file."""

from __future__ import annotations

from base64 import b64encode
from html import escape
from pathlib import Path

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; font-variant-numeric: tabular-nums; }
th, td { padding: 0.3rem 0.7rem; border-bottom: 1px solid #ccc; white-space: nowrap; }
img { max-width: 100%; }
"""


def to_fragment(markdown: str) -> str:
    """Return Markdown as HTML to stand inside a section of a page: its headings are one level lower."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(markdown)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{int(token.tag[1]) + 1}"
    return str(parser.renderer.render(tokens, parser.options, {}))


def to_html(markdown: str, folder: Path) -> str:
    """Return a Markdown text as a page; its first heading is the title.

    Args:
        folder: where the images that it shows, PNG files, are.
    """
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")  # a name that looks like a tag stays a name
    tokens = parser.parse(markdown)
    title = next((token.content for token in tokens if token.type == "inline"), "")
    for part in (part for token in tokens for part in token.children or []):
        if part.type == "image":
            image = (folder / str(part.attrs["src"])).read_bytes()
            part.attrs["src"] = f"data:image/png;base64,{b64encode(image).decode()}"
    body = parser.renderer.render(tokens, parser.options, {})
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n{body}</html>\n"
    )
