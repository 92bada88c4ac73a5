"""Parquet files of pairs: columns keep their types, and what `datasets` wrote about them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tmkd.data.bad_rows import BadRow, BadRows
from tmkd.data.fields import text
from tmkd.data.formats import unpacked
from tmkd.data.records import Record, Source, checked_header
from tmkd.errors import DataError
from tmkd.store.disk import reading_from
from tmkd.use.pair_files import Advance, Chunk, Fields, Probabilities

ROWS = 10_000  # that are looked at together
FEATURES = b"huggingface"  # the key under which `datasets` keeps the kinds of columns


@dataclass(frozen=True)
class ParquetFile:
    """A Parquet file, read batch by batch; see ``PairFile``.

    Attributes:
        skip: leave bad rows out instead of raising.
    """

    path: Path
    fields: Fields
    skip: bool = False

    def count(self, advance: Advance = lambda _: None) -> tuple[int, int]:
        bad, source, rows = BadRows(self.skip, "--skip-bad-rows"), Source(str(self.path), "row", ()), 0
        for batch in self._batches(ROWS, (self.fields.question, self.fields.passage)):
            for number, record in enumerate(unpacked(batch), start=rows + 1):
                try:
                    self._texts(record)
                except BadRow as found:
                    bad.add(source, number, found)
            rows += batch.num_rows
        advance(self.path.stat().st_size)
        return rows, bad.left_out()

    def chunks(self, start: int, size: int) -> Iterator[Chunk]:
        end, first = 0, start == 0
        for batch in self._batches(size):
            rows = batch.slice(max(0, start - end)) if end < start else batch
            end += batch.num_rows
            kept, pairs = [], []
            for record in unpacked(rows.select([self.fields.question, self.fields.passage])):
                try:
                    pairs.append(self._texts(record))
                    kept.append(True)
                except BadRow:  # counted before; without ``skip`` there are none
                    kept.append(False)
            if pairs:
                questions, passages = zip(*pairs)
                yield Chunk(list(questions), list(passages), rows.filter(_array(kept)), first, end)
                first = False

    def write(self, chunk: Chunk, scores: Sequence[float], probabilities: Probabilities, to: IO[bytes]) -> None:
        import pyarrow as pa
        from pyarrow.parquet import write_table

        table = pa.Table.from_batches([chunk.rows])
        columns = (scores,) if probabilities is None else (scores, probabilities)
        added = dict(zip(self.fields.added, columns))
        for name, values in added.items():
            table = table.append_column(name, pa.array(values, pa.float64()))
        write_table(table.replace_schema_metadata(_described(chunk.rows.schema.metadata, list(added))), to)

    def join(self, parts: Sequence[Path], to: IO[bytes]) -> None:
        from pyarrow.parquet import ParquetFile as Reader
        from pyarrow.parquet import ParquetWriter

        with ParquetWriter(to, Reader(parts[0]).schema_arrow) as writer:
            for part in parts:
                for batch in Reader(part).iter_batches():
                    writer.write_batch(batch)

    def _texts(self, record: Record | BadRow) -> tuple[str, str]:
        if isinstance(record, BadRow):
            raise record
        return text(record, self.fields.question), text(record, self.fields.passage)

    def _batches(self, size: int, columns: Sequence[str] | None = None) -> Iterator[Any]:
        import pyarrow as pa
        from pyarrow.parquet import ParquetFile as Reader

        with reading_from(self.path, DataError, "check the path"):
            try:
                with self.path.open("rb") as raw:
                    file = Reader(raw, buffer_size=2**20, pre_buffer=False)
                    header = checked_header(
                        file.schema_arrow.names, self.path, (self.fields.question, self.fields.passage)
                    )
                    for name, option in zip(self.fields.added, ("--score-field", "--probability-field")):
                        if name in header:
                            raise DataError(
                                f"{self.path}: there is a column '{name}' already; name the new one by {option}."
                            )
                    yield from file.iter_batches(size, columns=columns)
            except pa.ArrowException as error:
                why = str(error).splitlines()[0]
                raise DataError(
                    f"{self.path}: expected a Parquet file but it is broken ({why}); write it again."
                ) from None


def _array(values: Sequence[bool]) -> Any:
    import pyarrow as pa

    return pa.array(values, pa.bool_())


def _described(metadata: dict[bytes, bytes] | None, added: Sequence[str]) -> dict[bytes, bytes] | None:
    """Add the new columns to what `datasets` wrote about the others: it reads no column that is not listed there."""
    try:
        known = json.loads((metadata or {})[FEATURES])
        known["info"]["features"] |= {name: {"dtype": "float64", "_type": "Value"} for name in added}
    except (KeyError, TypeError, ValueError):
        return metadata
    return {**(metadata or {}), FEATURES: json.dumps(known).encode()}
