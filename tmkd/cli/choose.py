"""``tmkd choose``: which student to take, and how to run it, within a budget of time."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tmkd.cli.answers import ARTIFACTS, ArtifactsOption, Output, OutputOption, answering, print_json, store_folder
from tmkd.cli.choose_arguments import TRAIN, split

if TYPE_CHECKING:
    from tmkd.cli.trained import Trained
    from tmkd.use.choice import Measured

app = typer.Typer()
NOTHING_FITS = 1  # exit code


@app.command(rich_help_panel="Use a student")
@answering()
def choose(
    within: Annotated[
        str, typer.Option("--within", help="The budget: what 95 % of requests may take, as '50 ms for 20 passages'.")
    ],
    models: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL|SETTING",
            help="Students, by folder, name or key, and folders of exports to choose among; none: all students of the "
            "task. With --train also settings, as of `tmkd stage2`.",
        ),
    ] = None,
    train: Annotated[
        bool,
        typer.Option(
            "--train",
            help=f"First train those students of the settings that are missing and can be within the budget: {TRAIN}. "
            "Values with commas between them are tried in every combination.",
        ),
    ] = False,
    config_dir: Annotated[
        Path | None,
        typer.Option("--config-dir", help="With --train: folder of your own settings, as of `tmkd stage2`."),
    ] = None,
    task: Annotated[
        str | None, typer.Option("--task", help="Name or key of the task to judge by; by default the students' own.")
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option("--metric", help="To judge by: map, mrr, ndcg@10, accuracy, ...; by default the students' own."),
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option("--sample", help="Judge by this many questions of validation; by default by all.", min=2),
    ] = None,
    output: OutputOption = Output.text,
    artifacts: ArtifactsOption = ARTIFACTS,
    device: Annotated[str, typer.Option("--device", help="What to measure on: auto, cpu or cuda.")] = "auto",
) -> None:
    """Say which student to take within a budget of time, and how to run it: measured on this machine.

    It tries several lengths, exits, precisions and numbers of threads. Exit code 1: none is within the budget.
    """
    from tmkd.config.run import RuntimeConfig, check_runtime
    from tmkd.use.budget import read_budget

    budget = read_budget(within)
    check_runtime(RuntimeConfig(device=device))
    named, settings = split(list(dict.fromkeys(models or [])), train, config_dir)
    from tmkd.cli.choice_table import Answer
    from tmkd.use.choice import choose as choose_among
    from tmkd.use.choice import dominating
    from tmkd.use.judging import metric_of
    from tmkd.use.measuring import measure
    from tmkd.use.models import find_models
    from tmkd.use.quiet import quiet

    quiet()
    trained: Trained | None = None
    if train:
        from tmkd.cli.compose import compose_sweep
        from tmkd.cli.train_missing import train_missing

        sweep = compose_sweep(settings, config_dir, paths__artifacts=str(artifacts))
        trained = train_missing(sweep, named, artifacts, budget, device=device, task=task, metric=metric, sample=sample)
        learnt, there = trained.task, trained.models
    else:
        learnt, there = find_models(named, artifacts if named else store_folder(artifacts), task)
    if trained and not there:
        if output is Output.json:
            print_json({"task": learnt.name, "candidates": [], "take": None, "commands": [], "train": trained.json()})
        else:
            print(*trained.nothing(), sep="\n")
        raise typer.Exit(NOTHING_FITS)
    by = metric or metric_of(there)
    found, judge = measure(learnt, there, budget, device=device, metric=by, sample=sample)
    found.sort(key=lambda each: (each.p95, -each.value))
    choice = choose_among(found, budget)
    commands = [] if choice.best is None else _commands(found[choice.best], device, artifacts)
    answer = Answer(budget, judge, found, choice, dominating(found), commands, trained.sentences() if trained else [])
    if output is Output.json:
        print_json({"task": learnt.name, **answer.json(), "train": trained and trained.json()})
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
