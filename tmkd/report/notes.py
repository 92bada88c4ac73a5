"""Sentences that captions share: what chance and lift are, what was resampled, where word vectors are from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tmkd.evaluation.significance import RESAMPLES
from tmkd.measures import of_ranking, title
from tmkd.report.rows import Row


def chance_note(row: Row, metrics: Iterable[str]) -> str:
    """Say how the metrics, those that are shown, of the row of chance came about."""
    shown = list(metrics)
    ranked = [title(name) for name in shown if of_ranking(name)]
    clauses = [f"{_and(ranked)} expected of a random order of each question's passages"] if ranked else []
    if "accuracy" in shown:
        majority = row.settings["majority"]
        clauses.append(f"the accuracy of always answering '{majority}', the most frequent class of the training split")
    if "spearman" in shown:
        clauses.append("the Spearman correlation of 0")
    if "mse" in shown:
        mean = row.settings["mean"]
        clauses.append(f"the squared error of always answering {mean:.3g}, the mean label of the training split")
    if "auc" in shown:
        clauses.append("AUC 0.5")
    return f"Chance is the {'; '.join(clauses).removeprefix('the ')}."


def resampling_note(questions: int | None, rows: Sequence[Row]) -> str:
    """Say what the p-values of rows see: how many questions and seeds were drawn, and which choices are not covered."""
    drawn = f"{'?' if questions is None else f'{questions:,}'} questions"
    seeds = sorted({len(row.seeds) for row in rows if len(row.seeds) > 1})
    test = f"a bootstrap ({RESAMPLES:,} resamples) of"
    if not seeds:
        return f"{test} {drawn}; no row has more than one run, so the choice of seeds is not covered"
    many = " or ".join(map(str, seeds))
    note = f"{test} {drawn} and, crossed with them, of the {many} seeds of a row (paired where both rows have the same)"
    single = any(len(row.seeds) == 1 for row in rows)
    return note + ("; rows of one run, like teachers, have none to draw: that choice is not covered" if single else "")


def vectors_note(rows: Mapping[str, Row]) -> str:
    """Say where Bi-LSTMs have their word vectors from; nothing where no row, by its name here, is a Bi-LSTM."""
    sources: dict[str, list[str]] = {}
    for name, row in rows.items():
        if "word_vectors" in row.settings:
            sources.setdefault(row.settings["word_vectors"], []).append(name)
    texts = [source if len(sources) == 1 else f"{source} ({', '.join(names)})" for source, names in sources.items()]
    return f"Word vectors of the Bi-LSTM before training: {', '.join(texts)}." if texts else ""


def _and(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))
