"""Before a run: what it will compute, what is there already, and about how long the rest will take."""

from __future__ import annotations

import logging
import shutil

from tmkd.config import Config
from tmkd.pipelines.estimate import estimate, try_member
from tmkd.pipelines.planned import PlannedContext, walk
from tmkd.report.plan_table import duration, print_plan
from tmkd.store.identity import VERSIONS

log = logging.getLogger(__name__)


def run(config: Config) -> str:
    """Print the plan with an estimate of time, disk and memory; return a summary in a few words.

    Task, corpus and their tokens are read if they are not yet, and stay for the run; nothing else is kept.
    """
    context = PlannedContext(config)
    log.info("task and corpus are read first, if they are not yet: once; millions of pairs take minutes")
    notes = walk(context)
    found = estimate(context.items, try_member)
    order = list(VERSIONS)
    rows = sorted(found.rows, key=lambda row: order.index(row.stage))
    root = context.store.root.absolute()
    print_plan(
        rows,
        title=f"Plan of {config.name}",
        scratch=found.scratch,
        free=shutil.disk_usage(next(path for path in (root, *root.parents) if path.exists())).free,
        peak=found.peak_bytes,
        notes=notes,
    )
    return f"{sum(row.missing for row in rows)} results to make, {duration(sum(row.seconds for row in rows))}"
