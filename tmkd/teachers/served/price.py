"""What requests cost: known before they are sent, and corrected by what the server says it charged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

LIMIT = 1e12  # tokens or units of one answer
BYTES_A_TOKEN = 4  # of UTF-8: about right for English, more than enough for scripts of three bytes a letter


@dataclass(frozen=True)
class Price:
    """What is to be asked.

    Attributes:
        requests: how many.
        money: in the currency of the prices in the settings; None where there are none.
    """

    requests: int
    money: float | None

    def __str__(self) -> str:
        requests = "1 request" if self.requests == 1 else f"{self.requests} requests"
        if self.money is None:
            return requests
        shown = f"{self.money:.2g}" if 0 < self.money < 0.1 else f"{self.money:.2f}"  # or little would seem nothing
        return f"{requests} at a price of about {shown}"


@dataclass(frozen=True)
class Tariff:
    """The prices of the settings: of a request, and of 1000 tokens."""

    per_request: float | None
    per_1000_tokens: float | None

    @property
    def known(self) -> bool:
        return self.per_request is not None or self.per_1000_tokens is not None

    def money(self, requests: float, tokens: float) -> float:
        """Return what they cost; 0 where no price is known."""
        return requests * (self.per_request or 0.0) + tokens / 1000 * (self.per_1000_tokens or 0.0)

    def charged(self, answer: Any, tokens: float) -> float:
        """Return what an answered request has cost.

        Args:
            answer: its tokens (``usage.total_tokens``: Jina, OpenAI) or search units (``meta.billed_units``: Cohere)
                count where it names them.
            tokens: an estimate, for where it does not.
        """
        used = _number(answer, "usage", "total_tokens")
        units = _number(answer, "meta", "billed_units", "search_units")
        return self.money(1 if units is None else units, tokens if used is None else used)


def tokens_of(*texts: str) -> float:
    """Estimate the tokens of texts, without the model's tokenizer."""
    return sum(len(text.encode(errors="replace")) for text in texts) / BYTES_A_TOKEN


def _number(answer: Any, *path: str) -> float | None:
    for name in path:
        answer = answer.get(name) if isinstance(answer, dict) else None
    # NaN or what is below 0 is no number of tokens, and would let a budget grow
    return float(answer) if isinstance(answer, int | float) and 0 <= answer < LIMIT else None
