"""Notes of a comparison on its data and machines: the corpus beside the splits, texts that were cut, processors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tmkd.choices import BEST_CHUNK, CUT, FIRST_LAST

KEPT = {
    CUT: "cut there",
    BEST_CHUNK: "shortened to the part that shares most words with the question (best_chunk)",
    FIRST_LAST: "shortened to their beginning and end (first_last)",
}
MACHINES_DIFFER = "Not all rows were trained alike, so that small differences may be rounding"


def data_notes(facts: Mapping[str, Any]) -> str:
    """Return a section of Markdown; nothing where nothing is known.

    Args:
        facts: ``overlap``, a list of what ``overlap_text`` takes; ``cut``, a list of what ``cut_text`` takes, each with
            ``rows``, the arms that read this number of tokens; and ``computed_on``, as for ``machines_text``.
    """
    notes = [overlap_text(found) for found in facts.get("overlap", [])]
    notes += _cuts(facts.get("cut", []))
    notes.append(machines_text(facts.get("computed_on", {})))
    lines = "".join(f"- {note}.\n" for note in notes if note)
    return f"\n## Data\n\n{lines}" if lines else ""


def overlap_text(found: Mapping[str, Any]) -> str:
    """Say what a corpus shares with the splits.

    Args:
        found: ``pairs`` of the corpus, and ``splits`` as ``tmkd.data.overlap.overlap`` returns them.
    """
    splits, size = found["splits"], f"{found['pairs']:,}"
    if not any(counts["pairs"] for counts in splits.values()):
        return f"Corpus: none of its {size} pairs has a question of {_listed(splits, 'or')}"
    asked = _listed([_of(counts["pairs"], found["pairs"], f"of {split}") for split, counts in splits.items()])
    labelled = _listed([f"{counts['labelled']:,} of {split}" for split, counts in splits.items()])
    return f"Corpus of {size} pairs. Pairs that share a question with a split: {asked}; identical pairs: {labelled}"


def cut_text(found: Mapping[str, Any]) -> str:
    """Say how much of a split is cut.

    Args:
        found: ``split``, ``pairs`` in it, ``cut`` with the ``pairs`` that were cut, and ``at_most``, whether that is
            only an upper bound.
    """
    up_to = "up to " if found["at_most"] and found["cut"]["pairs"] else ""
    return up_to + _of(found["cut"]["pairs"], found["pairs"], f"of {found['pairs']:,} pairs of {found['split']}")


def machines_text(computed_on: Mapping[str, Sequence[Mapping[str, Any]] | None]) -> str:
    """Say what the rows were trained on, if it was not all the same: with bf16 and float32 the digits differ.

    Args:
        computed_on: for each row its machines, as manifests have them; None where that was not recorded.
    """
    rows: dict[str, list[str]] = {}
    for row, machines in computed_on.items():
        for machine in ["not recorded"] if machines is None else [_machine(each) for each in machines]:
            rows.setdefault(machine, []).append(row)
    if len(rows) < 2:
        return ""
    return f"{MACHINES_DIFFER}: " + "; ".join(f"{machine}: {', '.join(names)}" for machine, names in rows.items())


def _cuts(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a note for each number of tokens that is read, with the rows that read it where there are several."""
    groups: dict[tuple[int, str, tuple[str, ...]], list[str]] = {}
    for each in found:
        reader = each["max_length"], each.get("long", CUT), tuple(each["rows"])
        groups.setdefault(reader, []).append(cut_text(each))
    who = [f" by {', '.join(rows)}" if len(groups) > 1 else "" for *_, rows in groups]
    return [
        f"Longer than the {length} tokens that are read{by}{'' if long == CUT else f', and {KEPT[long]}'}: "
        f"{'; '.join(counts)}"
        for by, ((length, long, _), counts) in zip(who, groups.items())
    ]


def _machine(machine: Mapping[str, Any]) -> str:
    known = [machine.get("processor"), machine.get("accelerator") or machine.get("device"), machine.get("precision")]
    threads = machine.get("threads")
    return ", ".join(
        [*filter(None, known), *([f"{threads} threads" if threads != 1 else "1 thread"] if threads else [])]
    )


def _of(part: int, whole: int, what: str) -> str:
    return f"{part:,} {what} ({100 * part / whole:.1f} %)"


def _listed(words: Iterable[str], last: str = "and") -> str:
    *first, end = words
    return f"{', '.join(first)} {last} {end}" if first else end
