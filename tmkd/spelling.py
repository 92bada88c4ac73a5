"""Spellings of one value: 1, 1.0, "1" and "1.00" are one number, true and TRUE one truth value."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.IGNORECASE)
YAML_TRUTH = {"yes": "true", "on": "true", "no": "false", "off": "false"}  # what YAML reads as true or false, too
TRUTH = ("true", "false")


def as_text(value: Any) -> str | None:
    """Return a value as a name: text without space around it, a whole number without a fraction; None for a list."""
    if isinstance(value, (float, Decimal)) and value == value and abs(value) != float("inf") and value == int(value):
        value = int(value)
    return str(value).strip() if isinstance(value, (str, int, float, Decimal)) else None


def same(text: str) -> str:
    """Return what all spellings of a value share."""
    folded = text.casefold()
    if NUMBER.fullmatch(text):
        sign, digits, exponent = Decimal(text).as_tuple()
        number = "".join(map(str, digits)).rstrip("0")
        power = int(exponent) + len(digits) - len(number)
        return f"{'-' if sign else ''}{number}e{power}" if number else "0"
    return folded if folded in (*TRUTH, *YAML_TRUTH, "nan") else text


def is_number(text: str) -> bool:
    """Whether a name is a number in some spelling."""
    return NUMBER.fullmatch(text) is not None


class Names:
    """Names by which a value is found in any spelling; names that are spellings of one value are matched exactly."""

    def __init__(self, names: Iterable[str]) -> None:
        self._exact = {name.strip(): name for name in names}
        alike = [same(name) for name in self._exact]
        self._alike = {same(name): own for name, own in self._exact.items() if alike.count(same(name)) == 1}

    def find(self, value: Any) -> str | None:
        """Return the name that a value spells, if there is one."""
        text = as_text(value)
        if text is None or text in self._exact:
            return None if text is None else self._exact[text]
        spelt = same(text)
        # a name that reads True may have been yes, before YAML read it
        return self._alike.get(spelt) or self._alike.get(YAML_TRUTH.get(spelt, ""))
