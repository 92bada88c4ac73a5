"""``tmkd report``: the tables of a finished comparison, again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from tmkd.cli.answers import REPORTS, Output, OutputOption, ReportsOption, answering, print_json

app = typer.Typer()


@app.command(rich_help_panel="Results on disk")
@answering()
def report(
    name: Annotated[str, typer.Argument(help="Name of the run, a folder of --reports.")] = "default",
    output: OutputOption = Output.text,
    reports: ReportsOption = REPORTS,
) -> None:
    """Print the tables of a finished comparison, and where its page is."""
    from tmkd.errors import ConfigError
    from tmkd.report.rows import Row
    from tmkd.report.tables import print_table

    folder = reports / name
    found = _comparison(folder)
    if output is Output.json:
        print_json({**found, "folder": str(folder)})
        return
    try:
        rows = [Row(**row) for row in found["rows"]]
        ranking = any("map" in row.metrics for row in rows)
        against = next((other for row in rows for other in row.versus), None)
        print_table(rows, ranking, f"{found['data']} (fingerprint {found['fingerprint']})", against)
    except (KeyError, TypeError):
        raise ConfigError(
            f"{folder}/comparison.json: expected a comparison of this version of tmkd; run `tmkd stage3` again."
        ) from None
    tables = sorted(folder.glob("table*.md"))
    for table in tables:  # beside the paper's numbers
        print(f"\n{table.read_text(encoding='utf-8')}")
    page = next((folder / name for name in ("table.html", "comparison.html") if (folder / name).exists()), folder)
    print(f"\n{page}")


def _comparison(folder: Path) -> dict[str, Any]:
    from tmkd.errors import ConfigError
    from tmkd.store.disk import reading_from

    file = folder / "comparison.json"
    if not file.exists():
        there = sorted(path.parent.name for path in folder.parent.glob("*/comparison.json"))
        raise ConfigError(
            f"{file}: there is no such comparison; expected one of {', '.join(there)}."
            if there
            else f"{file}: there is no comparison yet; run `tmkd stage3` first, or name the folder with --reports."
        )
    with reading_from(file, ConfigError, "mend its permissions"):
        try:
            found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ConfigError(f"{file}: expected JSON but it is broken ({error}); run `tmkd stage3` again.") from None
    return found
