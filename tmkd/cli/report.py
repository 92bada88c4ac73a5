"""``tmkd report``: the tables of a finished comparison, again."""

from __future__ import annotations

from typing import Annotated

import typer

from tmkd.cli.answers import PANEL, REPORTS, Output, OutputOption, ReportsOption, answering, print_json

app = typer.Typer()


@app.command(rich_help_panel=PANEL)
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
    from tmkd.use.chosen import read_comparison

    folder = reports / name
    found = read_comparison(folder)
    if output is Output.json:
        print_json({**found, "folder": str(folder)})
        return
    try:
        rows = [Row(**row) for row in found["rows"]]
        against = next((other for row in rows for other in row.versus), None)
        print_table(rows, found["metric"], f"{found['data']} (fingerprint {found['fingerprint']})", against)
    except (KeyError, TypeError):
        raise ConfigError(
            f"{folder}/comparison.json: expected a comparison of this version of tmkd; run `tmkd stage3` again."
        ) from None
    tables = sorted(folder.glob("table*.md"))
    for table in tables:  # beside the paper's numbers
        print(f"\n{table.read_text(encoding='utf-8')}")
    page = next((folder / name for name in ("index.html", "table.html") if (folder / name).exists()), folder)
    print(f"\n{page}")
