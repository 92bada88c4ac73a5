"""Scores in files as a teacher: what another program has computed, joined to the pairs by their text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tmkd.choices import JOINED_FORMATS, PAIRS, SCORE_FORMATS
from tmkd.errors import ConfigError, DataError
from tmkd.teachers.source import Scorer, Source, margin_logits

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset
    from tqdm import tqdm

    from tmkd.data.score_table import Table
    from tmkd.data.scores import Scored, Unscored
    from tmkd.data.strange import Strange
    from tmkd.training.runtime import Runtime

# All scores in the folder for answers, so that the files are read once; of earlier versions, "scores.safetensors"
TABLE = "table.safetensors"
LOOKED_AT = 20  # rows that are looked at before anything is scored


@dataclass(frozen=True)
class Scores(Source):
    """Scores of pairs in files.

    Attributes:
        path: a file, a folder or a glob pattern.
        format: a name in ``tmkd.choices.SCORE_FORMATS``.
        queries, documents: files of the texts, likewise, where the format has ids.
    """

    kind: ClassVar[str] = "scores"

    path: str
    format: str = PAIRS
    queries: str | None = None
    documents: str | None = None

    @property
    def what(self) -> str:
        return f"scores of {Path(self.path).name}"

    def identity(self) -> dict[str, Any]:
        from tmkd.data.files import file_identity

        files = {name: [file_identity(file) for file in found] for name, found in self._files().items() if found}
        return {"format": self.format, **files}

    def check(self, classes: Sequence[str]) -> None:
        from tmkd.data.layouts.texts import Texts
        from tmkd.data.scores import Scored

        if self.format not in SCORE_FORMATS:
            raise ConfigError(
                f"{self.what}: expected a format that holds scores, one of {', '.join(SCORE_FORMATS)}, got "
                f"{self.format}."
            )
        joined = self.format in JOINED_FORMATS
        for name, value in (("queries", self.queries), ("documents", self.documents)):
            if bool(value) != joined:
                expected = f"a file of {name}, to which its ids lead," if joined else f"no {name}"
                raise ConfigError(f"{self.what}: expected {expected} where format is {self.format}, got {value}.")
        files = self._files()
        Texts(files["queries"], files["documents"]).check()
        rows = list(self._first_rows())
        for row in rows:
            if isinstance(row, Scored):
                _check_width(len(row.score), classes, row.where)
        if not rows:
            raise DataError(f"{self.path}: expected at least one score but found none; add rows.")

    def strange(self, answers: Path | None = None) -> Sequence[Strange]:
        from tmkd.data.score_table import load_strange
        from tmkd.data.scores import Unscored
        from tmkd.data.strange import Strange

        if answers is not None:
            return load_strange(answers / TABLE)
        rows = (row for row in self._first_rows() if isinstance(row, Unscored))
        return [Strange(row.kind, 1, f"{row.where}: {row.told}") for row in islice(rows, 1)]

    def unasked(self, answers: Path, splits: Iterable[Dataset]) -> str | None:
        from tmkd.data.score_table import load_table
        from tmkd.store.shards import as_numbers, ids_of

        table = load_table(answers / TABLE)
        count, first = table.others(as_numbers(ids) for split in splits for ids in ids_of(split))
        return f"{count} of {len(table.numbers)} scored pairs (the first: {first})" if count else None

    @contextmanager
    def open(self, runtime: Runtime, classes: Sequence[str], answers: Path) -> Iterator[Scorer]:
        table = self._table(answers)
        _check_width(table.scores.shape[1], classes, self.path)
        yield _Lookup(table, len(classes))

    def _table(self, answers: Path) -> Table:
        """Return the scores of all files: as they were kept, or read now."""
        from filelock import FileLock

        from tmkd.data.files import reading
        from tmkd.data.layouts.texts import Texts
        from tmkd.data.score_table import load_table, make_table, save_table
        from tmkd.data.scores import read_scores
        from tmkd.store.disk import writing_to, written_whole

        with writing_to(answers):
            answers.mkdir(parents=True, exist_ok=True)
            kept = answers / TABLE
            with FileLock(kept.with_suffix(".lock")):  # several processes may open it at once
                if not kept.exists():
                    files = self._files()
                    with reading([each for found in files.values() for each in found], self.what) as bar:
                        texts = Texts(files["queries"], files["documents"], bar.update)
                        made = make_table(read_scores(files["path"], self.format, texts, bar.update), self.path)
                    with written_whole(kept, durable=True) as temporary:
                        save_table(made, temporary)
                return load_table(kept)

    def _first_rows(self) -> Iterator[Scored | Unscored]:
        """Yield the first rows of each file, whose ids are taken for texts."""
        from tmkd.data.layouts.texts import Ids
        from tmkd.data.scores import read_scores

        for file in self._files()["path"]:
            yield from islice(read_scores([file], self.format, Ids()), LOOKED_AT)

    def _files(self) -> dict[str, list[Path]]:
        from tmkd.data.files import files_of

        paths = {"path": self.path, "queries": self.queries, "documents": self.documents}
        return {name: files_of(path) if path else [] for name, path in paths.items()}


class _Lookup:
    """A Scorer that looks scores up."""

    def __init__(self, table: Table, outputs: int) -> None:
        self._table = table
        self._outputs = outputs

    def __call__(self, rows: Dataset, bar: tqdm) -> np.ndarray:
        import numpy as np

        from tmkd.store.shards import as_numbers, ids_of

        parts = []
        for ids in ids_of(rows):
            parts.append(self._table.find(as_numbers(ids)))
            bar.update(len(ids))
        scores = np.concatenate(parts)
        return margin_logits(scores[:, 0], self._outputs) if scores.shape[1] == 1 else scores


def _check_width(width: int, classes: Sequence[str], where: str) -> None:
    """Raise DataError where a pair's score is neither one number for two classes nor one for each class."""
    if width == len(classes) or (width == 1 and len(classes) == 2):
        return
    if len(classes) == 1:
        raise DataError(
            f"{where}: expected one number for the score of a pair, as labels are grades or numbers, but found "
            f"{width}; write it into the field 'score'."
        )
    one = " or one number" if len(classes) == 2 else ""
    raise DataError(
        f"{where}: expected {len(classes)} numbers for the classes {list(classes)}{one} but found {width}; write the "
        f"logits of all classes as a list into the field 'scores' of the format {PAIRS}."
    )
