"""What the labels of a source mean: by name where they have one, and never by position once names are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tmkd.data.bad_rows import NO_CLASS, BadRow
from tmkd.data.fields import shown
from tmkd.spelling import TRUTH, Names, as_text, is_number, same


class Labels:
    """The labels of one column.

    Args:
        column: its name, for messages.
        classes: a label is one of these, or, without ``labels``, an index into them.
        labels: the source's own names, each with the class it means. With them, no label is an index.
    """

    def __init__(self, column: str, classes: Sequence[str], labels: Mapping[str, str]) -> None:
        self.column = column
        self.classes = tuple(classes)
        self._own, self._known = Names(labels), Names(classes)
        self._meant = {name: self._known.find(known) for name, known in labels.items()}
        self._labels = tuple(labels)
        # Where classes are numbers, a number is a name: of the classes 1, 2 and 3 nobody said which one 0 is. So it is
        # where 1 would be false.
        numbered = any(is_number(name) or same(name) == TRUTH[index % 2] for index, name in enumerate(classes))
        self._indices = () if labels or numbered else tuple(same(str(index)) for index in range(len(classes)))

    def index(self, value: Any) -> int:
        """Return the class that a label means, or raise BadRow."""
        found = self.name(value)
        if found is not None:
            return self.classes.index(found)
        text = as_text(value)
        if text is not None and same(text) in self._indices:
            return self._indices.index(same(text))
        index = f" or an index from 0 to {len(self.classes) - 1}" if self._indices else ""
        raise BadRow(
            NO_CLASS,
            f"field '{self.column}' must be one of {[*self._labels, *self.classes]}{index} but is {shown(value)}; mend "
            "the label, or set data.classes or data.labels",
        )

    def name(self, value: Any) -> str | None:
        """Return the class that a label names, by the source's name or the class's own; None for any other."""
        own = self._own.find(value)
        return self._known.find(value) if own is None else self._meant[own]
