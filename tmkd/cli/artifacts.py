"""``tmkd ls``, ``show`` and ``gc``: what a store holds, where it came from, and what it can do without."""

from __future__ import annotations

import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tmkd.cli.answers import (
    ARTIFACTS,
    DAMAGED,
    REPORTS,
    ArtifactsOption,
    Output,
    OutputOption,
    ReportsOption,
    answering,
    print_json,
    size_text,
)

if TYPE_CHECKING:
    from tmkd.store.catalogue import Entry

app = typer.Typer()
PANEL = "Results on disk"
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


class Order(StrEnum):
    """What a list is sorted by."""

    when = "when"
    kind = "kind"
    size = "size"
    metric = "metric"


@app.command(rich_help_panel=PANEL)
@answering()
def ls(
    kind: Annotated[str | None, typer.Option("--kind", help="Only these: stage2, teacher, ...")] = None,
    sort: Annotated[Order, typer.Option("--sort", help="What to sort by, the highest last.")] = Order.when,
    output: OutputOption = Output.text,
    artifacts: ArtifactsOption = ARTIFACTS,
) -> None:
    """List the results: key, kind, what it is, when it was made, its main validation metric, its size."""
    from tmkd.cli.tables import console, table, when_text
    from tmkd.errors import ConfigError
    from tmkd.store.catalogue import entries
    from tmkd.store.identity import VERSIONS

    if kind is not None and kind not in VERSIONS:
        raise ConfigError(f"--kind: expected one of {', '.join(VERSIONS)}, got {kind}.")
    found, damaged = entries(_there(artifacts), kind)
    rows = sorted(map(_row, found), key=lambda row: _place(row, sort))
    if output is Output.json:
        print_json(rows)
    else:
        cells = [
            (
                row["key"],
                row["kind"],
                row["what"],
                when_text(row["when"]),
                f"{row['metric']} {row['value']:.3f}" if row["metric"] else "–",
                size_text(row["size"]),
            )
            for row in rows
        ]
        console().print(table(("key", "kind", "what", "made", "validation", "size"), cells, right=(5,)))
        print(f"{len(rows)} results, {size_text(sum(row['size'] for row in rows))} in {artifacts}")
    for error in damaged:
        print(f"tmkd: {error}", file=sys.stderr)
    if damaged:
        raise typer.Exit(DAMAGED)


@app.command(rich_help_panel=PANEL)
@answering()
def show(
    key: Annotated[str, typer.Argument(help="Name or key of a result, or the beginning of it.")],
    output: OutputOption = Output.text,
    artifacts: ArtifactsOption = ARTIFACTS,
) -> None:
    """Show one result: settings, metrics, files, machine, and what it was made from, back to the data."""
    from dataclasses import asdict

    import yaml

    from tmkd.cli.tables import console, tree
    from tmkd.store.catalogue import find, lineage

    artifact = find(_there(artifacts), key)
    line, manifest = lineage(artifact, artifacts), artifact.manifest
    if output is Output.json:
        print_json({**manifest, "path": str(artifact.path), "lineage": asdict(line)})
        return
    made = {name: manifest.get(name) for name in ("computed_on", "packages", "python", "machine", "commit")}
    sections: dict[str, Any] = {
        "settings": manifest["spec"],
        "found": manifest["details"],
        "files": {name: size_text(file["size"]) for name, file in manifest["files"].items()},
        "made with": {"seconds": manifest["seconds"], **made},
    }
    print(f"{artifact.name}: {manifest['what']}\n{artifact.path}\n")
    print(yaml.safe_dump(sections, sort_keys=False, allow_unicode=True, width=120))
    print("made from:")
    console().print(tree(line))


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

    root = _there(artifacts)
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


def _there(artifacts: Path) -> Path:
    from tmkd.errors import ConfigError

    if not artifacts.is_dir():
        raise ConfigError(f"--artifacts: expected a folder of results but there is none called {artifacts}.")
    return artifacts


def _row(entry: Entry) -> dict[str, Any]:
    from tmkd.evaluation.metrics import main_metric

    artifact = entry.artifact
    found = artifact.details.get("validation") or {}
    metric = main_metric("map" in found)
    value = found.get(metric) if isinstance(found, dict) else None
    return {
        "key": artifact.key,
        "kind": artifact.manifest["stage"],
        "name": artifact.name,
        "what": artifact.manifest["what"],
        "when": entry.when,
        "metric": None if value is None else metric,
        "value": value,
        "size": entry.size,
    }


def _place(row: dict[str, Any], sort: Order) -> Any:
    if sort is Order.metric:
        return (row["value"] is not None, row["value"] or 0, row["name"])
    return (row[sort.value], row["when"], row["name"])


def _seconds(text: str) -> float:
    from tmkd.errors import ConfigError

    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", text.strip())
    if found is None:
        raise ConfigError(f"--older-than: expected a number and one of {', '.join(UNITS)} after it (30d), got {text}.")
    return float(found[1]) * UNITS[found[2]]
