"""A budget of time as people write it: 50 ms for 20 passages."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tmkd.errors import ConfigError

UNITS = {"ms": 0.001, "msec": 0.001, "millisecond": 0.001, "s": 1.0, "sec": 1.0, "second": 1.0}
TEXTS = "passage|document|doc|pair|text"
BUDGET = re.compile(
    rf"(?P<time>\d+(?:\.\d*)?|\.\d+)\s*(?P<unit>{'|'.join(UNITS)})s?(?:\s*(?:for|per|with|of|/|,)\s*|\s+)"
    rf"(?P<passages>\d+)\s*(?:(?:{TEXTS})s?)?\.?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Budget:
    """What a request may take.

    Attributes:
        seconds: that 95 of 100 requests may take at most.
        passages: of the one question of a request.
    """

    seconds: float
    passages: int

    def __str__(self) -> str:
        return f"{milliseconds(self.seconds)} for {self.passages} passage{'s' * (self.passages != 1)}"


def read_budget(text: str) -> Budget:
    """Return the budget; ms and s, passages, documents and pairs are known, in any case, with or without spaces.

    Raises:
        ConfigError: it cannot be read, or there is nothing to score, or no time.
    """
    found = BUDGET.fullmatch(text.strip())
    if found is None:
        raise ConfigError(
            f"--within: expected a time and a number of passages, as in '50 ms for 20 passages', got '{text}'."
        )
    budget = Budget(float(found["time"]) * UNITS[found["unit"].lower()], int(found["passages"]))
    if budget.seconds <= 0 or budget.passages < 1:
        raise ConfigError(f"--within: expected some time and one passage at least, got '{text}'.")
    return budget


def milliseconds(seconds: float) -> str:
    """Return a time with three digits: 1,230 ms, 48.3 ms, 0.72 ms."""
    value = 1000 * seconds
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:,.{digits}f} ms"
