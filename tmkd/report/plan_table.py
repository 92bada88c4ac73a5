"""The plan of a run on the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from tmkd.report.tables import MISSING

TITLES = {
    "teacher": "teachers",
    "soft_labels": "soft labels",
    "teacher_states": "teachers' states",
    "language": "language models",
    "trust": "teachers' weights",
    "stage1": "stage-1 students",
    "stage2": "stage-2 students",
    "peers": "students trained together",
    "speed": "measurements of speed",
}
LEFT_OUT = (
    "Left out: early stopping and trainings that were interrupted (both make it shorter); reading and writing, terms "
    "beside the soft labels, and the comparison itself (all make it longer). A busier machine is slower."
)


@dataclass
class PlanRow:
    """What a stage makes.

    Attributes:
        cached, missing: how many results; ``unknown`` of the missing have no estimate, and are not in the numbers.
        pairs: learnt from or scored, each epoch counted.
        size: bytes that stay.
    """

    stage: str
    cached: int = 0
    missing: int = 0
    unknown: int = 0
    pairs: float = 0.0
    seconds: float = 0.0
    size: float = 0.0

    @property
    def title(self) -> str:
        return TITLES.get(self.stage, self.stage.replace("_", " "))


def print_plan(
    rows: Sequence[PlanRow],
    *,
    title: str,
    scratch: float,
    free: float,
    peak: float,
    notes: Sequence[str] = (),
    now: datetime | None = None,
    console: Console | None = None,
) -> None:
    """Print a line a stage, then the totals.

    Args:
        scratch: bytes that a training takes for a while, at most.
        free: bytes on the disk.
        peak: bytes of memory that the calibration held, at most; 0 where there was none.
        notes: sentences.
        now: the time that the end is counted from; None: by the clock.
    """
    console = console or Console()
    table = Table(title=Text(title), box=None, pad_edge=False, title_justify="left")
    for name in ("what", "cached", "missing", "pairs", "time", "disk"):
        table.add_column(name, justify="left" if name == "what" else "right")
    for row in rows:
        estimate = [f"{row.pairs:,.0f}", duration(row.seconds), _bytes(row.size)]
        if row.unknown:  # of all of them, or of some: then it is more than that
            estimate = [MISSING] * 3 if row.unknown == row.missing else [f"> {cell}" for cell in estimate]
        table.add_row(Text(row.title), str(row.cached), str(row.missing), *estimate)
    console.print(table)
    todo = any(row.missing for row in rows)
    lines = _totals(rows, scratch, free, peak, now or datetime.now()) if todo else ["Everything is there: 0 s."]
    for line in [*lines, *notes, *([LEFT_OUT] if todo else [])]:
        console.print(line, markup=False, highlight=False)


def _totals(rows: Sequence[PlanRow], scratch: float, free: float, peak: float, now: datetime) -> list[str]:
    seconds, size = sum(row.seconds for row in rows), sum(row.size for row in rows)
    unknown = [row.title for row in rows if row.unknown]
    beyond = f" and what has no estimate ({', '.join(unknown)})" if unknown else ""
    end = now + timedelta(seconds=seconds)
    at = end.strftime("%H:%M" if end.date() == now.date() else "%H:%M on %a %d %b")
    lines = [f"Time: about {duration(seconds)}{beyond}; done about {at} if started now."]
    room = "" if size + scratch <= free else ": NOT ENOUGH; choose another paths.artifacts, or make room"
    lines.append(
        f"Disk: about {_bytes(size)}{beyond}, and up to {_bytes(scratch)} more while a training lasts; "
        f"{_bytes(free)} free{room}."
    )
    if peak:
        lines.append(f"Memory: about {_bytes(peak)} at its peak, in the calibration.")
    return lines


def duration(seconds: float) -> str:
    """Return a time as one says it: 40 s, 23 min, 3 h 10 min, 2 d 4 h."""
    if math.ceil(seconds) < 60:
        return f"{math.ceil(seconds)} s"
    minutes = math.ceil(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def _bytes(size: float) -> str:
    return decimal(round(size))
