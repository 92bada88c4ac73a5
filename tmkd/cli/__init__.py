"""The ``tmkd`` command: the stages, with Hydra's overrides behind them, and what a new project starts from."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from tmkd.choices import FORMATS
from tmkd.cli import artifacts, ask, choose, doctor, gc, report, serve, use
from tmkd.cli.answers import answering
from tmkd.cli.export import export
from tmkd.cli.stages import STAGES
from tmkd.collector import process_is_ours

# A stage answers --help itself: its page has the settings as they are composed.
PASS_ON = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
RUN = "Run (settings follow: tmkd stage3 method=tmkd student=bottom1)"
app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Two-stage multi-teacher knowledge distillation for question answering.",
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"tmkd {version('tmkd')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


def _stage(name: str) -> None:
    @app.command(name, help=STAGES[name].what, context_settings=PASS_ON, rich_help_panel=RUN)
    def run(context: typer.Context) -> None:
        _launch(name, context.args)


for _name in STAGES:
    _stage(_name)


@app.command(context_settings=PASS_ON, rich_help_panel=RUN)
def sweep(context: typer.Context) -> None:
    """Compare over 1, 2 and 3 teachers: train the students of each count, then one table and figure of them."""
    asks_help = {"-h", "--help"} & set(context.args)
    if not asks_help:
        _launch("stage2", ["--multirun", "sweep=teacher_count", *context.args])
    _launch("stage3", ["sweep=teacher_count", *context.args])


@app.command(rich_help_panel="Start")
@answering()
def init(folder: Annotated[Path, typer.Argument(help="Where the project goes: a new or an empty folder.")]) -> None:
    """Write a project to change: data files, an experiment's settings and a Makefile."""
    from tmkd.cli.project import write_project

    typer.echo(write_project(folder))


@app.command(rich_help_panel="Start")
def settings() -> None:
    """Print every setting, with its meaning and its default, as Markdown."""
    from tmkd.cli.settings import page

    typer.echo(page(), nl=False)


@app.command(rich_help_panel="Data")
@answering()
def convert(
    input: Annotated[Path, typer.Argument(help="A file, a folder or a glob pattern; of beir, its folder.")],
    output: Annotated[Path, typer.Argument(help="A new file; of pylate, beir, trec and msmarco a new folder.")],
    source: Annotated[str, typer.Option("--from", help=f"Format of the input: {', '.join(FORMATS)}.")],
    target: Annotated[str, typer.Option("--to", help="Format of the output, one of the same.")],
    queries: Annotated[str | None, typer.Option(help="Texts of the input's queries, where it has ids.")] = None,
    documents: Annotated[str | None, typer.Option(help="Texts of the input's documents, where it has ids.")] = None,
    split: Annotated[str, typer.Option(help="Of beir: the name of the qrels.")] = "train",
    classes: Annotated[str, typer.Option(help="Names of the labels, with commas; the last means right.")] = (
        "wrong,right"
    ),
    skip_bad_rows: Annotated[bool, typer.Option("--skip-bad-rows", help="Leave bad rows out and count them.")] = False,
) -> None:
    """Write pairs in the format of another project; say what that cannot hold."""
    from tmkd.cli.convert import summary
    from tmkd.data import conversion

    losses = conversion.convert(
        source,
        target,
        input,
        output,
        queries=queries,
        documents=documents,
        split=split,
        classes=[name.strip() for name in classes.split(",")],
        skip=skip_bad_rows,
    )
    typer.echo(summary(losses, output))


for _group in (use, choose, serve, ask, artifacts, gc, report, doctor):
    app.add_typer(_group.app)
app.command(rich_help_panel="Use")(export)


def _launch(stage: str, arguments: list[str]) -> None:
    from tmkd.cli.launch import launch  # Hydra takes a moment, and `tmkd --help` has no need of it

    sys.argv = [f"tmkd {stage}", *arguments]  # where Hydra reads the settings
    launch(stage, by="tmkd")


def main() -> None:
    """The console script."""
    process_is_ours()
    app()
