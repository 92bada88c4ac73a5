"""What the metadata of a field says beside its value, and sections as plain dictionaries."""

from __future__ import annotations

import dataclasses
from typing import Any

APART = {"apart": True}  # a field that ``settings`` leaves out


def settings(section: Any) -> dict[str, Any]:
    """A section as a plain dictionary: for identities, and for readers that take keywords."""
    apart = {known.name for known in dataclasses.fields(section) if "apart" in known.metadata}
    return {name: value for name, value in dataclasses.asdict(section).items() if name not in apart}
