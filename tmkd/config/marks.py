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


def settings(section: Any) -> dict[str, Any]:
    """A section as a plain dictionary: for identities, and for readers that take keywords."""
    apart = {known.name for known in dataclasses.fields(section) if "apart" in known.metadata}
    return {name: value for name, value in dataclasses.asdict(section).items() if name not in apart}
