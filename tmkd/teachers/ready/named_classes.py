"""Which of a model's labels is which class of the task: by name, never by position."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tmkd.errors import ModelError
from tmkd.spelling import Names

UNNAMED = re.compile(r"label_\d+", re.IGNORECASE)  # what transformers calls labels that nobody named


def places_of(classes: Sequence[str], labels: Sequence[str], what: str) -> list[int]:
    """Return the place of each class among a model's labels, which are spelt like it or differ in case alone.

    Raises:
        ModelError: not every class has exactly one label, and every label a class.
    """
    mend = "set id2label in a copy of its config.json to the names of the classes"
    if all(UNNAMED.fullmatch(label.strip()) for label in labels):
        raise ModelError(
            f"{what}: its {len(labels)} labels have no names of their own ({', '.join(labels[:2])}, …), so which of "
            f"the classes {list(classes)} each of them means is unknown; {mend}, in the order of its logits."
        )
    found = [_class_of(label, classes) for label in labels]
    if sorted(name or "" for name in found) != sorted(classes):
        raise ModelError(
            f"{what}: expected one label for each of the classes {list(classes)}, got {list(labels)}; choose another "
            f"model, change data.classes, or {mend}."
        )
    return [found.index(name) for name in classes]


def _class_of(label: str, classes: Sequence[str]) -> str | None:
    folded = Names([name.casefold() for name in classes]).find(label.casefold())
    alike = [name for name in classes if name.casefold() == folded]
    return Names(classes).find(label) or (alike[0] if len(alike) == 1 else None)
