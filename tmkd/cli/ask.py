"""``tmkd ask``: search the documentation on this machine with a student and its teachers, side by side."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tmkd.cli.answers import (
    ARTIFACTS,
    REPORTS,
    ArtifactsOption,
    Output,
    OutputOption,
    ReportsOption,
    answering,
    print_json,
)
from tmkd.cli.models import DeviceOption, PrecisionOption, ThreadsOption, load

if TYPE_CHECKING:
    from tmkd.reranker import Reranker

app = typer.Typer()
FOUND = 50  # passages that BM25 hands to the models
SHOWN = 5
BM25 = "BM25"


@app.command(rich_help_panel="Use a student")
@answering()
def ask(
    question: Annotated[str, typer.Argument(help="What to look for: 'split arrays into train and test'.")],
    model: Annotated[
        str | None, typer.Option("--model", help="Folder or key of a student; by default that of reports/default.")
    ] = None,
    packages: Annotated[
        str | None, typer.Option("--packages", help="Installed packages, with commas; by default those of the task.")
    ] = None,
    output: OutputOption = Output.text,
    artifacts: ArtifactsOption = ARTIFACTS,
    reports: ReportsOption = REPORTS,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = 0,
) -> None:
    """Search the documentation of installed packages: BM25's order beside the student's and its teachers'."""
    from dataclasses import asdict

    from tmkd.cli.tables import console, table
    from tmkd.data.fields import visible
    from tmkd.errors import DataError
    from tmkd.use.documentation_search import open_index, rerank

    if not visible(question):
        raise DataError("The question: expected text but it is empty; ask something.")

    def loaded(folder: str) -> Reranker:
        return load(folder, artifacts, None, device, precision, threads)

    models = _models(model, artifacts, reports, loaded)
    searched = [name.strip() for name in packages.split(",")] if packages else _installed()
    found = open_index(searched).find(question, FOUND)
    orders = {BM25: found, **rerank(models, question, found.passages)}
    if output is Output.json:
        print_json({name: asdict(order) for name, order in orders.items()})
        return
    rows = [
        [f"{rank + 1}", *(order.passages[rank] if rank < len(order.passages) else "" for order in orders.values())]
        for rank in range(SHOWN)
    ]
    rows.append(["", *(f"{order.seconds * 1000:,.0f} ms" for order in orders.values())])
    console().print(table(["", *orders], rows))


def _models(
    model: str | None, artifacts: Path, reports: Path, loaded: Callable[[str], Reranker]
) -> dict[str, list[Reranker]]:
    """Return the models by the names of their columns: the student that is named, or that of a comparison."""
    from tmkd.use.chosen import chosen

    if model is not None:
        return {f"student {model}": [loaded(model)]}
    found = chosen(reports / "default", artifacts)
    models = {f"student: {found.arm}": [loaded(str(found.student))]}
    if found.teachers:
        models[f"{len(found.teachers)} teachers"] = [loaded(str(teacher)) for teacher in found.teachers]
    return models


def _installed() -> list[str]:
    """Return the packages of the default task that are installed."""
    import yaml

    from tmkd.data.documentation import STANDARD_LIBRARY
    from tmkd.shipped import CONF
    from tmkd.store.provenance import versions

    listed = yaml.safe_load((CONF / "data" / "documentation.yaml").read_text(encoding="utf-8"))["packages"]
    return [name for name in listed if name == STANDARD_LIBRARY or versions([name])]
