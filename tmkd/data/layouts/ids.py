"""Formats of ids, whose texts are in files of their own: PyLate, BEIR, TREC, MS MARCO."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from tmkd.data.bad_rows import FIELD_COUNT, NO_CLASS, BadRow
from tmkd.data.fields import shown
from tmkd.data.layouts.grades import grade_of
from tmkd.data.layouts.layout import Expanded, Layout, listed, pair
from tmkd.data.layouts.texts import Texts, split_lines
from tmkd.data.recognise import BEIR, BEIR_HEADER, BEIRS, QRELS, RUN, TEXT_TRIPLES, TRIPLE, advice, grades_last, setting
from tmkd.data.records import Record
from tmkd.spelling import as_text

QUERY_ID = "query-id"  # of BEIR's qrels, which begin with it


def _pylate(record: Record, texts: Texts) -> Expanded:
    own, question = texts.query(record["query_id"])
    documents = listed(record, "document_ids") or []
    scores = listed(record, "scores", len(documents), "document_ids") or [None] * len(documents)
    right = None
    if record.get("positive_ids") not in (None, ""):  # []: none of them is right; null: nobody has said which
        right = {as_text(key) for key in listed(record, "positive_ids") or []}
        absent = right - {as_text(key) for key in documents}
        if absent:
            found = f"field 'positive_ids' has {min(map(str, absent))}, which is not among the 'document_ids'"
            raise BadRow(NO_CLASS, f"{found}; add it there")
    for key, score in zip(documents, scores):
        label = None if right is None else as_text(key) in right
        yield _joined(own, question, key, texts, label=label, score=score)


def _beir(record: Record, texts: Texts, label: Callable[[str, Any], Any]) -> Expanded:
    own, question = texts.query(record[QUERY_ID])
    yield _joined(own, question, record["corpus-id"], texts, label=label("score", record["score"]))


def _trec(record: Record, texts: Texts, label: Callable[[str, Any], Any]) -> Expanded:
    fields = _fields(record, "trec", (QRELS, "as in qrels (qid 0 docid rel)"), (RUN, "as in a run (qid Q0 docid rank "
                     "score tag)"))  # fmt: skip
    own, question = texts.query(fields[0])
    if len(fields) == QRELS:
        yield _joined(own, question, fields[2], texts, label=label("rel", fields[3]))
    else:
        yield _joined(own, question, fields[2], texts, score=fields[4])


def _msmarco(record: Record, texts: Texts, label: Callable[[str, Any], Any]) -> Expanded:
    fields = _fields(record, "msmarco", (QRELS, "as in qrels (qid 0 pid rel)"), (TRIPLE, "as in triples of ids (qid, "
                     "right pid, wrong pid)"))  # fmt: skip
    own, question = texts.query(fields[0])
    if len(fields) == QRELS:
        yield _joined(own, question, fields[2], texts, label=label("rel", fields[3]))
    else:
        for key, right in zip(fields[1:], (True, False)):
            yield _joined(own, question, key, texts, label=right)


def _joined(own: str, question: str, key: Any, texts: Texts, **more: Any) -> Record | BadRow:
    try:
        document, passage = texts.document(key)
    except BadRow as bad:
        return bad
    return pair(question, f"document {document}", passage, question_id=own, passage_id=document, **more)


def _relevant(field: str, grade: Any) -> bool:
    """Return whether a grade is above 0: TREC's qrels have more than two, and −1 or less for spam."""
    return grade_of(grade, f"field '{field}'") > 0


def _grade(field: str, grade: Any) -> Any:
    """Return a grade as it stands; ``tmkd.data.labels.Numbers`` says which ones there are."""
    return grade


def _fields(record: Record, name: str, *kinds: tuple[int, str]) -> list[str]:
    """Return the fields of a line, or raise BadRow where it is of none of these kinds; it says whose it may be."""
    fields: list[str] = record["fields"]
    if len(fields) in dict(kinds) and not fields[0].startswith("{") and fields[0] != QUERY_ID:
        return fields
    expected = " or ".join(f"{count} fields {what}" for count, what in kinds)
    looks = "write one of the two"
    if name == "msmarco" and len(fields) == RUN:
        looks = setting("trec", "a TREC run")
    if name == "trec" and len(fields) == TRIPLE:
        looks = setting("msmarco", "MS MARCO's triples of ids")
        if grades_last(fields):
            looks = f"{setting(BEIR, BEIRS)}, and {BEIR_HEADER}"
    if len(fields) > RUN:
        looks = f"where these are triples of texts, {TEXT_TRIPLES}"
    try:
        names = list(json.loads(" ".join(fields)))
    except (ValueError, TypeError):
        names = fields
    looks = advice("", names, name) or looks
    raise BadRow(FIELD_COUNT, f"expected {expected} but found {shown(' '.join(fields))}; {looks}")


IDS = (
    Layout(
        "pylate", ("query_id", "document_ids"), ("scores", "positive_ids"), _pylate, "'positive_ids'", "'scores'"
    ),
    Layout(BEIR, (QUERY_ID, "corpus-id", "score"), (), partial(_beir, label=_relevant), "'score'",
           graded=partial(_beir, label=_grade)),
    Layout("trec", ("fields",), (), partial(_trec, label=_relevant), "the last of 4 fields (qrels)",
           "the fifth of 6 fields (a run)", split_lines(None), partial(_trec, label=_grade)),
    Layout("msmarco", ("fields",), (), partial(_msmarco, label=_relevant), "the last of 4 fields (qrels)",
           fixed=split_lines(None), graded=partial(_msmarco, label=_grade)),
)  # fmt: skip
