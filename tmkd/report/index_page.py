"""The page of a comparison: what a reader decides by comes first, all else is folded; one file that needs no other."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tmkd.measures import title
from tmkd.report import detail_tables, page_tables
from tmkd.report.data_notes import data_notes
from tmkd.report.facts import Facts, Source
from tmkd.report.headline import headline
from tmkd.report.page import to_fragment
from tmkd.report.page_figures import page_figures
from tmkd.report.reliability_figure import reliability_section, teachers_from_json
from tmkd.report.rows import Row, is_teacher, students_of
from tmkd.report.tables import caption
from tmkd.report.trust_section import trust_section

if TYPE_CHECKING:
    from jinja2 import Environment

LONGEST = 320  # characters of a text that are shown
UNPRINTABLE = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")  # which HTML or UTF-8 does not have


def to_page(
    experiment: str,
    data: str,
    fingerprint: str,
    rows: Sequence[Row],
    metric: str,
    extra: Mapping[str, Any],
    baseline: str | None,
    facts: Facts,
) -> str:
    """Return the page as HTML; equal input gives equal text. Arguments as for ``write_report``.

    A section stands in it where there is something to show.
    """
    questions, pairs = extra.get("questions"), extra.get("pairs")
    calibrated = teachers_from_json(extra.get("reliability", {}))
    trust = extra.get("trust")
    return _environment().get_template("index.html").render(
        experiment=experiment,
        data=data,
        fingerprint=fingerprint,
        judged=title(metric),
        questions=questions,
        pairs=pairs,
        compared=_compared(rows, baseline),
        headline=headline(rows, metric, baseline),
        main=page_tables.main_table(rows, metric, baseline),
        whole=page_tables.whole_table(
            rows, metric, baseline, caption(data, fingerprint, rows, metric, questions, pairs, baseline)
        ),
        figures=page_figures(rows, metric, extra, facts),
        training=detail_tables.training_table(facts.training, metric),
        agreement=detail_tables.agreement_table(facts.teacher_agreement),
        fidelity=detail_tables.fidelity_table(rows),
        heads=detail_tables.heads_table(rows, facts, metric),
        trust=_fragment(trust_section(trust)) if trust else None,
        calibration=detail_tables.calibration_table(facts.calibration),
        calibrated=_fragment(reliability_section(calibrated)) if calibrated else None,
        mistakes=facts.mistakes if facts.mistakes and facts.mistakes.worst else None,
        notes=_fragment(data_notes(extra)),
        machine=extra.get("machine", {}),
        command=facts.command,
        made_with=_versions(facts.sources),
        sources=detail_tables.sources_table(facts),
    )  # fmt: skip


def shortened(text: str) -> tuple[str, int]:
    """Return the beginning of a long text, up to a space, and how many characters are left out."""
    if len(text) <= LONGEST:
        return text, 0
    end = text.rfind(" ", LONGEST // 2, LONGEST)
    kept = text[: LONGEST if end < 0 else end]
    return kept, len(text) - len(kept)


def _compared(rows: Sequence[Row], baseline: str | None) -> str:
    """Say in a few words what is compared."""
    students = students_of(rows)
    teachers = [row for row in rows if is_teacher(row.arm)]
    seeds = sorted({len(row.seeds) for row in students})
    runs = f" ({' or '.join(map(str, seeds))} {'seed' if seeds == [1] else 'seeds'} each)" if seeds else ""
    against = f"; tested against {baseline}" if any(row.versus for row in rows) else ""
    return f"{_rows(len(students))} of students{runs}, {_rows(len(teachers))} of teachers{against}"


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _versions(sources: Sequence[Source]) -> list[dict[str, Any]]:
    """Return what artifacts were made with, each once, with how many of them were."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for each in sources:
        key = each.commit, each.python, tuple(sorted(each.packages.items()))
        known = {"commit": each.commit, "python": each.python, "packages": each.packages, "artifacts": 0}
        found.setdefault(key, known)["artifacts"] += 1
    return list(found.values())


def _fragment(markdown: str) -> str | None:
    """Return a section of Markdown as HTML without its first heading, which the page has itself."""
    from markupsafe import Markup

    body = markdown.strip().partition("\n")[2]
    return Markup(to_fragment(body)) if body.strip() else None  # markdown-it escapes what is in it


@functools.cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    found = Environment(
        loader=PackageLoader("tmkd.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )
    found.filters["shortened"] = shortened
    found.filters["title"] = title
    return found


def _printable(value: Any) -> Any:
    """Return a text without characters that no page can have, whatever the data holds."""
    if isinstance(value, str) and UNPRINTABLE.search(value):
        return type(value)(UNPRINTABLE.sub("\ufffd", value))
    return value
