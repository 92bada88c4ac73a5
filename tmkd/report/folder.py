"""The folder of a comparison: a page, JSON, CSV, Markdown and figures; each written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tmkd.report.data_notes import data_notes
from tmkd.report.facts import COMPARISON, Facts
from tmkd.report.figures import accuracy_against_speed, metric_against_teacher_count
from tmkd.report.index_page import to_page
from tmkd.report.reliability_figure import draw_reliability, reliability_section, teachers_from_json
from tmkd.report.rows import BASELINE, Row, chance_of
from tmkd.report.tables import to_csv, to_json, to_markdown
from tmkd.report.trust_section import trust_section
from tmkd.store.disk import written_whole

RELIABILITY = "reliability.png"
PAGE = "index.html"
NOTHING = Facts()


def write_report(
    folder: Path,
    experiment: str,
    data: str,
    fingerprint: str,
    rows: Sequence[Row],
    metric: str,
    extra: Mapping[str, Any] | None = None,
    baseline: str | None = BASELINE,
    facts: Facts = NOTHING,
) -> None:
    """Write index.html, comparison.json, .csv and .md, and the figures whose numbers there are.

    Each file appears whole or not at all, and equal input gives equal bytes.

    Args:
        data, fingerprint: name of the data, and checksum of it.
        metric: what the task is judged by.
        baseline: the arm of Δ and p; None where nothing was compared.
        extra: further keys of the JSON. ``questions`` and ``pairs`` (how many were evaluated) also go into the
            caption, ``teacher_counts`` ({name: [(count, mean, std)]}) makes a second figure, ``reliability`` (of
            calibrated teachers, by row) a section with a figure, ``trust`` (learnt weights, by row) a section, and what
            ``data_notes`` takes a section at the end.
        facts: what else is known; further keys of the JSON and sections of the page.
    """
    extra = dict(extra or {})
    folder.mkdir(parents=True, exist_ok=True)
    document = to_json(experiment, data, fingerprint, rows, **extra, **facts.document())
    table = to_markdown(data, fingerprint, rows, metric, extra.get("questions"), extra.get("pairs"), baseline)
    figures: dict[str, Callable[[Path], None]] = {}
    if any(row.pairs_per_second for row in rows):
        figures[f"{metric}_against_speed.png"] = lambda path: accuracy_against_speed(rows, path, metric)
    if counts := extra.get("teacher_counts"):
        chance = chance_of(rows, metric)
        figures[f"{metric}_against_teacher_count.png"] = lambda path: metric_against_teacher_count(
            counts, path, metric, chance
        )
    calibrated = teachers_from_json(extra.get("reliability", {}))
    images = "".join(f"\n![{Path(name).stem.replace('_', ' ')}]({name})\n" for name in figures)

    _publish(folder / COMPARISON, _text(json.dumps(document, indent=2, ensure_ascii=False) + "\n"))
    _publish(folder / "comparison.csv", _text(to_csv(rows, metric, baseline)))
    section = f"\n{reliability_section(calibrated, RELIABILITY)}" if calibrated else ""
    if calibrated:
        figures[RELIABILITY] = lambda path: draw_reliability(calibrated, path)
    if trust := extra.get("trust"):
        section += f"\n{trust_section(trust)}"
    text = f"# {experiment}\n\n{table}{images}{section}{data_notes(extra)}"
    _publish(folder / "comparison.md", _text(text))
    for name, draw in figures.items():
        _publish(folder / name, draw)
    page = to_page(experiment, data, fingerprint, rows, metric, extra, baseline, facts)
    _publish(folder / PAGE, _text(page))


def _text(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(text.encode())


def _publish(path: Path, write: Callable[[Path], object]) -> None:
    with written_whole(path) as temporary:
        write(temporary)
