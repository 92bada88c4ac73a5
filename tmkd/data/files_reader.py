"""The reader of files: labelled pairs, and corpora of many of them, in the formats of ``tmkd.choices.FORMATS``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tmkd.choices import CLASSES, PAIRS
from tmkd.data.bad_rows import BadRow
from tmkd.data.files import (
    columns_of,
    dialect_of,
    file_identity,
    files_of,
    reading,
    setting,
    split_settings,
    task_options,
)
from tmkd.data.formats import open_file
from tmkd.data.labelled import make_task
from tmkd.data.layouts.layout import LABEL, Layout, open_pairs
from tmkd.data.layouts.registry import LAYOUTS
from tmkd.data.layouts.texts import Texts
from tmkd.data.records import Located, Source
from tmkd.data.rows import read_corpus
from tmkd.data.schema import SPLITS, Corpus, Reader, Settings, Task
from tmkd.errors import DataError

BEIR = "beir"
BEIR_SPLITS = {"train": "train", "validation": "dev", "test": "test"}  # as its data sets call them
PACKED = ("", ".gz")
RIGHT_IS_1 = (0, 1)  # the labels of wrong and right passages, where labels are grades or numbers


@dataclass(frozen=True)
class Files:
    """What a section of settings is read from.

    Attributes:
        pairs: files of pairs by split; of a corpus, by their numbers.
        queries, documents: files of texts, where pairs are of ids.
    """

    pairs: dict[str, Path]
    queries: Sequence[Path] = ()
    documents: Sequence[Path] = ()

    @property
    def all(self) -> list[Path]:
        return [*self.pairs.values(), *self.queries, *self.documents]

    def texts(self) -> dict[str, list[str]]:
        """Return what the files of texts are known by."""
        kinds = {"queries": self.queries, "documents": self.documents}
        return {kind: [file_identity(file) for file in files] for kind, files in kinds.items() if files}


def _of_task(data: Settings) -> Files:
    if data["format"] != BEIR:
        pairs = {split: Path(path) for split, path in split_settings(data).items()}
        return Files(pairs, *_texts(data))
    folder = Path(setting("data", data, "path"))
    names = {split: data[split] or BEIR_SPLITS[split] for split in SPLITS}
    if not data["validation"] and not _there(folder, "qrels/dev.tsv").is_file():
        del names["validation"]  # it is drawn
    return beir_files(folder, names, "data.{split}", "data.path")


def _of_corpus(corpus: Settings) -> Files:
    if corpus["format"] == BEIR:
        folder = Path(setting("corpus", corpus, "path"))
        return beir_files(folder, {"": corpus["split"]}, "corpus.split", "corpus.path")
    files = files_of(setting("corpus", corpus, "path"))
    return Files({str(at): file for at, file in enumerate(files)}, *_texts(corpus))


def training_files(path: str, data: Settings, setting: str) -> Files:
    """Return further files of labelled pairs, by their numbers.

    Args:
        path: a file, a folder or a pattern; of beir, a folder.
        setting: what the path is called in the settings, for messages.
    """
    if data["format"] == BEIR:
        return beir_files(Path(path), {"0": data["train"] or BEIR_SPLITS["train"]}, "data.train", setting)
    return Files({str(at): file for at, file in enumerate(files_of(path))}, *_texts(data))


def _texts(section: Settings) -> tuple[list[Path], list[Path]]:
    queries, documents = (files_of(section[key]) if section[key] else [] for key in ("queries", "documents"))
    return queries, documents


def beir_files(folder: Path, names: dict[str, str], key: str, owner: str) -> Files:
    """Return the files of a BEIR folder.

    Args:
        names: of qrels, by split.
        key: the setting of the names; ``{split}`` stands for one.
        owner: the setting of the folder.

    Raises:
        DataError: there are no such qrels.
    """
    pairs = {split: _there(folder, f"qrels/{name}.tsv") for split, name in names.items()}
    for split, file in pairs.items():
        if not file.is_file():
            there = sorted(path.name.split(".")[0] for path in folder.glob("qrels/*.tsv*"))
            raise DataError(
                f"{file}: expected the qrels of a BEIR folder but there is no such file; let {owner} be the folder, "
                f"and {key.format(split=split)} one of {there}."
            )
    return Files(pairs, [_there(folder, "queries.jsonl")], [_there(folder, "corpus.jsonl")])


def _there(folder: Path, name: str) -> Path:
    """Return a file that may be compressed."""
    found = (folder / f"{name}{packed}" for packed in PACKED)
    return next((path for path in found if path.is_file()), folder / name)


def _task(data: Settings, corpus: Settings, cache: Path | None) -> Task:
    files = _of_task(data)
    with reading(files.all, "task") as bar:
        sources = labelled_sources(files, data, bar.update)
        return make_task(data["name"], sources, columns_of(data), **task_options(data), cache=cache)


def labelled_sources(files: Files, data: Settings, advance: Callable[[int], Any]) -> dict[str, Source]:
    """Return the labelled pairs of each of the files, in the format and columns of ``data``."""
    if data["format"] == PAIRS:
        columns = columns_of(data)
        need, maybe = (*columns.needed, data["label"]), (columns.question_id,)
        return {
            name: open_file(path, need, maybe, dialect=dialect_of(data), advance=advance)
            for name, path in files.pairs.items()
        }
    texts = Texts(files.queries, files.documents, advance)
    names = data["classes"] if data["label_kind"] == CLASSES else RIGHT_IS_1
    return {
        name: with_class_names(_pairs(path, data, texts, advance, LABEL), names) for name, path in files.pairs.items()
    }


def _corpus(data: Settings, corpus: Settings, cache: Path | None) -> Corpus:
    own, columns = corpus["format"] == PAIRS, columns_of(corpus)
    need, maybe = columns.needed, (columns.question_id,)
    files = _of_corpus(corpus)
    with reading(files.all, "corpus") as bar:
        texts = Texts(files.queries, files.documents, bar.update)
        sources = (
            open_file(file, need, maybe, dialect=dialect_of(corpus), advance=bar.update)
            if own
            else _pairs(file, corpus, texts, bar.update)
            for file in files.pairs.values()
        )
        return read_corpus(sources, columns, skip=data["on_bad_row"] == "skip", cache=cache)


def _pairs(path: Path, section: Settings, texts: Texts, advance: Callable[[int], Any], want: str = "") -> Source:
    layout = layout_of(section["format"], section.get("label_kind", CLASSES))
    return open_pairs(layout, path, texts, want=want, dialect=dialect_of(section), advance=advance)


def layout_of(format: str, kind: str) -> Layout:
    """Return a format of other projects, which keeps grades where ``kind``, of ``LABEL_KINDS``, is not classes."""
    layout = LAYOUTS[format]
    return replace(layout, pairs=layout.graded) if kind != CLASSES and layout.graded else layout


def with_class_names(source: Source, classes: Sequence[Any]) -> Source:
    """Return a source whose right and wrong passages have the names of the last and the first class, or 1 and 0."""

    def located() -> Iterator[Located]:
        for number, record in source.records:
            if not isinstance(record, BadRow) and isinstance(record[LABEL], bool):
                record = {**record, LABEL: classes[-1] if record[LABEL] else classes[0]}
            yield number, record

    return replace(source, records=located())


def _task_identity(data: Settings, corpus: Settings) -> dict[str, Any]:
    files = _of_task(data)
    return {split: file_identity(path) for split, path in files.pairs.items()} | files.texts()


def _corpus_identity(data: Settings, corpus: Settings) -> dict[str, Any]:
    files = _of_corpus(corpus)
    return {"files": [file_identity(file) for file in files.pairs.values()]} | files.texts()


FILES = Reader(_task, _corpus, _task_identity, _corpus_identity)
