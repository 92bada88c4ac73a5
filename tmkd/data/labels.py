"""What the labels of a source mean: classes by name, and never by position once names are given; grades; numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import pyarrow as pa

from tmkd.choices import CLASSES, GRADED, SHARE
from tmkd.data.bad_rows import NO_CLASS, NO_NUMBER, BadRow
from tmkd.data.fields import shown
from tmkd.spelling import TRUTH, Names, as_text, is_number, same

HIGHEST = 30  # grade: the gain of nDCG is 2 to its power
LARGEST = 3.4028234663852886e38  # of float32, as numbers are kept


class Meaning(Protocol):
    """What the labels of one column are read as.

    Attributes:
        column: its name, for messages.
        type: of what they are read as, in Arrow.
    """

    column: str
    type: pa.DataType

    def read(self, value: Any) -> float:
        """Return what a label means, a class's index or a number, or raise BadRow."""

    def text(self, label: float) -> str:
        """Return what was read as messages have it."""

    def unlabelled(self, value: Any) -> bool:
        """Whether it is what data sets of a hub put where there is no label."""


def meaning_of(
    column: str, classes: Sequence[str], labels: Mapping[str, str] | None, kind: str = CLASSES, ranking: bool = False
) -> Meaning:
    """Return what labels of a kind mean; arguments are those of ``Labels`` and ``Numbers``."""
    return Labels(column, classes, labels) if kind == CLASSES else Numbers(column, kind, ranking)


class Labels:
    """The labels of one column.

    Args:
        column: its name, for messages.
        classes: a label is one of these, or, without ``labels``, an index into them.
        labels: the source's own names, each with the class it means. With them, no label is an index. None: the classes
            are a model's, and no setting says what else a label may be.
    """

    type = pa.int64()

    def __init__(self, column: str, classes: Sequence[str], labels: Mapping[str, str] | None) -> None:
        self.column = column
        self._settable, labels = labels is not None, labels or {}
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
            f"field '{self.column}' must be one of {[*self._labels, *self.classes]}{index} but is {shown(value)}; "
            + ("give the row one label" if text is None else self._remedy(text)),
        )

    def _remedy(self, text: str) -> str:
        """Say what to do about a label that means nothing, as it would be written on the command line."""
        if not self._settable:
            return "the classes are the model's: write one of them"
        name = text if re.fullmatch(r"[\w.+-]+", text, re.ASCII) else "LABEL"
        return (
            "mend the label, or set data.classes or data.label_kind (for tmkd convert, --classes), or say which class "
            f"it means: 'data.labels={{{name}: CLASS}}'"
        )

    def name(self, value: Any) -> str | None:
        """Return the class that a label names, by the source's name or the class's own; None for any other."""
        own = self._own.find(value)
        return self._known.find(value) if own is None else self._meant[own]

    def written(self, label: int) -> str:
        """Return a label that is read as this class: its name, unless the source's names give that to another class."""
        names = (self.classes[label], *self._labels)
        return next((name for name in names if self.index(name) == label), names[0])

    def read(self, value: Any) -> int:
        """Return the class that a label means, or raise BadRow."""
        return self.index(value)

    def text(self, label: float) -> str:
        """Return the name of a class."""
        return self.classes[int(label)]

    def unlabelled(self, value: Any) -> bool:
        """Whether there is no label: −1 is none, unless the settings say which class it is."""
        return empty(value) or (_minus_one(value) and self.name(value) is None)


class Numbers:
    """Labels that are numbers.

    Args:
        column: its name, for messages.
        kind: ``graded``: whole numbers from 0 to ``HIGHEST``; ``float``: any finite ones; ``share``: those from 0 to 1.
        ranking: they are gains of nDCG, and so none is below 0.
    """

    type = pa.float32()

    def __init__(self, column: str, kind: str, ranking: bool) -> None:
        self.column = column
        self.graded, self.share = kind == GRADED, kind == SHARE
        self.ranking = ranking

    def read(self, value: Any) -> float:
        """Return the number that a label is, or raise BadRow."""
        text = None if isinstance(value, bool) else as_text(value)
        number = float(text) if text is not None and is_number(text) else float("nan")
        if self.graded:
            if not (0 <= number <= HIGHEST and number.is_integer()):
                raise self._bad(f"a grade, a whole number from 0 to {HIGHEST}", value, "; labels of kind float may "
                                "be any numbers")  # fmt: skip
        elif self.share and not 0 <= number <= 1:
            raise self._bad("a number from 0 to 1, since gold_loss=bce takes it for a probability,", value)
        elif not abs(number) <= LARGEST:
            raise self._bad("a finite number", value)
        elif self.ranking and number < 0:
            more = ", or set data.ranking=false"
            raise self._bad("0 or more where passages are ranked, as it is a gain of nDCG,", value, more)
        return number

    def text(self, label: float) -> str:
        """Return a number in few digits."""
        return f"{label:g}"

    def unlabelled(self, value: Any) -> bool:
        """Whether there is no label: −1 is no grade, but may be a number."""
        return empty(value) or (self.graded and _minus_one(value))

    def _bad(self, expected: str, value: Any, more: str = "") -> BadRow:
        return BadRow(NO_NUMBER, f"field '{self.column}' must be {expected} but is {shown(value)}; mend it{more}")


def empty(value: Any) -> bool:
    """Whether nothing stands where a label should."""
    return value in (None, "")


def _minus_one(value: Any) -> bool:
    text = as_text(value)
    return text is not None and same(text) == same("-1")
