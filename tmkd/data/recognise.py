"""Which project's format a file is in, told from the names of its fields: for messages, never to read it otherwise."""

from __future__ import annotations

from collections.abc import Collection

from tmkd.choices import PAIRS

BY_ORDER = "sentence_transformers"

# Format, whose it is, the fields that give it away, and all others that it has.
SIGNS = (
    ("flag_embedding", "FlagEmbedding's", {"query", "pos"}, {"neg", "pos_scores", "neg_scores", "prompt", "type"}),
    ("tevatron", "Tevatron's", {"query", "positive_passages"}, {"query_id", "negative_passages"}),
    ("pylate", "PyLate's", {"query_id", "document_ids"}, {"scores", "positive_ids"}),
    ("beir", "BEIR's", {"query-id", "corpus-id"}, {"score"}),
    (BY_ORDER, "sentence-transformers'", {"anchor", "positive"}, {"negative", "label", "score"}),
    (PAIRS, "tmkd's own", {"question", "passage"}, {"label", "question_id", "score", "scores"}),
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
    # a table without a header: its first line was taken for one
    fields = list(there)
    if reading == PAIRS and len(fields) == RUN and fields[1].upper() == "Q0":
        return setting("trec", "a TREC run")
    if reading == PAIRS and len(fields) == QRELS and fields[1] == "0" and fields[3].lstrip("-").isdigit():
        return "this looks like qrels; set data.format=trec or msmarco (of a corpus, corpus.format)"
    if reading == PAIRS and len(fields) == TRIPLE and all(field.isdigit() for field in fields):
        return setting("msmarco", "MS MARCO's triples of ids")
    return ""


def setting(name: str, whose: str) -> str:
    """Say whose format it looks like and how it is set."""
    return f"this looks like {whose}; set data.format={name} (of a corpus, corpus.format={name})"
