"""Rows that cannot be used: reported all at once, or left out and counted, never lost in silence."""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Protocol

from tmkd.errors import DataError

log = logging.getLogger(__name__)
SHOWN = 5  # rows of a kind that the log names

# Kinds of bad rows, as they are counted.
FIELD_COUNT, QUOTING, JSON, UTF8 = "wrong field count", "broken quoting", "broken JSON", "broken UTF-8"
NO_FIELD, NO_TEXT, NO_CLASS, NO_SCORE = "missing field", "no text", "unknown label", "no score"
NO_NUMBER = "label is no such number"
CONTRADICTION, LEAK = "contradictory labels", "in two splits"
# Rows that are left out always and are nobody's fault.
REPEATED, UNLABELLED = "came before", "unlabelled"
EMPTY = "no rows"  # a source without any: one shard of many may be so, or may have been cut short on its way
HARMLESS = (REPEATED, UNLABELLED, EMPTY)


class Source(Protocol):
    """Where rows are from: its name, and what they are counted in (line, row)."""

    @property
    def name(self) -> str: ...

    @property
    def unit(self) -> str: ...


class BadRow(Exception):
    """What is wrong with one row: its kind, and a sentence without its place and its full stop."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass
class _Found:
    unit: str
    count: int = 0
    first: list[tuple[int, str]] = field(default_factory=list)  # number of the row, what is wrong

    def places(self) -> str:
        numbers = ", ".join(str(number) for number, _ in self.first)
        return f"{self.unit} {numbers}{', …' if self.count > len(self.first) else ''}: {self.first[0][1]}"


class BadRows:
    """What was found in all files of a task or a corpus.

    Args:
        skip: leave bad rows out; otherwise ``settle`` raises.
        remedy: how to set that; None: it cannot be set.
    """

    def __init__(self, skip: bool, remedy: str | None = "data.on_bad_row=skip") -> None:
        self._skip = skip
        self._remedy = remedy
        self._found: dict[str, dict[str, _Found]] = defaultdict(dict)  # by file and kind

    def add(self, source: Source, number: int, bad: BadRow) -> None:
        """Note a row of a file."""
        found = self._found[source.name].setdefault(bad.kind, _Found(source.unit))
        found.count += 1
        if len(found.first) < SHOWN:
            found.first.append((number, str(bad)))

    def count(self, source: Source, kind: str, count: int) -> None:
        """Note rows of a file that are nobody's fault, of which it matters only how many they are."""
        if count:
            self._found[source.name].setdefault(kind, _Found(source.unit)).count += count

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """How many rows are left out, by file and kind."""
        return {file: {kind: found.count for kind, found in kinds.items()} for file, kinds in self._found.items()}

    def left_out(self) -> int:
        """Settle, and return how many rows are left out in all."""
        return sum(sum(kinds.values()) for kinds in self.settle().values())

    def settle(self) -> dict[str, dict[str, int]]:
        """Return ``counts`` and log them; raise DataError for bad rows that are not to be skipped."""
        for file, kinds in self._found.items():
            for kind, found in kinds.items():
                if kind == REPEATED:
                    log.warning("%s: %d pairs came more than once and count once", file, found.count)
                elif kind == UNLABELLED:
                    log.info("%s: %d rows have no label and are left out", file, found.count)
                elif kind == EMPTY:
                    log.warning("%s: there are no rows in it; if there should be, copy it again", file)
                elif self._skip:
                    log.warning("%s: %d rows left out (%s): %s", file, found.count, kind, found.places())
        if not self._skip:
            self._raise()
        return self.counts

    def _raise(self) -> None:
        bad = {
            file: {kind: found for kind, found in kinds.items() if kind not in HARMLESS}
            for file, kinds in self._found.items()
        }
        bad = {file: kinds for file, kinds in bad.items() if kinds}
        if not bad:
            return
        file, kinds = next(iter(bad.items()))
        unit, (number, fault) = min(
            ((found.unit, found.first[0]) for found in kinds.values()), key=lambda pair: pair[1]
        )
        in_all = "; ".join(
            f"{name}: " + ", ".join(f"{found.count} {kind}" for kind, found in kinds.items())
            for name, kinds in bad.items()
        )
        skipping = f"; {self._remedy} leaves them out" if self._remedy else ""
        raise DataError(f"{file}, {unit} {number}: {fault} (bad rows in all: {in_all}{skipping}).")
