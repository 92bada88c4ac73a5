"""The reader that mines a corpus as the paper's step 1 does: each question with the passages that a search finds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any, NoReturn

from datasets import Dataset

from tmkd.data.bad_rows import REPEATED, BadRow, BadRows
from tmkd.data.candidates import top_candidates
from tmkd.data.fields import name_of, needed_ids, text
from tmkd.data.files import columns_of, dialect_of, file_identity, files_of, reading, setting
from tmkd.data.formats import open_file
from tmkd.data.records import Record, Source
from tmkd.data.rows import SCHEMA, good, in_batches, to_arrow
from tmkd.data.schema import Corpus, Reader, Settings, pair_id
from tmkd.data.words import ENGLISH, Words, words_of
from tmkd.errors import ConfigError, DataError


def mine(
    questions: Mapping[str, str],
    passages: Sequence[str],
    *,
    candidates: int,
    random: int,
    seed: int,
    words: Words = ENGLISH,
    cache: Path | None = None,
) -> Dataset:
    """Return each question with its best passages by BM25 and with others drawn at random.

    Args:
        questions: their texts, each with its id.
        passages: different texts.
        candidates, random: passages a question, or fewer where there are fewer.
        seed: of the draw, which is each question's own: other questions do not change it.
        words: what BM25 looks for.
        cache: a folder for the rows; without it they are kept in memory.
    """
    best = top_candidates(list(questions), passages, candidates, words)

    def rows() -> Iterator[dict[str, Any]]:
        for (question, name), found in zip(questions.items(), best.tolist(), strict=True):
            rng = Random(f"{seed}\x1f{question}")
            drawn = rng.sample(range(len(passages)), min(candidates + random, len(passages)))  # some may be found ones
            for at in found + [at for at in drawn if at not in found][:random]:
                passage = passages[at]
                yield {"id": pair_id(question, passage), "question_id": name, "question": question, "passage": passage}

    return to_arrow(in_batches(rows()), SCHEMA, cache and cache / "corpus.arrow")


def _corpus(data: Settings, corpus: Settings, cache: Path | None) -> Corpus:
    columns, bad = columns_of(corpus), BadRows(data["on_bad_row"] == "skip")
    files = {key: files_of(setting("corpus", corpus, key)) for key in ("path", "passages")}
    with reading(chain(*files.values()), "questions and passages") as bar:

        def texts(key: str, column: str, id_column: str) -> dict[str, str]:
            need = (column, *needed_ids(id_column))
            opened = (
                open_file(file, need, [id_column], dialect=dialect_of(corpus), plain=True, advance=bar.update)
                for file in files[key]
            )
            return _distinct(opened, column, id_column, bad)

        questions = texts("path", columns.question, columns.question_id)
        passages = texts("passages", columns.passage, "")
    skipped = bad.settle()
    for key, found in (("path", questions), ("passages", passages)):
        if not found:
            raise DataError(f"corpus.{key}: expected at least one text but found none; add rows to {corpus[key]}.")
    return Corpus(mine(questions, list(passages), **draw(corpus), cache=cache), skipped)


def draw(corpus: Settings) -> dict[str, Any]:
    """Return what ``mine`` takes from the settings."""
    return {key: corpus[key] for key in ("candidates", "random", "seed")} | {"words": words_of(corpus)}


def read_passages(where: str, path: str, corpus: Settings, skip: bool) -> list[str]:
    """Return the different passages of files, in their order.

    Args:
        where: the setting that has the path; for messages.
        path: a path or a glob.
        corpus: its column ``passage``, separator and quoting are the files' own.
        skip: leave bad rows out instead of raising.

    Raises:
        DataError: a bad row, or no passage at all.
    """
    files, bad = files_of(path), BadRows(skip)
    with reading(files, "passages") as bar:
        column, dialect = corpus["passage"], dialect_of(corpus)
        opened = (open_file(file, [column], dialect=dialect, plain=True, advance=bar.update) for file in files)
        found = _distinct(opened, column, "", bad)
    bad.settle()
    if not found:
        raise DataError(f"{where}: expected at least one text but found none; add rows to {path}.")
    return list(found)


def _distinct(sources: Iterable[Source], column: str, id_column: str, bad: BadRows) -> dict[str, str]:
    """Return the different texts of a column in their order, each with its id, or with a name made from the text."""
    found: dict[str, str] = {}

    def named(record: Record) -> tuple[str, str]:
        words = text(record, column)
        return words, name_of(record, id_column, words)

    for source in sources:
        for number, (words, name) in good(source, named, bad):
            if words in found:
                bad.add(source, number, BadRow(REPEATED, "the same text came before"))
            found.setdefault(words, name)
    return found


def no_task(data: Settings, corpus: Settings, *_: Any) -> NoReturn:
    """Stand where a reader's task would, in a reader of corpora alone."""
    raise ConfigError(
        f"data.reader is '{data['reader']}' but mining gives no labels; choose another reader for the task."
    )


MINED = Reader(
    no_task,
    _corpus,
    no_task,
    lambda _, corpus: {
        key: [file_identity(file) for file in files_of(setting("corpus", corpus, key))] for key in ("path", "passages")
    },
)
