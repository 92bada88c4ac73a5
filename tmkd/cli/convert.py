"""``tmkd convert``: what is printed of a conversion."""

from __future__ import annotations

from pathlib import Path

from tmkd.data.layouts.pairs import Losses


def summary(losses: Losses, output: Path) -> str:
    """Return how many pairs there are now, and what is not among them, a line each."""
    lines = [f"{output}: {losses.pairs} pairs"]
    lines += [f"left out: {count} {what}" for what, count in losses.left_out.items() if count]
    lines += [f"not carried: {count} {what}" for what, count in losses.lost.items() if count]
    return "\n".join(lines)
