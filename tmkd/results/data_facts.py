"""What a comparison says of its data and machines, beside its table: read from the manifests of what it compares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tmkd.data.schema import SPLITS
from tmkd.results.context import RunContext
from tmkd.results.corpus import Corpus, Overlap
from tmkd.results.cuts import cut_of
from tmkd.results.rows import Tokens
from tmkd.results.task import Task
from tmkd.store.artifacts import MODEL, Artifact
from tmkd.store.provenance import COMPUTED_ON

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def data_facts(
    context: RunContext, task: Task, corpora: Sequence[Corpus], members: Mapping[str, Sequence[Artifact]]
) -> dict[str, Any]:
    """Return what ``tmkd.report.data_notes`` says, as JSON.

    Args:
        corpora: those that students are pre-trained on.
        members: for each row of the comparison, the classifiers that it was computed from.
    """
    return {
        "overlap": [Overlap(task, corpus).build(context).details for corpus in corpora],
        "cut": _cuts(context, task, corpora, members),
        COMPUTED_ON: {row: _machines(classifiers) for row, classifiers in members.items()},
    }


def _machines(classifiers: Sequence[Artifact]) -> list[dict[str, Any]] | None:
    """Return what these were trained on, each machine once; None where a manifest does not say it yet."""
    machines: list[dict[str, Any]] = []
    for classifier in classifiers:
        if COMPUTED_ON not in classifier.manifest:
            return None
        machines += [each for each in classifier.manifest[COMPUTED_ON] if each not in machines]
    return machines


def _cuts(
    context: RunContext, task: Task, corpora: Sequence[Corpus], members: Mapping[str, Sequence[Artifact]]
) -> list[dict[str, Any]]:
    """Return how much is cut of each split, for each tokenizer and length; nothing of tokens that are not there."""
    rows: dict[str, list[str]] = {}  # by the name of the tokens of the first split
    readers: dict[str, tuple[PreTrainedTokenizerBase, int, str]] = {}
    for row, classifiers in members.items():
        for reader in _read_with(classifiers):
            name = Tokens.of(task.rows(SPLITS[0]), *reader).name
            readers.setdefault(name, reader)
            if row not in rows.setdefault(name, []):
                rows[name].append(row)
    splits = [*(task.rows(split) for split in SPLITS), *(corpus.rows() for corpus in corpora)]
    found = []
    for name, reader in readers.items():
        for split in splits:
            if tokens := Tokens.of(split, *reader).find(context):
                found.append({"rows": rows[name], **cut_of(tokens)})
    return found


def _read_with(classifiers: Sequence[Artifact]) -> list[tuple[PreTrainedTokenizerBase, int, str]]:
    from tmkd.models.classifier import load_tokenizer

    each = {_files(classifier): classifier for classifier in classifiers}
    return [load_tokenizer(folder) for classifier in each.values() if (folder := classifier.path / MODEL).exists()]


def _files(classifier: Artifact) -> tuple[str, ...]:
    """Return the checksums of what makes a tokenizer: everything beside the weights."""
    files = classifier.manifest["files"]
    return tuple(known["sha256"] for name, known in sorted(files.items()) if not name.endswith(".safetensors"))
