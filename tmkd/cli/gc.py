"""``tmkd gc``: delete what a store can do without, once it was said and agreed to."""

from __future__ import annotations

import re
import sys
from typing import Annotated

import typer

from tmkd.cli.answers import (
    ARTIFACTS,
    PANEL,
    REPORTS,
    ArtifactsOption,
    Output,
    OutputOption,
    ReportsOption,
    answering,
    print_json,
    size_text,
    store_folder,
)

app = typer.Typer()
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


@app.command(rich_help_panel=PANEL)
@answering()
def gc(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and delete nothing.")] = False,
    older_than: Annotated[str, typer.Option("--older-than", help="Only what is older: 30d, 12h, 2w.")] = "0s",
    keep: Annotated[list[str] | None, typer.Option("--keep", help="A result to keep; may be given again.")] = None,
    output: OutputOption = Output.text,
    artifacts: ArtifactsOption = ARTIFACTS,
    reports: ReportsOption = REPORTS,
) -> None:
    """Delete results that no comparison or report leads to, unfinished ones, and stale locks; say which, and ask."""
    from tmkd.cli.tables import console, table, when_text
    from tmkd.errors import ConfigError
    from tmkd.store.catalogue import find
    from tmkd.store.garbage import named_in, remove, waste

    root = store_folder(artifacts)
    named = named_in(reports) | {find(root, each).name for each in keep or []}
    found = waste(root, named, _seconds(older_than))
    plan = [{"path": str(each.path), "why": each.why, "size": each.size, "when": each.when} for each in found]
    total = size_text(sum(each.size for each in found))
    if output is Output.text:
        locks = [each for each in found if each.path.suffix == ".lock"]
        rows = [(str(each.path), each.why, when_text(each.when), size_text(each.size)) for each in found
                if each not in locks]  # fmt: skip
        if rows:
            console().print(table(("folder", "why", "written", "size"), rows, right=(3,)))
        print(f"{len(rows)} folders, {total}, and {len(locks)} locks that may be stale")
    if dry_run or not found:
        if output is Output.json:
            print_json({"plan": plan, "deleted": []})
        return
    if not yes:
        if not sys.stdin.isatty():
            raise ConfigError("Nothing was deleted: there is nobody to ask here; say --yes, or --dry-run to look only.")
        if not typer.confirm("Delete them?", err=True):
            print("tmkd: Nothing was deleted.", file=sys.stderr)
            return
    gone = remove(root, found)
    if output is Output.json:
        print_json({"plan": plan, "deleted": [str(each.path) for each in gone]})
    else:
        print(f"deleted {size_text(sum(each.size for each in gone))}")


def _seconds(text: str) -> float:
    from tmkd.errors import ConfigError

    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", text.strip())
    if found is None:
        raise ConfigError(f"--older-than: expected a number and one of {', '.join(UNITS)} after it (30d), got {text}.")
    return float(found[1]) * UNITS[found[2]]
