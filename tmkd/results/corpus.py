"""The unlabelled corpus that students are pre-trained on, and what it shares with the task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from tmkd.config import CorpusConfig, DataConfig, settings
from tmkd.data import readers
from tmkd.data.schema import SPLITS
from tmkd.results.context import RunContext
from tmkd.results.node import Result, check_unchanged, outside, unless
from tmkd.results.rows import CORPUS, Rows
from tmkd.results.task import Task, shaping, task_settings
from tmkd.store.artifacts import SCRATCH

SHOWN_AFTER = 3  # seconds: a small corpus is through before there is a bar to look at


@dataclass(frozen=True, eq=False)
class Corpus(Result):
    """The unlabelled corpus.

    Attributes:
        corpus: the settings that it is read by.
        data: the settings of the task that count for it too: all of them where it is made from the task's own text.
        raw: the checksum or versions of what it is read from.
        pairs: how many of them are used at most.
        sections: the settings ``data`` and ``corpus``, for the reader.
    """

    kind: ClassVar[str] = "corpus"
    alone: ClassVar[bool] = True

    corpus: Mapping[str, Any]
    data: Mapping[str, Any]
    raw: Mapping[str, Any]
    sections: tuple[dict[str, Any], dict[str, Any]] = outside()
    pairs: int | None = unless(None)

    @classmethod
    def of(cls, data: DataConfig, corpus: CorpusConfig) -> Corpus:
        """Return the corpus of these settings (DataError: what it is read from is not there)."""
        sections = settings(data), settings(corpus)
        if corpus.reader == "task":
            shared = task_settings(data)
        else:
            names = ("passage_words", "seed") if corpus.reader == "documentation" else ("on_bad_row",)
            shared = {name: sections[0][name] for name in names}
        read = shaping(corpus, ("pairs",))  # which count apart
        return cls(read, shared, readers.corpus_identity(*sections), sections, corpus.pairs or None)

    @property
    def what(self) -> str:
        return "unlabelled corpus"

    @property
    def test_questions(self) -> str:
        """Whether questions of the test split are refused or allowed; the task's own text has none."""
        own = self.sections[1]
        return "allow" if own["reader"] == "task" else str(own["test_questions"])

    def rows(self) -> Rows:
        return Rows(self, CORPUS)

    def make(self, context: RunContext, work: Path) -> dict[str, Any]:
        from tmkd.store.memmap import save_rows

        corpus = readers.read_corpus(*self.sections, cache=work / SCRATCH)
        check_unchanged(self.what, self.raw, readers.corpus_identity(*self.sections))
        save_rows(corpus.rows, work / CORPUS)
        return {"pairs": len(corpus.rows), "content": readers.content(corpus.rows), "skipped": corpus.skipped}


@dataclass(frozen=True, eq=False)
class Overlap(Result):
    """What a corpus shares with each split of a task: the counts of ``tmkd.data.overlap``."""

    kind: ClassVar[str] = "overlap"
    alone: ClassVar[bool] = True

    task: Task
    corpus: Corpus

    @property
    def what(self) -> str:
        return "what corpus and splits share"

    def make(self, context: RunContext, work: Path) -> dict[str, Any]:
        from tmkd.data.overlap import overlap

        corpus = self.corpus.rows().read(context)
        with context.bar(len(corpus), "compare corpus and splits", delay=SHOWN_AFTER) as bar:
            found = overlap(corpus, {split: self.task.rows(split).read(context) for split in SPLITS}, bar.update)
        return {"pairs": len(corpus), "splits": found}
