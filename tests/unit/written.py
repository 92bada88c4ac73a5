"""The same pairs as each project writes them: one right and two wrong passages a question, with a score each."""

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tmkd.choices import FORMATS

JOINED = ("pylate", "trec", "msmarco")
QUESTIONS = 3


def pairs(split):
    """Question, passage, whether it is right, and its score."""
    for at in range(QUESTIONS):
        for rank in range(3):
            yield f"{split} question {at}?", f"passage {rank} of {split} {at}", rank == 0, 5.5 - 3 * rank + at / 8


def groups(split):
    found = {}
    for question, passage, right, score in pairs(split):
        found.setdefault(question, []).append((passage, right, score))
    return found


def lines(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def texts(folder, splits, question, passage):
    """Files of queries and documents with the given functions of id and text; the ids of each, by text."""
    queries, documents = {}, {}
    for split in splits:
        for text, body, _, _ in pairs(split):
            queries.setdefault(text, str(1000 + len(queries)))
            documents.setdefault(body, f"d{len(documents)}")
    for function, found in ((question, queries), (passage, documents)):
        function(folder, found)
    return queries, documents


def tabbed(name):
    def write(folder, found):
        (folder / name).write_text("".join(f"{own}\t{text}\n" for text, own in found.items()))

    return write


def objects(name, key, field, **more):
    return lambda folder, found: lines(folder / name, [{key: own, **more, field: text} for text, own in found.items()])


def write(form, folder: Path, splits=("train", "validation", "test")):
    """Write all splits; return the settings by which they are read as a task."""
    assert form in FORMATS
    folder.mkdir(exist_ok=True)
    settings = {"format": form}
    if form == "beir":
        queries, documents = texts(
            folder, splits, objects("queries.jsonl", "_id", "text"), objects("corpus.jsonl", "_id", "text", title="")
        )
        (folder / "qrels").mkdir()
        for split in splits:
            with (folder / f"qrels/{split.replace('validation', 'dev')}.tsv").open("w") as file:
                file.write("query-id\tcorpus-id\tscore\n")
                file.writelines(f"{queries[q]}\t{documents[p]}\t{int(right)}\n" for q, p, right, _ in pairs(split))
        return settings | {"path": str(folder), "train": None, "validation": None, "test": None}
    if form in JOINED:
        question, passage = {
            "pylate": (
                objects("queries.jsonl", "query_id", "query"),
                objects("documents.jsonl", "document_id", "document"),
            ),
            "trec": (tabbed("queries.tsv"), objects("documents.jsonl", "docid", "contents")),
            "msmarco": (tabbed("queries.tsv"), tabbed("collection.tsv")),
        }[form]
        queries, documents = texts(folder, splits, question, passage)
        settings["queries"] = str(next(folder.glob("queries.*")))
        settings["documents"] = str(next(path for path in folder.iterdir() if path.name[0] in "dc"))
    for split in splits:
        found = groups(split)
        path = folder / f"{split}.jsonl"
        if form == "pairs":
            lines(path, [{"question": q, "passage": p, "label": int(r), "score": s} for q, p, r, s in pairs(split)])
        elif form == "flag_embedding":
            lines(path, [
                {"query": q, "pos": [p for p, r, _ in group if r], "neg": [p for p, r, _ in group if not r],
                 "pos_scores": [s for _, r, s in group if r], "neg_scores": [s for _, r, s in group if not r],
                 "prompt": "", "type": "normal"}
                for q, group in found.items()
            ])  # fmt: skip
        elif form == "sentence_transformers":
            path = folder / f"{split}.csv"
            with path.open("w", newline="") as file:
                table = csv.writer(file)
                table.writerows(
                    [("sentence1", "sentence2", "label"), *((q, p, float(r)) for q, p, r, _ in pairs(split))]
                )
        elif form == "tevatron":
            lines(path, [
                {"query_id": str(at), "query": q, **{
                    f"{side}_passages": [
                        {"docid": p.replace(" ", "-"), "title": p.split(" of ")[0], "text": p[p.index("of "):],
                         "score": s}
                        for p, r, s in group if r == (side == "positive")
                    ] for side in ("positive", "negative")}}
                for at, (q, group) in enumerate(found.items())
            ])  # fmt: skip
        elif form == "pylate":
            path = folder / f"{split}.parquet"
            rows = [
                {"query_id": int(queries[q]), "document_ids": [documents[p] for p, _, _ in group],
                 "scores": [s for _, _, s in group], "positive_ids": [documents[p] for p, r, _ in group if r]}
                for q, group in found.items()
            ]  # fmt: skip
            pq.write_table(pa.Table.from_pylist(rows), path)
        elif form == "trec":
            path = folder / f"{split}.qrels"
            path.write_text("".join(f"{queries[q]} 0 {documents[p]} {2 * r}\n" for q, p, r, _ in pairs(split)))
            run = (
                f"{queries[q]} Q0 {documents[p]} {rank} {s} bm25\n"
                for q, group in found.items() for rank, (p, _, s) in enumerate(group, 1)
            )  # fmt: skip
            (folder / f"{split}.run").write_text("".join(run))
        else:
            path = folder / f"qidpidtriples.{split}.tsv"
            path.write_text("".join(
                f"{queries[q]}\t{documents[group[0][0]]}\t{documents[wrong]}\n"
                for q, group in found.items() for wrong, right, _ in group if not right
            ))  # fmt: skip
        settings[split] = str(path)
    return settings
