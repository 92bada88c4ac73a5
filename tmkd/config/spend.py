"""Which pairs a dear teacher is asked for, and when that ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from tmkd.choices import SELECTIONS
from tmkd.config import validators


@dataclass
class SpendConfig:
    """`tmkd spend` asks a dear teacher for a part of the corpus; docs/spending.md. No other stage reads this."""

    teacher: Optional[int] = None  # the dear one: its number in teachers.roster, from 1; null: the last
    # which questions it is asked for: disagreement (where the other teachers differ most) | random
    by: str = "disagreement"
    # pairs that it is asked for first, of questions drawn at random: half of these choose the best epoch of each
    # student, the other half judge it
    held_out: int = 400
    rounds: int = 8  # of asking and training, at most
    pairs: int = 200  # that each round adds: whole questions, until they have so many
    # ends when two rounds together have raised the best agreement by less than this; null: after all rounds
    stop: Optional[float] = 0.005
    seed: int = 1  # of what is drawn at random


def check_spend(spend: SpendConfig, teachers: int) -> None:
    """Whom to ask, for what, and how long."""
    if spend.teacher is not None:
        known = f"a number of a teacher of the roster, from 1 to {teachers}"
        validators.that(1 <= spend.teacher <= teachers, "spend.teacher", known, spend.teacher)
    validators.one_of("spend.by", spend.by, SELECTIONS)
    validators.positive("spend", spend, ("held_out", "rounds", "pairs"))
    if spend.stop is not None:
        validators.fraction("spend.stop", spend.stop)
    validators.seed("spend.seed", spend.seed)
