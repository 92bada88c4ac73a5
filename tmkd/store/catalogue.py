"""What a store holds: its artifacts by name or the beginning of a key, and what each of them was made from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tmkd.errors import ConfigError, DamagedArtifact
from tmkd.store.artifacts import MANIFEST, Artifact, open_artifact

NAME = re.compile(r"[a-z0-9_]+-[0-9a-f]{12}")
KEY = re.compile(r"(?<![0-9a-f])[0-9a-f]{12}(?![0-9a-f])")
SHOWN = 5  # names in a message


@dataclass(frozen=True)
class Entry:
    """An artifact as a list shows it.

    Attributes:
        when: it was published, in seconds since 1970.
        size: of all its files, in bytes.
    """

    artifact: Artifact
    when: float
    size: int


@dataclass(frozen=True)
class Lineage:
    """A result, and what it was made from."""

    name: str
    what: str
    sources: tuple[Lineage, ...]


def entries(root: Path, kind: str | None = None) -> tuple[list[Entry], list[DamagedArtifact]]:
    """Return the artifacts under ``root``, the oldest first, and what is damaged; files are not read, but measured.

    Args:
        kind: only those of this stage.
    """
    found, damaged = [], []
    for path in _folders(root):
        if kind is not None and path.name.rpartition("-")[0] != kind:
            continue
        try:
            artifact = open_artifact(path)
        except DamagedArtifact as error:
            damaged.append(error)
            continue
        size = sum(file["size"] for file in artifact.manifest["files"].values())
        found.append(Entry(artifact, (path / MANIFEST).stat().st_mtime, size))
    return sorted(found, key=lambda entry: (entry.when, entry.artifact.name)), damaged


def find(root: Path, name: str) -> Artifact:
    """Return the artifact of this name (``stage2-KEY``) or key; the beginning is enough where no other begins so.

    Raises:
        ConfigError: there is none, or several.
        DamagedArtifact: it is not whole.
    """
    folders = _folders(root)
    exact = [path for path in folders if name in (path.name, _key(path))]
    begin = [path for path in folders if name and (path.name.startswith(name) or _key(path).startswith(name))]
    found = exact or begin
    if not found:
        raise ConfigError(
            f"'{name}': expected the name or the key of an artifact in {root} but there is none; `tmkd ls` lists those "
            "that there are, and --artifacts names another folder."
        )
    if len(found) > 1:
        more = ", …" if len(found) > SHOWN else ""
        names = ", ".join(path.name for path in found[:SHOWN])
        raise ConfigError(f"'{name}': {len(found)} artifacts begin so ({names}{more}); give more of the key.")
    return open_artifact(found[0])


def locate(model: str | Path, root: Path) -> Path:
    """Return the folder of a model: the folder itself, or that of an artifact under ``root``, as in ``find``."""
    folder = Path(model).expanduser()
    return folder if folder.is_dir() else find(root, str(model)).path


def sources(artifact: Artifact, by_key: Mapping[str, str]) -> list[str]:
    """Return the names of the artifacts that its settings name, each once, in their order.

    Args:
        by_key: names of the store's artifacts by their keys.
    """
    keys = (key for text in _texts(artifact.manifest["spec"]) for key in KEY.findall(text))
    return list(dict.fromkeys(by_key[key] for key in keys if by_key.get(key, artifact.name) != artifact.name))


def lineage(artifact: Artifact, root: Path) -> Lineage:
    """Return what an artifact was made from, back to the data, as far as it is in the store."""
    by_key = keys(root)
    seen: dict[str, Lineage] = {}

    def build(each: Artifact) -> Lineage:
        if each.name not in seen:
            made = tuple(build(open_artifact(root / name)) for name in sources(each, by_key))
            seen[each.name] = Lineage(each.name, str(each.manifest["what"]), made)
        return seen[each.name]

    return build(artifact)


def keys(root: Path) -> dict[str, str]:
    """Return the names of the artifacts under ``root`` by their keys."""
    return {_key(path): path.name for path in _folders(root)}


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in Path(root).glob("[!.]*") if NAME.fullmatch(path.name) and path.is_dir())


def _key(path: Path) -> str:
    return path.name.rpartition("-")[2]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)
