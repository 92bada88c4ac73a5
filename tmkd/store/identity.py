"""What a result is called.

A key is a hash of everything that shapes the result, known before the run: the stage, its version, the resolved
settings, the seed and the keys of what it is made from. Device, worker count and paths are never part of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

# A change in what a stage computes, for the same settings, bumps its version here: older results are then left alone.
VERSIONS = {
    "task": 2,
    "corpus": 2,
    "overlap": 1,
    "candidates": 1,
    "training_pairs": 1,
    "tokens": 2,
    "encoder": 1,
    "teacher": 3,
    "soft_labels": 2,
    "teacher_states": 2,
    "language": 3,
    "trust": 1,
    "stage1": 3,
    "stage2": 3,
    "peers": 3,
    "speed": 2,
    "latency": 1,
    "answers": 1,
    "comparison": 8,
}
# What else goes into a stage without its key standing in the stage's own spec.
MADE_WITH = {
    "teacher": ("tokens",),
    "soft_labels": ("tokens",),
    "teacher_states": ("tokens",),
    "language": ("tokens",),
    "stage1": ("tokens", "soft_labels"),
    "stage2": ("tokens", "soft_labels"),
    "peers": ("tokens", "soft_labels"),
    "speed": ("tokens",),
    "latency": ("tokens",),
    "answers": ("tokens",),
}


def key(stage: str, spec: Mapping[str, Any]) -> str:
    """Return 12 hexadecimal digits that name the result of ``stage`` for ``spec`` (JSON-able; order is irrelevant)."""
    versions = [VERSIONS[name] for name in (stage, *MADE_WITH.get(stage, ()))]
    content = json.dumps([stage, versions, spec], sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(content.encode()).hexdigest()[:12]
