"""Documentation objects of installed Python packages: text that is on every machine, so that nothing is downloaded.

Sources are parsed with ``ast`` and never imported: an import would run foreign code, and is slow for large packages.
"""

from __future__ import annotations

import ast
import os
import platform
import re
import sysconfig
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from itertools import takewhile
from pathlib import Path, PurePath

from tqdm import tqdm

from tmkd.collector import collector_paused
from tmkd.errors import DataError

_Node = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef

STANDARD_LIBRARY = "python"
SUMMARY_WORDS = range(4, 33)
MIN_PROSE_WORDS = 12

# Tests, and code of others that is copied into a package: neither documents the package.
_SKIPPED_FOLDERS = frozenset(
    {"test", "tests", "conftest", "idlelib", "lib2to3", "encodings", "turtledemo", "ensurepip", "pydoc_data"}
    | {"site-packages", "__pycache__", "vendor", "vendored", "_vendor", "externals", "extern", "_distutils"}
)
_PROSE_SECTIONS = frozenset({"notes", "note", "description", "details", "explanation", "overview", "introduction"})
_UNDERLINE = re.compile(r"([-=~^#*])\1{2,}$")
# How a first paragraph begins that asks nothing by itself: what comes before it or around it is missing.
_NOT_SUMMARY = re.compile(r"[^A-Z]|(This|These|It|Same|See|Note|Deprecated|Copyright)\b")
# How a paragraph begins that is no prose: directives, field lists, doctests, bullets, tables, headings of Google style.
_NOT_PROSE = re.compile(
    r"(\.\. |:\w+|>>>|\.\.\.|[-*+|#]\s|\+-|==|\d+[.)] |@\w+|```|\[\d|"
    r"(args|arguments|parameters|params|returns?|raises|yields|attributes|examples?|usage|see also|references?|"
    r"inputs?|outputs?|warnings?|shapes?|signature|keyword arguments)\b[^.]{0,20}:)",
    re.IGNORECASE,
)
_ROLE = re.compile(r":[\w:+-]+:`[~!]?([^`<]+?)(?:\s*<[^`>]*>)?`")
_CITATION = re.compile(r" ?\[[\w#]+\]_")
_EMPHASIS = re.compile(r"(?<![\w*])\*{1,2}(\w[^*]*)\*{1,2}(?![\w*])")
_SENTENCE_END = re.compile(r"(?<=[a-z0-9)`'\"]\.)\s+(?=[A-Z`'\"])")


@dataclass(frozen=True)
class DocObject:
    """A module, class, function or method, and what its docstring says.

    Attributes:
        qualified_name: where users find it; private modules on the way are left out, as their parents export it.
        module: the module's part of the qualified name.
        package: the distribution, or ``STANDARD_LIBRARY``.
        summary: the docstring's first sentence or paragraph.
        prose: the paragraphs after the summary, without tables, code and lists.
    """

    qualified_name: str
    module: str
    package: str
    summary: str
    prose: str


@lru_cache(maxsize=1)  # the labelled task and the corpus come from the same objects, and parsing is the slow part
def read_objects(packages: tuple[str, ...]) -> list[DocObject]:
    """Return the well documented public objects of the packages, sorted by name; the first of equal names stays."""
    found: dict[str, DocObject] = {}
    files = [(package, parts, path) for package in sorted(set(packages)) for parts, path in _sources(package)]
    with collector_paused():  # syntax trees: it takes a third less time
        for package, parts, path in tqdm(
            files, desc="read documentation", unit="file", mininterval=1, disable=len(files) < 100
        ):
            for item in parse_source(path.read_bytes(), parts=parts, package=package):
                found.setdefault(item.qualified_name, item)
    return [found[name] for name in sorted(found)]


