"""What learning and scoring take, for a plan."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tmkd.config import TrainerConfig
from tmkd.results.context import RunContext
from tmkd.results.rows import Rows
from tmkd.results.task import Task
from tmkd.results.work import FLOAT, Member, Work

if TYPE_CHECKING:
    from tmkd.models.classifier import PairClassifier


def member(
    context: RunContext,
    rows: Rows,
    known: Mapping[str, Any],
    what: str,
    untrained: Callable[[], PairClassifier],
    trainer: TrainerConfig,
) -> Member:
    """Return a member for a plan.

    Args:
        rows: what it learns.
        known: all of its architecture that its speed depends on.
    """
    architecture = json.dumps(known, sort_keys=True)
    return Member(architecture, what, untrained, functools.partial(rows.read_by, context), asdict(trainer))


def scoring(context: RunContext, who: Member, rows: Rows, passes: float = 1.0, kept: int = 0) -> Work:
    """Return what it takes to score a split."""
    return Work(who, None, rows.identity(), functools.partial(rows.lengths, context), passes, kept)


def learning(
    context: RunContext,
    who: Member,
    task: Task,
    rows: Rows,
    batch: int,
    passes: float,
    judged: int,
    heads: int,
    share: float = 1.0,
) -> list[Work]:
    """Return what a training takes: the training itself, then its predictions of validation and of test.

    Args:
        passes: over ``rows``; may be a part of one.
        judged: how often validation is scored on the way.
        heads: how many predict.
        share: of the pairs of ``rows`` that a pass learns from.
    """
    predicted = FLOAT * len(task.classes) * heads
    return [
        Work(who, batch, rows.identity(), functools.partial(rows.lengths, context), passes, share=share),
        scoring(context, who, task.rows("validation"), judged + 1.0, predicted),
        scoring(context, who, task.rows("test"), 1.0, predicted),
    ]
