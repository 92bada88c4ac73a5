"""All kinds of teacher that are not trained here; a new one is added to ``SOURCES`` (and to ``tmkd.choices``)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from tmkd.teachers.causal import Causal
from tmkd.teachers.ready import Ready
from tmkd.teachers.scores import Scores
from tmkd.teachers.served import Served
from tmkd.teachers.source import Source

SOURCES: dict[str, type[Source]] = {source.kind: source for source in (Ready, Causal, Scores, Served)}


def source_of(kind: str, settings: Mapping[str, Any]) -> Source:
    """Return the teacher that an entry of the roster describes.

    Args:
        settings: those of its kind, by the names of the source's fields.
    """
    source = SOURCES[kind]
    return source(**{field.name: settings[field.name] for field in dataclasses.fields(source)})