def parse_source(source: bytes, *, parts: Sequence[str], package: str) -> Iterator[DocObject]:
    """Yield the documented objects of one module; ``parts`` are the components of its dotted name."""
    public = [part for part in parts if not part.startswith("_")]
    if not public:
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escapes in foreign sources are not ours to mend
            tree = ast.parse(source)
    except (SyntaxError, ValueError):  # a template, or a file for another Python
        return
    module = ".".join(public)
    for name, node in _documented(tree, module):
        summary, prose = split_docstring(ast.get_docstring(node) or "")
        if len(summary.split()) in SUMMARY_WORDS and len(prose.split()) >= MIN_PROSE_WORDS:
            yield DocObject(name, module, package, summary, prose)


def split_docstring(docstring: str) -> tuple[str, str]:
    """Return the summary and the prose of a cleaned docstring, each as one line."""
    first, _, rest = docstring.strip().partition("\n\n")
    if _NOT_PROSE.match(first):
        return "", ""
    summary, *more = _SENTENCE_END.split(_one_line(first), maxsplit=1)
    if _NOT_SUMMARY.match(summary) or "->" in summary or summary.endswith(":"):  # or a signature, or a heading
        return "", ""
    return summary, " ".join([*more, *_paragraphs(rest)]).strip()


def source_versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the version of each package: together they say which text is read, without reading it."""
    return {name: _version(name) for name in sorted(set(packages))}


def _documented(tree: ast.Module | ast.ClassDef, name: str) -> Iterator[tuple[str, _Node]]:
    """Yield the module or class itself and its public classes, functions and methods; not what functions hide."""
    yield name, tree
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            inner = f"{name}.{node.name}"
            yield from _documented(node, inner) if isinstance(node, ast.ClassDef) else [(inner, node)]


def _paragraphs(text: str) -> Iterator[str]:
    """Yield the paragraphs of prose; whatever is indented is a table, code or a quotation."""
    wanted = True
    for block in re.split(r"\n\s*\n", text):
        lines = block.strip("\n").split("\n")
        if len(lines) > 1 and _UNDERLINE.match(lines[1].strip()):
            wanted = lines[0].strip().lower() in _PROSE_SECTIONS
            lines = lines[2:]
        if not wanted or any(">>>" in line or "%(" in line or _UNDERLINE.match(line.strip()) for line in lines):
            continue
        yield _one_line(" ".join(takewhile(_is_prose, lines)))


def _is_prose(line: str) -> bool:
    return not line[:1].isspace() and not _NOT_PROSE.match(line)


def _one_line(text: str) -> str:
    plain = _EMPHASIS.sub(r"\1", _CITATION.sub("", _ROLE.sub(r"\1", text))).replace("`", "").replace("::", ":")
    return " ".join(plain.split())


def _version(package: str) -> str:
    return platform.python_version() if package == STANDARD_LIBRARY else _distribution(package).version


def _distribution(package: str) -> metadata.Distribution:
    try:
        return metadata.distribution(package)
    except metadata.PackageNotFoundError:
        raise DataError(
            f"The package '{package}' of data.packages is not installed; install it or take it off the list."
        ) from None


def _sources(package: str) -> Iterator[tuple[tuple[str, ...], Path]]:
    """Yield dotted name and path of the package's modules, in the order of their names."""
    files = _standard_library() if package == STANDARD_LIBRARY else _installed(package)
    for name, path in sorted(files, key=lambda item: item[0].as_posix()):
        parts = name.with_suffix("").parts
        if not any(part in _SKIPPED_FOLDERS or part.startswith("test_") for part in parts):
            yield parts, path


def _standard_library() -> Iterator[tuple[PurePath, Path]]:
    root = Path(sysconfig.get_path("stdlib"))
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = [name for name in subfolders if name not in _SKIPPED_FOLDERS]  # do not even look inside
        for name in names:
            if name.endswith(".py"):
                yield (Path(folder) / name).relative_to(root), Path(folder) / name


def _installed(package: str) -> Iterator[tuple[PurePath, Path]]:
    for name in _distribution(package).files or ():
        if name.suffix == ".py" and ".." not in name.parts:
            yield name, Path(name.locate())
