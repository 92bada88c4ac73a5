"""Settings as they are typed, for commands that a log prints to be copied."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

from tmkd.data.schema import SPLITS

PLAIN = re.compile(r"[\w./:+%@-]+", re.ASCII)  # what Hydra reads as the text that it is


def typed(setting: str, value: Any) -> str:
    """Return a setting with the quotes that Hydra needs, and around these the shell's."""
    plain = isinstance(value, str) and PLAIN.fullmatch(value)
    return shlex.quote(f"{setting}={value if plain else json.dumps(value, ensure_ascii=False)}")


def typed_splits(folder: Path) -> str:
    """Return the settings of a task whose splits are files of a folder, named after them."""
    return " ".join(typed(f"data.{split}", f"{folder}/{split}.jsonl") for split in SPLITS)
