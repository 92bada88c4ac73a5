"""Search the documentation of installed packages: BM25 finds passages, models put them in order."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tmkd.data.candidates import best_of
from tmkd.data.documentation import DocObject, read_objects, source_versions
from tmkd.data.words import ENGLISH
from tmkd.errors import DataError
from tmkd.evaluation.ensemble import scores_of
from tmkd.reranker import Reranker
from tmkd.store.disk import folder_written_whole, in_turn

PASSAGE_WORDS = 24  # a name and a sentence or two: students of the documentation task read 64 tokens
PASSAGES = "passages.json"
LAYOUT = 1  # of the folder; another one is another index


@dataclass(frozen=True)
class Answers:
    """An order of passages.

    Attributes:
        passages: the best first.
        scores: of each.
        seconds: that it took.
    """

    passages: list[str]
    scores: list[float]
    seconds: float


class Index:
    """Passages and the words in them.

    Args:
        folder: of ``open_index``.
    """

    def __init__(self, folder: Path) -> None:
        import bm25s

        self.passages: list[str] = json.loads((folder / PASSAGES).read_text(encoding="utf-8"))
        self._engine: Any = bm25s.BM25.load(folder, mmap=True)

    def find(self, question: str, k: int) -> Answers:
        """Return the ``k`` best passages by BM25 (DataError: none shares a word with the question)."""
        started = time.perf_counter()
        (words,) = ENGLISH.read([question])
        scores = np.asarray(self._engine.get_scores_from_ids(self._engine.get_tokens_ids(words)))
        if not scores.any():
            raise DataError(f"'{question}': expected a word that is in the documentation; ask in other words.")
        best = [at for at in best_of(scores, min(k, len(scores))).tolist() if scores[at] > 0]
        seconds = time.perf_counter() - started
        return Answers([self.passages[at] for at in best], scores[best].tolist(), seconds)


def open_index(packages: Sequence[str], cache: Path | None = None) -> Index:
    """Return the index of the packages' documentation, which is made once for each set of versions.

    Args:
        packages: installed ones, or ``python`` (DataError).
        cache: where it is kept; None: ``$XDG_CACHE_HOME/tmkd``, or ``~/.cache/tmkd``.
    """
    cache = cache or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tmkd"
    identity = json.dumps([LAYOUT, PASSAGE_WORDS, source_versions(packages)])
    folder = cache / f"documentation-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
    if not folder.is_dir():
        _make(packages, folder)
    return Index(folder)


def rerank(models: Mapping[str, Sequence[Reranker]], question: str, passages: Sequence[str]) -> dict[str, Answers]:
    """Return the order of the passages by each name's models, whose probabilities are averaged."""
    orders = {}
    for name, members in models.items():
        started = time.perf_counter()
        each = [model.score([question] * len(passages), passages) for model in members]
        mean = np.mean(each, axis=0)
        seconds = time.perf_counter() - started
        order = np.argsort(-scores_of(mean), kind="stable").tolist()
        orders[name] = Answers([passages[at] for at in order], mean[order, -1].tolist(), seconds)
    return orders


def _passage(item: DocObject) -> str:
    """Return what is searched of an object. The summary is in it, which in the task is the question."""
    return " ".join(f"{item.qualified_name}: {item.summary} {item.prose}".split()[:PASSAGE_WORDS])


def _make(packages: Sequence[str], folder: Path) -> None:
    import bm25s

    passages = list(dict.fromkeys(_passage(each) for each in read_objects(tuple(packages))))
    if not passages:
        raise DataError(f"{', '.join(packages)}: expected documented objects but found none; name other packages.")
    logging.getLogger("bm25s").setLevel(logging.ERROR)  # it says what it does as warnings
    engine = bm25s.BM25()
    engine.index(ENGLISH.read(passages), show_progress=False)
    with in_turn(folder.parent, "XDG_CACHE_HOME"):
        if folder.exists():  # another process has made it meanwhile
            return
        with folder_written_whole(folder) as work:
            engine.save(work)
            (work / PASSAGES).write_text(json.dumps(passages, ensure_ascii=False), encoding="utf-8")
