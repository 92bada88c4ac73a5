"""The formats of files that are scored: JSON lines, CSV, TSV, Parquet and TREC runs."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from tmkd.data.bad_rows import NO_FIELD, BadRow
from tmkd.data.fields import text
from tmkd.data.files import files_of
from tmkd.data.formats import FORMATS, ending_of, open_file
from tmkd.data.layouts.layout import open_pairs
from tmkd.data.layouts.registry import LAYOUTS
from tmkd.data.layouts.texts import Texts, check_texts
from tmkd.data.records import EVERY_COLUMN, Record, Source
from tmkd.data.separated import ENDINGS, separated, table_writer
from tmkd.errors import ConfigError, DataError
from tmkd.use.pair_files import Advance, Fields, PairFile, Probabilities, Row, RowFile
from tmkd.use.parquet_file import ParquetFile

TREC = "trec"
NAMES = ("jsonl", "csv", "tsv", "parquet", TREC)
STDIN = Path("/dev/stdin")


def pair_file(
    path: Path,
    fields: Fields,
    *,
    format: str | None = None,
    queries: str | None = None,
    documents: str | None = None,
    skip: bool = False,
    packed: bool = False,
) -> PairFile:
    """Return a file of pairs.

    Args:
        format: one of ``NAMES``; None: a TREC run where there are ``queries``, else as the name ends; of standard
            input JSON lines.
        queries, documents: files of the texts of a TREC run.
        skip: leave bad rows out instead of raising.
        packed: pack what is written by gzip.

    Raises:
        ConfigError, DataError: the format is not known, or needs what is not there.
    """
    form = format or (TREC if queries or documents else _form(path))
    if form not in NAMES:
        raise ConfigError(f"--format: expected one of {', '.join(NAMES)}, got {form}.")
    check_texts(queries, documents, form == TREC, f"the format is {form}")
    if form == "parquet":
        return ParquetFile(path, fields, skip)
    if form == TREC:
        texts = Texts(files_of(str(queries)), files_of(str(documents)))
        texts.check()
        return RowFile(
            lambda advance: open_pairs(LAYOUTS[TREC], path, texts, advance=advance),
            _trec_row,
            _trec_lines,
            skip,
            packed,
            _question_of,
        )
    ending = f".{form}"
    fixed = separated(ending, None, rewritten=True) if ending in ENDINGS else FORMATS[ending]
    need = (fields.question, fields.passage)

    def opened(advance: Advance) -> Source:
        return open_file(path, need, EVERY_COLUMN, fixed=fixed, advance=advance)

    def read(record: Record) -> Row:
        if there := [name for name in fields.added if name in record]:
            option = "--score-field" if there[0] == fields.score else "--probability-field"
            raise BadRow(NO_FIELD, f"there is a field '{there[0]}' already; name the new one otherwise by {option}")
        return Row(text(record, fields.question), text(record, fields.passage), record)

    def lines(rows: Sequence[Row], scores: Sequence[float], probabilities: Probabilities, first: bool) -> str:
        columns = (scores,) if probabilities is None else (scores, probabilities)
        found = [
            dict(row.content) | dict(zip(fields.added, values)) for row, *values in zip(rows, *columns, strict=True)
        ]
        if ending in ENDINGS:
            return _table(found, ENDINGS[ending], first)
        return "".join(f"{_json(row)}\n" for row in found)

    return RowFile(opened, read, lines, skip, packed)


def check_output(path: Path, into: Path, format: str | None) -> bool:
    """Return whether the output is to be packed; ConfigError where its name belongs to another format."""
    form, (ending, packed) = format or _form(path), _ending(into)
    known = {f".{name}" for name in NAMES if name != TREC}
    if (ending in known and ending != f".{form}") or (form == "parquet" and (packed or ending != ".parquet")):
        raise ConfigError(
            f"{into}: expected a name that ends like the input's, whose format is {form}, since the same rows are "
            "written; `tmkd convert` changes formats."
        )
    return packed


def _ending(path: Path) -> tuple[str, bool]:
    """Return what a name ends in, .jsonl for .json too, and whether the file is packed."""
    ending, packed = ending_of(path)
    return {".json": ".jsonl"}.get(ending, ending), packed


def _form(path: Path) -> str:
    ending, _ = _ending(path)
    if path == STDIN:
        return "jsonl"
    if ending[1:] not in NAMES[:-1]:
        raise DataError(
            f"{path}: expected a name that ends in .jsonl, .csv, .tsv or .parquet; rename it, say --format, or give "
            "--queries and --documents of a TREC run."
        )
    return ending[1:]


def _json(row: Record) -> str:
    """Return a row as JSON: letters as they are, but for halves of characters, which no encoding has."""
    text = json.dumps(row, ensure_ascii=False)
    return text if text.encode(errors="ignore").decode() == text else json.dumps(row)


def _table(rows: Sequence[Record], separator: str, header: bool) -> str:
    file = io.StringIO()
    writer = table_writer(file, separator)
    if header:
        writer.writerow(rows[0])
    writer.writerows(row.values() for row in rows)
    return file.getvalue()


def _trec_row(record: Record) -> Row:
    return Row(record["question"], record["passage"], record)


def _question_of(row: Row) -> str:
    return str(row.content["question_id"])


def _trec_lines(rows: Sequence[Row], scores: Sequence[float], _: Probabilities, first: bool) -> str:
    lines = []
    for question, group in groupby(zip(rows, scores, strict=True), key=lambda pair: _question_of(pair[0])):
        ranked = sorted(group, key=lambda pair: -pair[1])
        lines += [
            f"{question} Q0 {row.content['passage_id']} {rank} {score} tmkd\n"
            for rank, (row, score) in enumerate(ranked, start=1)
        ]
    return "".join(lines)
