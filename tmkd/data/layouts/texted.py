"""Formats whose records hold the texts: our own, FlagEmbedding, sentence-transformers, Tevatron."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from tmkd.choices import PAIRS
from tmkd.data.bad_rows import NO_FIELD, BadRow
from tmkd.data.fields import shown, text
from tmkd.data.layouts.layout import Expanded, Layout, as_list, listed, name, pair
from tmkd.data.layouts.texts import Texts, titled
from tmkd.data.records import Record
from tmkd.spelling import as_text, is_number

CLASSES, SCORES = ("label", "labels"), ("score", "scores")  # columns of sentence-transformers that are no texts


def _own(record: Record, texts: Texts) -> Expanded:
    scores = listed(record, "scores")
    score = record.get("score") if scores is None else scores
    label = None if record.get("label") == "" else record.get("label")
    more = {"question_id": name(record, "question_id"), "label": label, "score": None if score == "" else score}
    yield pair(text(record, "question"), "passage", record["passage"], **more)


def _flag_embedding(record: Record, texts: Texts) -> Expanded:
    question = text(record, "query")
    for field, right in (("pos", True), ("neg", False)):
        passages = listed(record, field) or []
        scores = listed(record, f"{field}_scores", len(passages), field) or [None] * len(passages)
        for at, (passage, score) in enumerate(zip(passages, scores)):
            yield pair(question, f"{field}[{at}]", passage, label=right, score=score)


def _tevatron(record: Record, texts: Texts) -> Expanded:
    question, own = text(record, "query"), name(record, "query_id")
    for field, right in (("positive_passages", True), ("negative_passages", False)):
        for at, passage in enumerate(listed(record, field) or []):
            where = f"{field}[{at}]"
            if not isinstance(passage, Mapping) or "text" not in passage:
                told = f"field '{where}' must have docid, title and text but is {shown(passage)}; fill it in"
                yield BadRow(NO_FIELD, told)
                continue
            whole = titled(passage.get("title"), passage["text"])
            more = {"question_id": own, "passage_id": name(passage, "docid")}
            yield pair(question, f"{where}.text", whole, label=right, score=passage.get("score"), **more)


def _sentence_transformers(record: Record, texts: Texts, graded: bool = False) -> Expanded:
    """Yield the pairs of a record; where labels are graded, a column of scores has them as well as one of labels."""
    columns = [column for column in record if column not in (*CLASSES, *SCORES)]
    if len(columns) < 2:
        told = f"expected a column of questions and one of passages or more but found {list(record)}"
        raise BadRow(NO_FIELD, f"{told}; add them, in this order")
    question, (first, *others) = text(record, columns[0]), columns[1:]
    label, score = (next((field for field in names if field in record), "") for names in (CLASSES, SCORES))
    label, of_label = (label or score, _as_it_is) if graded else (label, _class)
    if others:  # one right passage and its wrong ones
        found = {field: _of_each(record, field, len(columns) - 1, graded) for field in (score, label) if field}
        each = next((values for values in found.values() if values), None)
        marked = not graded and not found.get(score) and each is not None and all(value in (0, 1) for value in each)
        for at, column in enumerate(columns[1:]):
            own = each[at] if graded and each else bool(each[at]) if each and marked else at == 0
            yield pair(question, column, record[column], label=own, score=each[at] if each and not marked else None)
    elif _list(record, first):  # a list of passages, and of labels
        passages = listed(record, first) or []
        labels = listed(record, label, len(passages), first) or [None] * len(passages)
        scores = listed(record, score, len(passages), first) or [None] * len(passages)
        for at, (passage, own, value) in enumerate(zip(passages, labels, scores)):
            yield pair(question, f"{first}[{at}]", passage, label=of_label(label, own), score=value)
    else:
        without = None if score else True  # with neither label nor score, all are right
        own = of_label(label, record.get(label)) if label else without
        yield pair(question, first, record[first], label=own, score=record.get(score))


def _list(record: Record, column: str) -> bool:
    """Whether a column has a list of passages; only tables, where all is text, have it as text."""
    value = record[column]
    if isinstance(value, str) and all(isinstance(each, str) for each in record.values()):
        value = as_list(value)
        return isinstance(value, list) and bool(value) and all(isinstance(each, str) for each in value)
    return isinstance(value, list)


def _of_each(record: Record, field: str, passages: int, graded: bool) -> list[Any] | None:
    """Return a label or a score for each passage; None where there are none.

    So it is for margins, too: they say how far wrong passages are from the right one, not how high any is.

    Raises:
        BadRow: something else, as where columns that are no passages were taken for wrong ones.
    """
    value = record.get(field)
    value = as_list(value) if isinstance(value, str) else value
    if value is None or value in ("", []):
        return None
    if isinstance(value, list) and len(value) == passages:
        return value
    margins = value if isinstance(value, list) else [value]
    a_label = margins is not value and as_text(value) in ("0", "1", "True", "False")
    numbers = all(is_number(as_text(each) or "") for each in margins)
    if len(margins) == passages - 1 and numbers and not a_label and not graded:
        return None
    told = f"field '{field}' is {shown(value)}, but with {passages + 1} texts it must be a list with an entry for each"
    raise BadRow(NO_FIELD, f"{told} of the {passages} passages; take out the columns that are no passages")


def _class(field: str, value: Any) -> Any:
    """Return a label as it is, or raise BadRow for one that is rather a score."""
    if isinstance(value, bool):
        return str(value)  # a name, whatever the classes are
    found = as_text(value)
    if found is None or not is_number(found) or found.lstrip("+-").isdigit():
        return value
    if float(found).is_integer():
        return int(float(found))
    raise BadRow(NO_FIELD, f"field '{field}' is {found}, which is no class; call the column 'score'")


def _as_it_is(field: str, value: Any) -> Any:
    """Return a label that may be any number; ``tmkd.data.labels.Numbers`` says which ones there are."""
    return value


TEXTED = (
    Layout(PAIRS, ("question", "passage"), ("question_id", "label", "score", "scores"), _own, "'label'",
           "'score' (or 'scores': a list with one for each class)"),
    Layout("flag_embedding", ("query", "pos"), ("neg", "pos_scores", "neg_scores"), _flag_embedding,
           "'pos' and 'neg'", "'pos_scores' and 'neg_scores'"),
    Layout("sentence_transformers", (), ("*",), _sentence_transformers, "'label' or 'labels'",
           "'score' or 'scores' (where there are three texts or more, a list with one for each passage)",
           graded=partial(_sentence_transformers, graded=True)),
    Layout("tevatron", ("query", "positive_passages"), ("query_id", "negative_passages"), _tevatron,
           "'positive_passages' and 'negative_passages'", "'score' of each passage"),
)  # fmt: skip
