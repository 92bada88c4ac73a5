"""Pairs that are longer than ``max_length``: counted for each split and length, with a warning where they are many."""

from __future__ import annotations

import functools
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tmkd.choices import BEST_CHUNK, CUT
from tmkd.report.data_notes import KEPT, cut_text
from tmkd.results.context import RunContext

if TYPE_CHECKING:
    from tmkd.store.artifacts import Artifact

log = logging.getLogger(__name__)
MANY = 0.05  # share of a split above which the log warns


def cut_of(tokens: Artifact) -> dict[str, Any]:
    """Return how many pairs of a split were cut: ``split``, ``max_length``, ``pairs`` of the split, and ``cut``.

    ``cut`` is as ``count_cut`` returns it. Tokens that were made before it was counted have only ``pairs`` in it, as
    many as reach the limit, and ``at_most`` is true: no more than these were cut. ``long`` is there unless it is cut.
    """
    spec, details = tokens.manifest["spec"], tokens.details
    length, known = spec["max_length"], details.get("cut")
    cut = known or {"pairs": _full(tokens.path, length)}
    split = spec["rows"].rpartition("/")[2]
    long = {"long": spec["long"]} if "long" in spec else {}
    return {
        "split": split, "max_length": length, **long, "pairs": details["pairs"], "cut": cut, "at_most": known is None,
    }  # fmt: skip


def warn_of_cuts(context: RunContext, tokens: Artifact) -> None:
    """Warn, once for each split and length, where more than a twentieth of its pairs are cut."""
    spec = tokens.manifest["spec"]
    found = cut_of(tokens)
    place = spec["rows"], spec["max_length"], spec.get("long")
    if found["cut"]["pairs"] > MANY * found["pairs"] and context.once("cut", *place):
        log.warning(
            "%s are longer than the %d tokens that are read, and are %s; raise %s%s",
            cut_text(found),
            found["max_length"],
            KEPT[found.get("long", CUT)],
            " or ".join(context.lengths.get(found["max_length"], ["max_length"])),
            "" if found.get("long") == BEST_CHUNK else f", or set long={BEST_CHUNK} there",
        )


@functools.cache
def _full(path: Path, max_length: int) -> int:
    from datasets import load_from_disk

    from tmkd.data.cutting import count_full

    return count_full(load_from_disk(str(path / "tokens")), max_length)
