"""``tmkd rank``, ``score`` and ``evaluate``: what a trained student or teacher is used for."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tmkd.choices import FORMATS
from tmkd.cli.answers import ARTIFACTS, ArtifactsOption, Output, OutputOption, answering, print_json
from tmkd.cli.models import (
    BackendOption,
    DeviceOption,
    ExitOption,
    LengthOption,
    ModelArgument,
    PrecisionOption,
    ThreadsOption,
    load,
)

app = typer.Typer()
PANEL = "Use a student"
QuestionOption = Annotated[str, typer.Option("--question", help="The field of questions.")]
PassageOption = Annotated[str, typer.Option("--passage", help="The field of passages.")]
QueriesOption = Annotated[str | None, typer.Option("--queries", help="Texts of the queries, where FILE has ids.")]
DocumentsOption = Annotated[str | None, typer.Option("--documents", help="Texts of the documents, likewise.")]
CalibratedOption = Annotated[
    bool, typer.Option("--calibrated", help="Probabilities that mean what they say, where the model's are known.")
]
SkipOption = Annotated[bool, typer.Option("--skip-bad-rows", help="Leave bad rows out and count them.")]


@app.command(rich_help_panel=PANEL)
@answering()
def rank(
    model: ModelArgument,
    question: Annotated[str, typer.Argument(help="The question.")],
    passages: Annotated[list[str] | None, typer.Argument(help="The passages, each one argument.")] = None,
    file: Annotated[
        Path | None, typer.Option("--passages", help="A file of them: one a line, or JSON lines; - is standard input.")
    ] = None,
    passage: PassageOption = "passage",
    top_k: Annotated[int | None, typer.Option("--top-k", help="Print only so many.", min=1)] = None,
    calibrated: CalibratedOption = False,
    output: OutputOption = Output.text,
    artifacts: ArtifactsOption = ARTIFACTS,
    exit_at: ExitOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = 0,
    max_length: LengthOption = None,
    backend: BackendOption = "auto",
) -> None:
    """Put passages in order, the best first, with their log-odds of being right, or calibrated probabilities."""
    from tmkd.use.passages import passages_of

    texts = passages_of(question, passages or [], file, passage)
    reranker = load(model, artifacts, exit_at, device, precision, threads, max_length, backend)
    ranked = reranker.rank(question, texts, top_k, return_documents=True, calibrated=calibrated)
    if output is Output.json:
        print_json(ranked)
    else:
        for found in ranked:
            shown = f"{found['probability']:8.3f}" if calibrated else f"{found['score']:+8.3f}"
            print(f"{shown}  {found['text']}")


@app.command(rich_help_panel=PANEL)
@answering()
def score(
    model: ModelArgument,
    file: Annotated[Path, typer.Argument(help="JSON lines, CSV, TSV, Parquet or a TREC run; - is standard input.")],
    into: Annotated[Path, typer.Option("--into", help="A new file of the same format; - is standard output.")] = Path(
        "-"
    ),
    question: QuestionOption = "question",
    passage: PassageOption = "passage",
    score_field: Annotated[str, typer.Option(help="What the field of log-odds will be called.")] = "score",
    probability_field: Annotated[str, typer.Option(help="Likewise, of probabilities.")] = "probability",
    format: Annotated[
        str | None, typer.Option(help="jsonl, csv, tsv, parquet or trec, where the name of FILE does not say it.")
    ] = None,
    queries: QueriesOption = None,
    documents: DocumentsOption = None,
    skip_bad_rows: SkipOption = False,
    calibrated: CalibratedOption = False,
    artifacts: ArtifactsOption = ARTIFACTS,
    exit_at: ExitOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = 0,
    max_length: LengthOption = None,
    backend: BackendOption = "auto",
) -> None:
    """Write the rows of a file again with a score (log-odds) and a probability; after a kill, go on from there."""
    from tmkd.use.job import score_job
    from tmkd.use.pair_files import Fields

    fields = Fields(question, passage, score_field, probability_field)
    texts = {"format": format, "queries": queries, "documents": documents}
    job = score_job(file, into, fields, skip=skip_bad_rows, calibrated=calibrated, **texts)
    reranker = load(model, artifacts, exit_at, device, precision, threads, max_length, backend)
    scored = job.run(reranker)
    said = f"{into}: {scored.rows} pairs" + (f", {scored.resumed} of them by an earlier run" if scored.resumed else "")
    said += f"; {scored.left_out} bad rows were left out" if scored.left_out else ""
    said += f"; {reranker.cut_pairs} are longer than the model reads, and were cut" if reranker.cut_pairs else ""
    print(said, file=sys.stderr)


@app.command(rich_help_panel=PANEL)
@answering()
def evaluate(
    model: ModelArgument,
    file: Annotated[Path, typer.Argument(help="Labelled pairs: JSON lines, CSV, TSV or Parquet.")],
    question: QuestionOption = "question",
    passage: PassageOption = "passage",
    label: Annotated[str, typer.Option(help="The field of labels: the model's classes, or their places.")] = "label",
    label_kind: Annotated[
        str | None, typer.Option(help="graded (the default) or float: labels of a model that gives scores alone.")
    ] = None,
    question_id: Annotated[str, typer.Option(help="The field of questions' ids, where there is one.")] = "question_id",
    format: Annotated[str, typer.Option(help=f"Format of FILE: {', '.join(FORMATS)}.")] = FORMATS[0],
    queries: QueriesOption = None,
    documents: DocumentsOption = None,
    skip_bad_rows: SkipOption = False,
    cutoffs: Annotated[
        bool, typer.Option("--cutoffs", help="Also scores that keep 99, 95, 90 and 80 % of the right answers.")
    ] = False,
    output: OutputOption = Output.text,
    artifacts: ArtifactsOption = ARTIFACTS,
    exit_at: ExitOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    threads: ThreadsOption = 0,
    max_length: LengthOption = None,
    backend: BackendOption = "auto",
) -> None:
    """Judge a student or teacher on labelled pairs, beside what chance would score there."""
    from dataclasses import asdict

    from tmkd.cli.tables import judged_table
    from tmkd.data.rows import Columns
    from tmkd.use.evaluate_file import evaluate_file

    reranker = load(model, artifacts, exit_at, device, precision, threads, max_length, backend)
    judged = evaluate_file(
        reranker,
        file,
        Columns(question, passage, question_id),
        label=label,
        format=format,
        queries=queries,
        documents=documents,
        skip=skip_bad_rows,
        label_kind=label_kind,
        with_cutoffs=cutoffs,
    )
    if output is Output.json:
        print_json(asdict(judged))
    else:
        judged_table(judged)
