"""What a table's captions say: where data, metric and encoders are not the paper's, and how to read the cells."""

from __future__ import annotations

from collections.abc import Sequence

from tmkd.measures import title
from tmkd.report.claims import Verdict
from tmkd.report.notes import chance_note, resampling_note, vectors_note
from tmkd.report.paper_table import PaperTable
from tmkd.report.rows import CHANCE
from tmkd.report.task_column import Column

SHARES = "lift, the share of our teacher ensemble's lead over chance; kept, the share of the ensemble's metric"
PAPER_METRIC = "accuracy"  # on all its data sets
OVER_PAIRS = ("accuracy", "spearman")  # metrics of all pairs; others are means over questions
PAPER_ENCODERS = "The paper's teachers are BERT-large, its students the bottom layers of BERT-base."


def results_caption(table: PaperTable, columns: Sequence[Column]) -> str:
    """Say what the cells are, which data stands in for which, and what is judged how."""
    notes = [_sentence(table.title), _sentence(table.source)]
    if table.beside:
        notes.append(
            "Cells in %: the paper's number; ours, mean ± sample standard deviation over seeds; Δ, ours minus the "
            f"paper's; {SHARES}."
        )
    else:
        notes.append(f"Cells in %: mean ± sample standard deviation over seeds; {SHARES}. The paper has no such table.")
    notes += _grouped({column.task: chance_note(column.rows[CHANCE], [column.metric]) for column in columns})
    notes += [_of(column, table.beside) for column in columns]
    notes += [f"{text}." for text in _grouped({column.task: column.encoders for column in columns})]
    notes.append(PAPER_ENCODERS)
    notes += _grouped({column.task: note for column in columns if (note := vectors_note(column.rows))})
    return " ".join(filter(None, notes))


def cost_caption(columns: Sequence[Column]) -> str:
    """Say what was timed, and where."""
    machines = _grouped({column.task: column.machine for column in columns})
    return f"Speed and size at inference, as measured here ({'; '.join(machines)}); members of an ensemble run in turn."


def claims_caption(compared: int, verdicts: Sequence[Verdict]) -> str:
    """Say how the claims were tested.

    Args:
        compared: how many of the verdicts Holm's correction counts.
    """
    drawn = _grouped(
        {
            verdict.column.task: resampling_note(
                verdict.column.questions,
                [verdict.column.rows[label] for other in verdicts if other.column is verdict.column
                 for label in (other.test.better, other.test.worse)],
            )
            for verdict in verdicts
        }
    )  # fmt: skip
    return (
        "Each claim is that one row's metric is higher than another's. Δ in percentage points; its 95 % interval and p "
        f"are two-sided, from {'; '.join(drawn)}. A question is drawn with all its pairs. p (Holm) is adjusted for all "
        f"comparisons of this table ({compared}), and a claim holds or is reversed where it is below 0.05. In how many "
        "seeds the first row's metric is the higher one is the column seeds."
    )


def _of(column: Column, beside: bool) -> str:
    """Say what a column's task is to the paper, its size, and what it is judged by."""
    metric = title(column.metric)
    if column.paper is None:
        is_ = "is none of the paper's data sets" if beside else ""
    elif column.stands_in:
        is_ = f"stands in for {column.paper}"
    else:
        is_ = f"is the paper's {column.paper}" if column.task != column.paper else "is the paper's"
    size = f"{column.pairs:,} pairs" if column.metric in OVER_PAIRS else f"{column.questions:,} questions"
    judged = f"judged by {metric}"
    if beside and column.paper and metric != PAPER_METRIC:
        judged += f", where the paper has {PAPER_METRIC}"
    name = f"{column.task} {is_}".strip()
    return f"{name}: {size} (fingerprint {column.fingerprint}), {judged}."


def _grouped(texts: dict[str, str]) -> list[str]:
    """Return the different texts, each once; after the names of its tasks unless all tasks have the same text."""
    groups: dict[str, list[str]] = {}
    for task, text in texts.items():
        groups.setdefault(text, []).append(task)
    return [text if len(groups) == 1 else f"{', '.join(tasks)}: {text}" for text, tasks in groups.items()]


def _sentence(text: str) -> str:
    text = text.strip()
    return text if not text or text.endswith((".", "?", "!")) else f"{text}."
