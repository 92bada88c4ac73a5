"""What a search finds for the training questions: passages that may be hard negatives, for a teacher to judge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tmkd.config import CorpusConfig, MineConfig, settings
from tmkd.data.words import words_of
from tmkd.errors import DataError
from tmkd.results.context import RunContext
from tmkd.results.node import Result, check_unchanged, outside
from tmkd.results.rows import Rows
from tmkd.results.task import Task, counted
from tmkd.store.artifacts import SCRATCH

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset

FOUND = "candidates"  # the one split of it
WORDS = ("stop_words", "stemmer", "characters")
TABLE = ("passage", "separator", "quoting")
RANK = "rank"  # a further column: the place among what was found for the question, from 1


@dataclass(frozen=True, eq=False)
class Candidates(Result):
    """The passages that are found for each question of the training split that has a right one.

    None of them is labelled for the question. Passages that differ by spaces and capital letters alone are one.

    Attributes:
        task: its training split has the questions.
        search: by what is searched, and for how many.
        raw: the checksums of the files of passages; None: the passages are those of the training split.
        mine, corpus, skip: the settings; whether bad rows are left out.
    """

    kind: ClassVar[str] = "candidates"
    alone: ClassVar[bool] = True

    task: Task
    search: Mapping[str, Any]
    raw: Mapping[str, Any] | None
    mine: MineConfig = outside()
    corpus: dict[str, Any] = outside()
    skip: bool = outside()

    @classmethod
    def of(cls, task: Task, mine: MineConfig, corpus: CorpusConfig, skip: bool) -> Candidates:
        """Return the candidates of these settings (DataError, ModelError: passages or bi-encoder are not there)."""
        from tmkd.data.files import file_identity, files_of
        from tmkd.models.bi_encoder import bi_encoder_identity

        read, raw = settings(corpus), None
        search: dict[str, Any] = {"by": mine.by, "candidates": mine.candidates}
        if mine.by == "embeddings":
            search["encoder"] = bi_encoder_identity(mine.encoder)
        else:
            search["words"] = {name: read[name] for name in WORDS}
        if mine.passages is not None:
            table = counted({name: read[name] for name in TABLE})
            raw = {"files": [file_identity(file) for file in files_of(mine.passages)], "skip": skip, **table}
        return cls(task, search, raw, mine, read, skip)

    @property
    def what(self) -> str:
        return f"candidates for hard negatives ({self.mine.by})"

    def rows(self) -> Rows:
        return Rows(self, FOUND)

    def make(self, context: RunContext, work: Path) -> dict[str, Any]:
        import pyarrow as pa

        from tmkd.data.mined import read_passages
        from tmkd.data.rows import SCHEMA, in_batches, to_arrow
        from tmkd.data.schema import pair_id
        from tmkd.store.memmap import save_rows

        own = labelled(self.task, self.task.rows("train").read(context))
        if self.mine.passages is None:
            texts = [text for each in own.values() for text in each.passages]
        else:
            texts = read_passages("mine.passages", self.mine.passages, self.corpus, self.skip)
        different: dict[str, str] = {}
        for text in texts:
            different.setdefault(_plain(text), text)
        plain, passages = list(different), list(different.values())
        asked = {question: each for question, each in own.items() if each.right}
        surplus = max(len(each.passages) for each in asked.values())  # as many may be the question's own

        def rows() -> Iterator[dict[str, Any]]:
            best = self._search(context, list(asked), passages, self.mine.candidates + surplus, work / SCRATCH)
            for (question, each), found in zip(asked.items(), best.tolist(), strict=True):
                known = {_plain(text) for text in each.passages}
                others = [passages[at] for at in found if plain[at] not in known]
                for rank, passage in enumerate(others[: self.mine.candidates], start=1):
                    named = {"id": pair_id(question, passage), "question_id": each.question_id}
                    yield {**named, "question": question, "passage": passage, RANK: rank}

        schema = SCHEMA.append(pa.field(RANK, pa.int64()))
        found = to_arrow(in_batches(rows()), schema, work / SCRATCH / "candidates.arrow")
        if not len(found):
            raise DataError(
                f"mine: expected passages that could be wrong, but each of {len(passages)} is labelled for every "
                "question; name a file of others in mine.passages."
            )
        now = Candidates.of(self.task, self.mine, CorpusConfig(**self.corpus), self.skip)
        check_unchanged(self.what, self.spec, now.spec)
        save_rows(found, work / FOUND)
        return {"pairs": len(found), "questions": len(asked), "passages": len(passages)}

    def _search(
        self, context: RunContext, questions: Sequence[str], passages: Sequence[str], k: int, cache: Path
    ) -> np.ndarray:
        """Return the indices of the best passages ``[questions, k]``."""
        from tmkd.data.candidates import nearest, top_candidates

        if self.mine.by == "bm25":
            return top_candidates(questions, passages, k, words_of(self.corpus))
        from tmkd.models.bi_encoder import BiEncoder

        encoder = BiEncoder(self.mine.encoder, str(context.runtime.device))
        vectors = encoder.vectors(questions, cache, questions=True)
        return nearest(vectors, encoder.vectors(passages, cache, questions=False), k)


@dataclass
class Labelled:
    """A question of a split, with its passages and the rows of those that are right."""

    question_id: str
    passages: list[str]
    right: list[int]


def labelled(task: Task, rows: Dataset) -> dict[str, Labelled]:
    """Return the different questions of a ranking task's split, by their texts, in their order."""
    found: dict[str, Labelled] = {}
    relevant = len(task.classes) - 1
    columns = zip(*(rows[column] for column in ("question_id", "question", "passage", "label")))
    for at, (question_id, question, passage, label) in enumerate(columns):
        each = found.setdefault(question, Labelled(question_id, [], []))
        each.passages.append(passage)
        if label == relevant:
            each.right.append(at)
    return found


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()
