"""``tmkd choose``: which student to take, and how to run it, within a budget of time."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tmkd.cli.answers import ARTIFACTS, ArtifactsOption, Output, OutputOption, answering, print_json, store_folder
from tmkd.cli.models import DeviceOption

if TYPE_CHECKING:
    from tmkd.use.choice import Measured

app = typer.Typer()
NOTHING_FITS = 1  # exit code


@app.command(rich_help_panel="Use a student")
@answering()
def choose(
    within: Annotated[str, typer.Option("--within", help="The budget: '50 ms for 20 passages'.")],
    models: Annotated[
        list[str] | None,
        typer.Argument(help="Folders or keys of students, folders of exports; none: all students of the task."),
    ] = None,
    task: Annotated[str | None, typer.Option("--task", help="Key of the task to judge by: the students' own.")] = None,
    metric: Annotated[
        str | None, typer.Option("--metric", help="map, mrr, ndcg@10, accuracy, ...; by default the students' own.")
    ] = None,
    sample: Annotated[
        int | None, typer.Option("--sample", help="Judge by so many questions of validation, not all.", min=2)
    ] = None,
    output: OutputOption = Output.text,
    artifacts: ArtifactsOption = ARTIFACTS,
    device: DeviceOption = "auto",
) -> None:
    """Measure here what each student costs, and say which to take, how, within a budget of time."""
    from tmkd.config.run import RuntimeConfig, check_runtime
    from tmkd.use.budget import read_budget

    budget = read_budget(within)
    check_runtime(RuntimeConfig(device=device))
    from tmkd.cli.choice_table import Answer
    from tmkd.use.choice import choose as choose_among
    from tmkd.use.choice import dominating
    from tmkd.use.judging import metric_of
    from tmkd.use.measuring import measure
    from tmkd.use.models import find_models
    from tmkd.use.quiet import quiet

    quiet()
    named = list(dict.fromkeys(models or []))
    learnt, there = find_models(named, artifacts if named else store_folder(artifacts), task)
    by = metric or metric_of(there)
    found, judge = measure(learnt, there, budget, device=device, metric=by, sample=sample)
    found.sort(key=lambda each: (each.p95, -each.value))
    choice = choose_among(found, budget)
    commands = [] if choice.best is None else _commands(found[choice.best], device, artifacts)
    answer = Answer(budget, judge, found, choice, dominating(found), commands)
    if output is Output.json:
        print_json({"task": learnt.name, **answer.json()})
    else:
        answer.show()
    if choice.best is None:
        raise typer.Exit(NOTHING_FITS)


def _commands(taken: Measured, device: str, artifacts: Path) -> list[str]:
    """Return how the choice is used, behind HTTP and for one question."""
    model, *options = taken.candidate.arguments(device)
    if artifacts != ARTIFACTS and not Path(model).expanduser().is_dir():
        options += ["--artifacts", str(artifacts)]
    serve, rank = (shlex.join(["tmkd", name, model, *options]) for name in ("serve", "rank"))
    return [serve, f"{rank} QUESTION PASSAGES..."]
