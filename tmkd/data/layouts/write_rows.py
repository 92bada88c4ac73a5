"""Pairs as the records of one file: our own, FlagEmbedding's, sentence-transformers', Tevatron's."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Iterator
from io import TextIOWrapper
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, cast

from tmkd.choices import PAIRS
from tmkd.data.formats import ending_of
from tmkd.data.layouts.pairs import Losses, Pair, by_question, labelled, one_score
from tmkd.data.separated import ENDINGS, table_writer
from tmkd.errors import ConfigError, DataError

Row = dict[str, Any]
Rows = Callable[[Iterable[Pair], Losses], Iterator[Row]]
FLAT = (PAIRS, "sentence_transformers")  # formats whose fields are no lists: they can be tables that are text
TOGETHER = 10_000  # rows of a Parquet file that are written together
SAVE_AS = "write JSON lines (.jsonl) instead"


def _own(pairs: Iterable[Pair], losses: Losses) -> Iterator[Row]:
    for pair in pairs:
        row: Row = {"question": pair.question, "passage": pair.passage}
        if pair.question_id is not None:
            row["question_id"] = pair.question_id
        if pair.label is not None:
            row["label"] = ("wrong", "right")[pair.label] if isinstance(pair.label, bool) else pair.label
        if pair.score is not None:
            row["scores" if isinstance(pair.score, list) else "score"] = pair.score
        losses.lost["document ids"] += pair.passage_id is not None
        losses.pairs += 1
        yield row


def _sentence_transformers(pairs: Iterable[Pair], losses: Losses) -> Iterator[Row]:
    for pair in pairs:
        row: Row = {"query": pair.question, "passage": pair.passage}
        if isinstance(pair.score, float):  # one column is the label, and what a student learns from is the score
            row["score"] = pair.score
            losses.lost["labels"] += pair.label is not None
        elif pair.label is not None:
            row["label"] = int(pair.label) if isinstance(pair.label, bool) else pair.label
            losses.lost["scores"] += pair.score is not None
        else:
            losses.left_out["pairs without a label or a score"] += 1
            continue
        _ids_lost(pair, losses)
        losses.pairs += 1
        yield row


def _flag_embedding(pairs: Iterable[Pair], losses: Losses) -> Iterator[Row]:
    for group in by_question(labelled(pairs, losses)):
        right, wrong = _sides(group)
        row: Row = {
            "query": group[0].question,
            "pos": [each.passage for each in right],
            "neg": [each.passage for each in wrong],
        }
        if one_score(group, losses):
            row |= {"pos_scores": [each.score for each in right], "neg_scores": [each.score for each in wrong]}
        for pair in group:
            _ids_lost(pair, losses)
        losses.pairs += len(group)
        yield row


def _tevatron(pairs: Iterable[Pair], losses: Losses) -> Iterator[Row]:
    for group in by_question(labelled(pairs, losses)):
        right, wrong = ([_passage(each, losses) for each in side] for side in _sides(group))
        losses.pairs += len(group)
        own = {"query_id": group[0].query_id, "query": group[0].question}
        yield {**own, "positive_passages": right, "negative_passages": wrong}


def _passage(pair: Pair, losses: Losses) -> Row:
    losses.lost["scores"] += isinstance(pair.score, list)
    score = {"score": pair.score} if isinstance(pair.score, float) else {}
    return {"docid": pair.document_id, "title": "", "text": pair.passage, **score}


def _sides(group: list[Pair]) -> tuple[list[Pair], list[Pair]]:
    return [each for each in group if each.label], [each for each in group if not each.label]


def _ids_lost(pair: Pair, losses: Losses) -> None:
    losses.lost["question ids"] += pair.question_id is not None
    losses.lost["document ids"] += pair.passage_id is not None


ROWS: dict[str, Rows] = {
    PAIRS: _own,
    "flag_embedding": _flag_embedding,
    "sentence_transformers": _sentence_transformers,
    "tevatron": _tevatron,
}


def check_ending(format: str, path: Path) -> None:
    """Raise ConfigError where a format cannot be in a file whose name ends so."""
    ending, packed = ending_of(path)
    known = [".jsonl", ".json", ".parquet", *(ENDINGS if format in FLAT else ())]
    if ending not in known or (packed and ending == ".parquet"):
        raise ConfigError(
            f"{path}: expected a file name that ends in {', '.join(known)} (or, a text, in that and .gz) for the "
            f"format {format}; name another file."
        )


def write_rows(rows: Iterable[Row], path: Path, name: Path) -> None:
    """Write records as the ending of ``name`` says.

    Args:
        path: where they go.
        name: what the file will be called.

    Raises:
        DataError: rows that one table cannot hold.
    """
    ending, packed = ending_of(name)
    if ending == ".parquet":
        _parquet(rows, path, name)
        return
    with gzip.open(path, "wb") if packed else path.open("wb") as raw:
        file = TextIOWrapper(cast(IO[bytes], raw), "utf-8", newline="")
        if ending in ENDINGS:
            _table(rows, file, ENDINGS[ending], name)
        else:
            for row in rows:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
        file.flush()


def _table(rows: Iterable[Row], file: TextIOWrapper, separator: str, name: Path) -> None:
    writer = table_writer(file, separator)
    for number, row in enumerate(_alike(rows, name), start=1):
        if number == 1:
            writer.writerow(row)
        if separator == "\t" and any("\t" in str(each) and set("\r\n") & set(str(each)) for each in row.values()):
            raise DataError(f"{name}, row {number}: a text has both tabs and line ends; {SAVE_AS}.")
        writer.writerow(json.dumps(each) if isinstance(each, list) else each for each in row.values())


def _parquet(rows: Iterable[Row], path: Path, name: Path) -> None:
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    rest = iter(_alike(rows, name))
    first = next(rest, None)
    if first is None:  # whoever counts the pairs says so; an empty file needs no columns
        path.touch()
        return
    number, numbers = pa.float64(), pa.list_(pa.float64())
    texts = pa.list_(pa.string())
    passages = pa.list_(pa.struct([("docid", pa.string()), ("title", pa.string()), ("text", pa.string()),
                                   ("score", number)]))  # fmt: skip
    kinds = {
        "score": number, "scores": numbers, "pos_scores": numbers, "neg_scores": numbers, "pos": texts, "neg": texts,
        "positive_passages": passages, "negative_passages": passages,
        "label": {int: pa.int64(), float: number}.get(type(first.get("label")), pa.string()),
    }  # fmt: skip
    schema = pa.schema([(field, kinds.get(field, pa.string())) for field in first])
    rest = _not_cut(chain([first], rest), isinstance(first.get("label"), int), name)
    try:
        with ParquetWriter(path, schema) as writer:
            while batch := list(islice(rest, TOGETHER)):
                writer.write_table(pa.Table.from_pylist(batch, schema))
    except pa.ArrowException as error:
        raise DataError(f"{name}: its rows make no table ({str(error).splitlines()[0]}); {SAVE_AS}.") from None


def _not_cut(rows: Iterable[Row], whole: bool, name: Path) -> Iterator[Row]:
    """Yield rows, or raise DataError for a label with a fraction where the first is whole: Arrow would cut it off."""
    for number, row in enumerate(rows, start=1):
        label = row.get("label")
        if whole and isinstance(label, float) and not label.is_integer():
            raise DataError(f"{name}, row {number}: has the label {label} but that of the first is whole; {SAVE_AS}.")
        yield row


def _alike(rows: Iterable[Row], name: Path) -> Iterator[Row]:
    """Yield rows that have the fields of the first one, or raise DataError: a table has one header."""
    fields: list[str] = []
    for number, row in enumerate(rows, start=1):
        fields = fields or list(row)
        if list(row) != fields:
            raise DataError(f"{name}, row {number}: has the fields {list(row)} but the first has {fields}; {SAVE_AS}.")
        yield row
