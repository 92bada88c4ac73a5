"""What the site has beside the Markdown of docs/: pages from elsewhere, and links that lead out of docs/.

``mkdocs.yml`` names this file under ``hooks``. Pages are written for a forge, where every link between files works.
Here a link to a page stays one, and a link to any other file of the project leads to ``extra.repository``, or is text.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^(```.*?^```[^\n]*$)", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
DOCSTRINGS = re.compile(r"^<!-- (::: [\w.]+) -->$", re.MULTILINE)


def on_config(config: Any) -> Any:
    """Name headings as forges do: links to headings are the same there and here."""
    from pymdownx.slugs import slugify

    config.mdx_configs.setdefault("toc", {})["slugify"] = slugify(case="lower")
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that do not lie below docs/, and the notebook."""
    from mkdocs.structure.files import File

    for source, page in config.extra["outside"].items():
        files.append(File.generated(config, page, content=as_markdown(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Turn links to files into links of the site, and ``<!-- ::: name -->`` into what mkdocstrings fills."""
    titles = titles_of(config.nav)
    markdown = relinked(markdown, page.file.src_uri, config.extra["outside"], titles, config.extra["repository"])
    return DOCSTRINGS.sub(r"\1", markdown)


def as_markdown(source: Path) -> str:
    """Return a page's Markdown; of a notebook its texts, and its code as blocks."""
    text = source.read_text(encoding="utf-8")
    if source.suffix != ".ipynb":
        return text
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(text)["cells"]]
    return "\n\n".join(text if kind == "markdown" else f"```python\n{text}\n```" for kind, text in cells)


def titles_of(nav: Iterable[Any]) -> dict[str, str]:
    """Return the title of each page of a ``nav``, whose sections may be nested."""
    titles: dict[str, str] = {}
    for entry in nav:
        for title, below in entry.items():
            titles |= titles_of(below) if isinstance(below, list) else {below: title}
    return titles


def relinked(
    markdown: str, page: str, outside: Mapping[str, str], titles: Mapping[str, str], repository: str | None
) -> str:
    """Return a page's Markdown with every relative link as the site needs it; code blocks stay as they are.

    A link whose text is the path of a page gets the page's title as its text.

    Args:
        page: its place in the site, such as ``results/speed.md``.
        outside: pages that are not below docs/: from the project's file to the place in the site.
        titles: of the pages of the site.
        repository: the address below which the project's files are shown; None: such links become text.
    """
    source = {place: file for file, place in outside.items()}.get(page, f"docs/{page}")

    def link(found: re.Match[str]) -> str:
        picture, label, address = found.groups()
        path, _, anchor = address.partition("#")
        if not path or "://" in path or path.startswith("mailto:"):
            return found.group()
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if (ROOT / target / "README.md").is_file():  # a folder, which a forge shows by its README
            target = f"{target}/README.md"
        if target == "docs/README.md":  # whose place the project's has
            target = "README.md"
        place = outside.get(target) or (target.removeprefix("docs/") if target.startswith("docs/") else None)
        if place is None:
            return f"[{label}]({repository}/{target})" if repository else label
        if label.endswith((".md", ".ipynb", "/")):
            label = titles.get(place, label)
        address = posixpath.relpath(place, posixpath.dirname(page) or ".") + (f"#{anchor}" if anchor else "")
        return f"{picture}[{label}]({address})"

    parts = FENCE.split(markdown)  # every second one is a code block
    return "".join(part if at % 2 else LINK.sub(link, part) for at, part in enumerate(parts))
