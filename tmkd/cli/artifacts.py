"""``tmkd ls`` and ``show``: what a store holds, and where it came from."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tmkd.cli.answers import (
    ARTIFACTS,
    DAMAGED,
    PANEL,
    ArtifactsOption,
    Output,
    OutputOption,
    answering,
    print_json,
    size_text,
    store_folder,
)

if TYPE_CHECKING:
    from tmkd.store.catalogue import Entry

app = typer.Typer()


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
    found, damaged = entries(store_folder(artifacts), kind)
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

    artifact = find(store_folder(artifacts), key)
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


def _row(entry: Entry) -> dict[str, Any]:
    from tmkd.measures import usual_metric

    artifact = entry.artifact
    found = artifact.details.get("validation") or {}
    metric = usual_metric(found)
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
