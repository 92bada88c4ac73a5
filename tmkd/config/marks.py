"""What the metadata of a field says beside its value, and sections as plain dictionaries."""

from __future__ import annotations

import dataclasses
from typing import Any

HOW = "identity"  # the metadata of a field that stands otherwise, or not always, in the identity of a result
APART = {"apart": True}  # a field that ``settings`` leaves out
# A field, or all of a section, that shapes no trained result: no key of data, teachers or students holds it, and
# changing it trains nothing again. What a comparison shows is in the key of the comparison alone.
OUTSIDE = {"outside": True}
# A field that counts in another result than those that hold its section: no key has it, nor has ``settings``.
ELSEWHERE = {HOW: "outside", **APART}
# A field that no key holds where it has its default: it is younger than results that are to be found again.
UNLESS_USUAL = {HOW: "unless"}
OF, ALSO = "of", "also"  # who knows a field, where not all do


def of(*names: str, also: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the metadata of a field that only some readers of its section, sources or kinds of teacher know.

    Args:
        names: these.
        also: what else reads it: a reader of another section ("corpus=documentation"), or a stage ("mine").
    """
    return {OF: names, ALSO: also}


def known_by(section: type, name: str) -> tuple[str, ...]:
    """Return who knows a field of a section; nobody by name: all do."""
    known: tuple[str, ...] = _field(section, name).metadata.get(OF, ())
    return known


def read_beside(section: type, name: str) -> tuple[str, ...]:
    """Return what else reads a field."""
    also: tuple[str, ...] = _field(section, name).metadata.get(ALSO, ())
    return also


def unknown_to(reader: str, section: type) -> list[str]:
    """Return the fields of a section that a reader does not know."""
    return [known.name for known in dataclasses.fields(section) if reader not in known.metadata.get(OF, (reader,))]


def _field(section: type, name: str) -> dataclasses.Field[Any]:
    return next(known for known in dataclasses.fields(section) if known.name == name)


def settings(section: Any) -> dict[str, Any]:
    """A section as a plain dictionary: for identities, and for readers that take keywords."""
    apart = {known.name for known in dataclasses.fields(section) if "apart" in known.metadata}
    return {name: value for name, value in dataclasses.asdict(section).items() if name not in apart}
