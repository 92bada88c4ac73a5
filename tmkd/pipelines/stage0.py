"""Stage 0: fine-tune the teachers, once every arm that they may teach has been checked."""

from __future__ import annotations

from tmkd.config import Config
from tmkd.pipelines.arms import check_arms
from tmkd.pipelines.context import RunContext
from tmkd.pipelines.overlap import check_overlaps
from tmkd.pipelines.teachers import teachers, untrained
from tmkd.store.artifacts import Artifact


def run(config: Config) -> list[Artifact]:
    """Return the first ``teachers.count`` teachers of the roster, trained; every arm that they may teach is checked."""
    context = RunContext(config)
    if untrained(context):  # where nothing is to be trained, no encoder is looked at
        check_arms(context)
        check_overlaps(context)
    return teachers(context)
