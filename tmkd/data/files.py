"""Strict readers of question-passage pairs from files.

A format is a function that yields (line number, record) of a text; add it to ``FORMATS`` and everything else follows.
"""

from __future__ import annotations

import csv
import glob
import gzip
import hashlib
import io
import json
import logging
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from datasets import Dataset

from tmkd.data.schema import CORPUS_COLUMNS, PAIR_COLUMNS, pair_id
from tmkd.errors import DataError

log = logging.getLogger(__name__)
Record = Mapping[str, Any]


def read_pairs(
    path: str | Path,
    *,
    classes: tuple[str, ...],
    question: str = "question",
    passage: str = "passage",
    label: str = "label",
    question_id: str = "question_id",
) -> Dataset:
    """Return the labelled pairs of a file; the keywords after ``classes`` name its columns.

    A label is a class name or the index of one. Without a column ``question_id`` questions are told apart by their
    text. A pair that comes twice counts once; with two different labels it is an error.
    """
    rows: dict[str, dict[str, Any]] = {}
    lines: dict[str, int] = {}
    repeated = 0
    for line, record in _records(Path(path)):
        row = _pair(record, question, passage, question_id, f"{path}, line {line}")
        row["label"] = _label(record, label, classes, f"{path}, line {line}")
        first = rows.setdefault(row["id"], row)
        first_line = lines.setdefault(row["id"], line)
        repeated += first is not row
        if first["label"] != row["label"]:
            raise DataError(
                f"{path}, line {line}: field '{label}' is '{classes[row['label']]}' but the same pair is "
                f"'{classes[first['label']]}' in line {first_line}; remove one of the two."
            )
    return _dataset(rows.values(), PAIR_COLUMNS, str(path), repeated)


def read_corpus(
    path: str | Path, *, question: str = "question", passage: str = "passage", question_id: str = "question_id"
) -> Dataset:
    """Return the unlabelled pairs of a file, or of all files of a glob pattern; further columns are ignored."""
    rows: dict[str, dict[str, Any]] = {}
    repeated = 0
    for file in corpus_files(path):
        for line, record in _records(file):
            row = _pair(record, question, passage, question_id, f"{file}, line {line}")
            repeated += rows.setdefault(row["id"], row) is not row
    return _dataset(rows.values(), CORPUS_COLUMNS, str(path), repeated)


def corpus_files(path: str | Path) -> list[Path]:
    """Return the files that a path or a glob pattern stands for, sorted by name."""
    if Path(path).is_file():  # a name may hold the characters of a pattern
        return [Path(path)]
    files = [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]
    return files or [Path(path)]  # whoever opens it says that it is missing


def file_hash(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    return hashlib.sha256(_bytes(Path(path))).hexdigest()


def _tsv(text: str, path: Path) -> Iterator[tuple[int, Record]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t", strict=True)
    try:
        header = next(reader, [])
        if len(set(header)) < len(header):
            raise DataError(f"{path}, line 1: the header {header} names a column twice; rename one of the two.")
        for fields in reader:
            if not fields:  # an empty line
                continue
            if len(fields) != len(header):
                raise DataError(
                    f"{path}, line {reader.line_num}: expected {len(header)} fields as in the header {header} but "
                    f"found {len(fields)}; put text that holds tabs, quotes or line ends in double quotes."
                )
            yield reader.line_num, dict(zip(header, fields, strict=True))
    except csv.Error as error:
        raise DataError(
            f"{path}, line {reader.line_num}: expected tab-separated fields but found broken quoting ({error}); "
            "put text that holds tabs, quotes or line ends in double quotes and double the quotes inside."
        ) from None


def _jsonl(text: str, path: Path) -> Iterator[tuple[int, Record]]:
    for line, content in enumerate(text.split("\n"), start=1):  # not splitlines: JSON may hold other line ends
        if not content.strip():
            continue
        try:
            record = json.loads(content)
        except json.JSONDecodeError as error:
            raise DataError(
                f"{path}, line {line}: expected one JSON object but found broken JSON ({error.msg}, column "
                f"{error.colno}); write one object a line."
            ) from None
        if not isinstance(record, dict):
            raise DataError(
                f"{path}, line {line}: expected a JSON object but found {content.strip()[:40]!r}; write one "
                "object a line."
            )
        yield line, record


FORMATS: dict[str, Callable[[str, Path], Iterator[tuple[int, Record]]]] = {".tsv": _tsv, ".jsonl": _jsonl}


def _records(path: Path) -> Iterator[tuple[int, Record]]:
    ending = path.name.removesuffix(".gz")
    known = next((read for suffix, read in FORMATS.items() if ending.endswith(suffix)), None)
    if known is None:
        raise DataError(
            f"{path}: expected a file name that ends in {', '.join(FORMATS)} (or that and .gz) but found "
            f"'{path.name}'; convert or rename the file."
        )
    content = _bytes(path)
    try:
        content = gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: expected a gzip file but it is broken ({error}); compress it again.") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path}, line {line}: expected UTF-8 but found the byte 0x{content[error.start]:02x}; save the file "
            "as UTF-8."
        ) from None
    return known(text, path)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: the file cannot be read ({error.strerror}); check the path.") from None


def _pair(record: Record, question: str, passage: str, question_id: str, where: str) -> dict[str, Any]:
    texts = _text(record, question, where), _text(record, passage, where)
    name = record.get(question_id, pair_id(texts[0], ""))
    name = str(name) if isinstance(name, int) else _text({question_id: name}, question_id, where)
    return {"id": pair_id(*texts), "question_id": name, "question": texts[0], "passage": texts[1]}


def _text(record: Record, field: str, where: str) -> str:
    value = _field(record, field, where)
    # JSON can spell half a character ("\\ud800"), which no encoder takes.
    if not isinstance(value, str) or not value.strip() or value.encode(errors="ignore").decode() != value:
        raise DataError(f"{where}: field '{field}' must be text but is {value!r}; fill it in or remove the row.")
    return value.strip()


def _field(record: Record, field: str, where: str) -> Any:
    if field not in record:
        raise DataError(
            f"{where}: there is no column '{field}' but only {list(record)}; rename the column, or set its name in "
            "the configuration of the data."
        )
    return record[field]


def _label(record: Record, field: str, classes: tuple[str, ...], where: str) -> int:
    value = _field(record, field, where)
    if value in classes:
        return classes.index(value)
    number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
    if isinstance(number, int) and not isinstance(number, bool) and number in range(len(classes)):
        return number
    raise DataError(
        f"{where}: field '{field}' must be one of {list(classes)} or an index from 0 to {len(classes) - 1} but is "
        f"{value!r}; mend the label or the list of classes."
    )


def _dataset(rows: Iterable[dict[str, Any]], columns: tuple[str, ...], source: str, repeated: int) -> Dataset:
    kept = list(rows)
    if not kept:
        raise DataError(f"{source}: expected at least one pair but found none; add rows below the header.")
    if repeated:
        log.warning("%s: %d pairs came more than once and count once", source, repeated)
    return Dataset.from_dict({column: [row[column] for row in kept] for column in columns})
