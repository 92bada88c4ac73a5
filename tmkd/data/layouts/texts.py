"""The texts that ids stand for: files of queries and of documents, held in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tmkd.data.bad_rows import NO_TEXT, BadRow
from tmkd.data.fields import shown, text
from tmkd.data.formats import ending_of, open_file
from tmkd.data.records import EVERY_COLUMN, Format, Lines, Located, Record, Source, Stream
from tmkd.errors import ConfigError, DataError
from tmkd.spelling import as_text

IDS = {
    "queries": ("query_id", "_id", "id", "qid"),
    "documents": ("document_id", "_id", "docid", "id", "pid", "docno"),
}
TEXTS = {"queries": ("query", "text"), "documents": ("document", "text", "contents", "passage")}
LOOKED_AT = 5  # records of a file whose ids and texts are looked at before anything is read


def split_lines(separator: str | None) -> Format:
    """Return the format of lines without a header, whose record is a list ``fields``.

    Args:
        separator: of the fields; None: any white space.
    """

    def read(stream: Stream, path: Path, need: Sequence[str], maybe: Sequence[str]) -> Iterator[Located]:
        lines = Lines(stream, newline="\n")
        for line in lines:
            broken = lines.take_broken()
            if broken or line.strip():
                yield broken or (lines.number, {"fields": line.rstrip("\r\n").split(separator)})

    return read


def titled(title: Any, body: Any) -> Any:
    """Return a title and the text below it as one passage."""
    if isinstance(title, str) and title.strip() and isinstance(body, str):
        return f"{title.strip()} {body.strip()}"
    return body


def check_texts(queries: str | None, documents: str | None, joined: bool, where: str) -> None:
    """Raise ConfigError where files of texts are not given to a format of ids, or are given to another.

    Args:
        joined: whether pairs are of ids.
        where: what says so, for the message: ``--from is trec``.
    """
    for name, given in (("--queries", queries), ("--documents", documents)):
        if bool(given) != joined:
            expected = "a file, to which the ids lead," if joined else "nothing"
            raise ConfigError(f"{name}: expected {expected} where {where}, got {given}.")


class Texts:
    """Queries and documents by their ids; each kind is read when the first of it is asked for.

    Args:
        queries, documents: files: tables without a header (id, tab, text), or JSON lines, CSV and Parquet with one of
            the fields of ``IDS`` and of ``TEXTS``.
        advance: called with the bytes read since its last call.
    """

    def __init__(
        self,
        queries: Sequence[Path] = (),
        documents: Sequence[Path] = (),
        advance: Callable[[int], Any] = lambda _: None,
    ) -> None:
        self._files = {"queries": queries, "documents": documents}
        self._advance = advance
        self._read: dict[str, dict[str, Any]] = {}

    def query(self, key: Any) -> tuple[str, str]:
        """Return the id, as text, and the query; BadRow where there is none."""
        own, found = self._find("queries", key)
        return own, text({f"query {own}": found}, f"query {own}")

    def document(self, key: Any) -> tuple[str, Any]:
        """Return the id, as text, and what the document has for a text; BadRow where there is none."""
        return self._find("documents", key)

    def check(self) -> None:
        """Raise DataError where the first records of a file have no id or text."""
        for kind, files in self._files.items():
            for file in files:
                for _ in zip(range(LOOKED_AT), _items(kind, file, lambda _: None)):
                    pass

    def _find(self, kind: str, key: Any) -> tuple[str, Any]:
        if kind not in self._read:
            self._read[kind] = self._load(kind)
        own = as_text(key)
        if own is None or own not in self._read[kind]:
            files = ", ".join(map(str, self._files[kind]))
            told = f"{shown(key)} is the id of none of the {kind} in {files}; add it there, or remove the row"
            raise BadRow(NO_TEXT, told)
        return own, self._read[kind][own]

    def _load(self, kind: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for file in self._files[kind]:
            for own, value, where in _items(kind, file, self._advance):
                if found.setdefault(own, value) != value:
                    raise DataError(f"{where}: the id {own} came before with another text; give each its own id.")
        return found


class Ids(Texts):
    """In the place of texts, where ids are enough to see whether a file is well made: each stands for itself."""

    def _find(self, kind: str, key: Any) -> tuple[str, Any]:
        own = as_text(key)
        if own is None:
            raise BadRow(NO_TEXT, f"expected an id but found {shown(key)}; fill it in or remove the row")
        return own, own


def _items(kind: str, path: Path, advance: Callable[[int], Any]) -> Iterator[tuple[str, Any, str]]:
    """Yield the id and text of each record of a file, and where it stands."""
    fixed = split_lines("\t") if ending_of(path)[0] in (".tsv", ".txt", "") else None
    source = open_file(path, (), EVERY_COLUMN, fixed=fixed, advance=advance)
    header: list[str] = []
    for number, record in source.records:
        where = f"{source.name}, {source.unit} {number}"
        if isinstance(record, BadRow):
            raise DataError(f"{where}: {record}.")
        if fixed is not None:
            fields: list[str] = record["fields"]
            if number == 1 and fields[0] in IDS[kind]:
                header = fields
                continue
            expected = header or [IDS[kind][0], TEXTS[kind][0]]
            if len(fields) != len(expected):
                raise DataError(
                    f"{where}: expected {len(expected)} fields ({', '.join(expected)}) with tabs between them but "
                    f"found {len(fields)}; take tabs out of the texts, or save the {kind} as JSON lines."
                )
            if any(each[:1] == each[-1:] == '"' and '""' in each[1:-1] for each in fields):
                raise DataError(
                    f"{where}: expected texts as they are, but found a field in double quotes with others inside; "
                    f"save the {kind} as JSON lines, or as CSV in a file whose name ends in .csv."
                )
            record = dict(zip(expected, fields))
        yield (*_item(kind, record, source, where), where)


def _item(kind: str, record: Record, source: Source, where: str) -> tuple[str, Any]:
    key = next((field for field in IDS[kind] if field in record), None)
    body = next((field for field in TEXTS[kind] if field in record), None)
    if key is None or body is None:
        raise DataError(
            f"{where}: {kind} need a field {IDS[kind][0]} (or {', '.join(IDS[kind][1:])}) and a field {TEXTS[kind][0]} "
            f"(or {', '.join(TEXTS[kind][1:])}) but there are only {list(record)}; rename what they are called."
        )
    own = as_text(record[key])
    if not own:
        raise DataError(f"{where}: field '{key}' must be an id but is {shown(record[key])}; fill it in.")
    return own, titled(record.get("title"), record[body])
