"""Which project's format a file is in, told from the names of its fields: for messages, never to read it otherwise."""

from __future__ import annotations

import re
from collections.abc import Collection

from tmkd.choices import PAIRS

BEIR, BY_ORDER = "beir", "sentence_transformers"
BEIRS = "BEIR's"
TEXTS_IN_ORDER = (("anchor", "positive"), ("sentence1", "sentence2"))
IDS = {
    "", "id", "_id", "idx", "index", "qid", "pid", "docid", "query_id", "question_id", "document_id", "passage_id",
    "Unnamed: 0", "__index_level_0__",
}  # fmt: skip

# Format, whose it is, the fields that give it away, and all others that it has.
SIGNS = (
    ("flag_embedding", "FlagEmbedding's", {"query", "pos"}, {"neg", "pos_scores", "neg_scores", "prompt", "type"}),
    ("tevatron", "Tevatron's", {"query", "positive_passages"}, {"query_id", "negative_passages"}),
    ("pylate", "PyLate's", {"query_id", "document_ids"}, {"scores", "positive_ids"}),
    (BEIR, BEIRS, {"query-id", "corpus-id"}, {"score"}),
    *((BY_ORDER, "sentence-transformers'", set(signs), {"negative", "label", "score"}) for signs in TEXTS_IN_ORDER),
    (PAIRS, "tmkd's own", {"question", "passage"}, {"label", "question_id", "score", "scores"}),
)
GRADE = re.compile(r"-?[0-2](\.0+)?")  # what most qrels have: larger numbers are rather ids
BEIR_HEADER = "begin the file with the line query-id, corpus-id, score, with tabs between them"
TEXT_TRIPLES = (
    f"begin the file with the line query, positive, negative, with tabs between them, and set data.format={BY_ORDER}"
)
RUN, QRELS, TRIPLE = 6, 4, 3  # fields of a line: of a TREC run, of TREC's and MS MARCO's qrels, and of three ids


def advice(column: str, there: Collection[str], reading: str = PAIRS) -> str:
    """Return which format to set where ``column`` is missing among those that are there; "" where nothing is known.

    Args:
        reading: the format that the file is read in.
    """
    for name, whose, signs, others in SIGNS:
        if reading == BY_ORDER and name == PAIRS:
            continue  # columns in their order may have any names, ours too
        if name != reading and signs <= set(there) and column not in signs | others:
            return setting(name, whose)
    fields = list(there)
    if reading == BY_ORDER and not IDS.isdisjoint(fields):
        return f"'{next(field for field in fields if field in IDS)}' names no texts; take that column out"
    # a table without a header: its first line was taken for one
    if reading == PAIRS and len(fields) == RUN and fields[1].upper() == "Q0":
        return setting("trec", "a TREC run")
    if reading == PAIRS and len(fields) == QRELS and fields[1] == "0" and fields[3].lstrip("-").isdigit():
        return setting("trec", "qrels of TREC or MS MARCO")
    if reading in (PAIRS, BEIR) and grades_last(fields):
        return f"this looks like BEIR's qrels without a header; {BEIR_HEADER}"
    if reading == PAIRS and len(fields) == TRIPLE and all(field.isdigit() for field in fields):
        return setting("msmarco", "MS MARCO's triples of ids")
    if reading == PAIRS and len(fields) == TRIPLE and all(" " in field.strip() for field in fields):
        return f"this looks like triples of texts; {TEXT_TRIPLES}"
    return ""


def grades_last(fields: Collection[str]) -> bool:
    """Whether the fields of a line are those of BEIR's qrels: two ids, and a grade."""
    return len(fields) == TRIPLE and GRADE.fullmatch(list(fields)[-1]) is not None


def setting(name: str, whose: str) -> str:
    """Say whose format it looks like and how it is set."""
    return (
        f"this looks like {whose}; set data.format={name} (of a corpus, corpus.format={name}; of a teacher's scores, "
        f"format: {name}; for tmkd convert, --from {name})"
    )
