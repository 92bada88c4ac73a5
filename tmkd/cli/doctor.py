"""``tmkd doctor``: this machine, what will be slow on it, and what to set."""

from __future__ import annotations

from pathlib import Path

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

app = typer.Typer()


@app.command(rich_help_panel="Start")
@answering()
def doctor(
    output: OutputOption = Output.text, artifacts: ArtifactsOption = ARTIFACTS, reports: ReportsOption = REPORTS
) -> None:
    """Look at this machine: what it has, what will be slow and why, and what to set; exit code 1 if packages lack."""
    from dataclasses import asdict

    from tmkd.cli.tables import console, table
    from tmkd.store.packages import packages
    from tmkd.training.machine import Machine, advice, look

    machine: Machine = look({"paths.artifacts": Path(artifacts), "paths.reports": Path(reports)})
    found = packages()
    wrong = [each for each in found if not each.allowed]
    other = [each for each in found if each.allowed and not each.as_tested]
    said = advice(machine)
    said += [f"{each.name} {each.installed or 'is missing'}: expected {each.wanted}; install it." for each in wrong]
    if other:
        names = ", ".join(f"{each.name} {each.installed} ({each.tested})" for each in other)
        said.append(f"Other versions than the tested ones, which constraints.txt has: {names}.")
    if output is Output.json:
        print_json({**asdict(machine), "packages": [asdict(each) for each in found], "advice": said})
    else:
        memory = f"{size_text(machine.memory or 0)}, {size_text(machine.free_memory or 0)} free"
        rows = [
            ("processor", machine.processor),
            ("cores", f"{machine.cores} of {machine.all_cores}, {machine.threads} threads"),
            ("instructions", ", ".join(machine.instructions) or "none that torch knows"),
            ("GPU", machine.gpu or "none"),
            ("bf16", "native" if machine.fast_bf16 else "emulated"),
            ("auto means", f"device {machine.device}, precision {machine.precision}"),
            ("memory", memory if machine.memory else "unknown"),
            *((f"free for {name}", size_text(free)) for name, free in machine.disks.items()),
            ("matrix product", ", ".join(f"{name} {speed:,.0f} Gflop/s" for name, speed in machine.gflops.items())),
            ("packages", f"{len(found) - len(wrong) - len(other)} of {len(found)} as tested"),
        ]
        console().print(table(("", ""), rows))
        print("\n".join(("", *said)) if said else "\nNothing here will be slow for want of a setting.")
    if wrong:
        raise typer.Exit(DAMAGED)
