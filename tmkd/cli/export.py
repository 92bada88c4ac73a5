"""``tmkd export``: a student as a folder that other programs read."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from tmkd.choices import EXPORTS, PROCESSORS
from tmkd.cli.answers import ARTIFACTS, ArtifactsOption, answering
from tmkd.cli.models import ModelArgument

TARGETS, FILES = ", ".join(EXPORTS), ", ".join(PROCESSORS)


@answering()
def export(
    model: ModelArgument,
    to: Annotated[str, typer.Option("--to", help=f"Who reads it: {TARGETS} (docs/deployment.md).")],
    into: Annotated[Path, typer.Option("--into", help="A new folder.")],
    verify: Annotated[bool, typer.Option(help="Let the programs that read it score pairs, and compare.")] = True,
    pairs: Annotated[
        Path | None,
        typer.Option(help="Pairs to verify with: question, passage, label, question_id. Else the test split."),
    ] = None,
    most_pairs: Annotated[int, typer.Option(help="Verify with no more than these.")] = 10_000,
    most_lost: Annotated[float, typer.Option(help="What onnx-int8 may lose of MAP or accuracy.")] = 0.005,
    processor: Annotated[str, typer.Option(help=f"Of onnx-int8: auto (this machine's), {FILES}.")] = "auto",
    threads: Annotated[int, typer.Option(help="Of the programs; 0: all cores.")] = 0,
    latency: Annotated[bool, typer.Option(help="Time the export, for its card: some seconds.")] = True,
    push: Annotated[str | None, typer.Option(help="Upload it to this repository of the hub: OWNER/NAME.")] = None,
    license: Annotated[str | None, typer.Option(help="Of the export, for its card: apache-2.0, mit, ...")] = None,
    artifacts: ArtifactsOption = ARTIFACTS,
) -> None:
    """Write a student as a folder that other programs read, once these score as the student does."""
    from tmkd.export.card import table
    from tmkd.export.run import export_model
    from tmkd.store.catalogue import locate

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("tmkd").setLevel(logging.INFO)
    made = export_model(
        locate(model, artifacts),
        to,
        into,
        verify=verify,
        pairs=pairs,
        most_pairs=most_pairs,
        most_lost=most_lost,
        processor=processor,
        threads=threads,
        latency=latency,
        license=license,
        push=push,
    )
    if made.proof is not None:
        typer.echo(table(made.proof))
    for each in made.lost:
        typer.echo(f"- {each}")
    typer.echo(f"written: {made.folder}")
    if made.address is not None:
        typer.echo(f"uploaded: {made.address}")
