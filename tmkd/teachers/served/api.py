"""What all APIs have in common: a request's JSON, and the scores in its answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

from tmkd.teachers.served.failures import StrangeAnswer

SHOWN = 120  # characters of an answer that a message shows


class Api(Protocol):
    """What a request looks like, and how its answer is read."""

    @property
    def path(self) -> str:
        """Where the API is, under the server's URL."""

    def body(self, question: str, passages: Sequence[str]) -> dict[str, Any]:
        """Return the request as JSON."""

    def scores(self, answer: Any, asked: int) -> list[float]:
        """Return one finite score a passage, in the order of the request.

        Raises:
            StrangeAnswer: a score is missing, or is not a number.
            ModelError: the server cannot do what the settings ask for.
        """


def number(value: Any, what: str) -> float:
    """Return a finite number (StrangeAnswer): JSON has texts, null and booleans, and Python reads NaN in it."""
    try:
        found = math.nan if isinstance(value, bool) or not isinstance(value, int | float) else float(value)
    except OverflowError:  # hundreds of digits
        found = math.nan
    if not math.isfinite(found):
        raise StrangeAnswer(f"expected a number as {what}, got {shown(value)}")
    return found


def shown(value: Any) -> str:
    """Return the beginning of an answer on one line."""
    text = " ".join(str(value).split())
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
