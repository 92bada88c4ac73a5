"""Parquet, and that every format gives the same rows."""

import csv
import gzip
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, Features, Value

from tests.unit.reading_files import parquet, read_pairs, rejects

ROWS = [("q1", "p, 1", "right"), ('q "2"', "p\t2", "wrong")]


def table(kind):
    if kind == "parquet":
        sink = io.BytesIO()
        pq.write_table(pa.table(dict(zip(("question", "passage", "label"), zip(*ROWS)))), sink)
        return sink.getvalue()
    if kind.startswith("json"):
        return "\n".join(json.dumps(dict(zip(("question", "passage", "label"), row))) for row in ROWS).encode()
    text = io.StringIO()
    separator = "\t" if kind == "tsv" else ","
    csv.writer(text, delimiter=separator).writerows([("question", "passage", "label"), *ROWS])
    return text.getvalue().encode()


@pytest.mark.parametrize(
    "name", ["a.tsv", "a.csv", "a.jsonl", "a.json", "a.parquet", "a.csv.gz", "a.json.gz", "b.tsv.gz"]
)
def test_every_format_gives_the_same_rows(tsv, tmp_path, name):
    content = table(name.split(".")[1])
    path = tsv(gzip.compress(content) if name.endswith(".gz") else content, name)
    for cache in (None, tmp_path / "cache" / "rows.arrow"):
        rows = read_pairs(path, cache=cache)
        assert list(zip(rows["question"], rows["passage"], rows["label"])) == [("q1", "p, 1", 1), ('q "2"', "p\t2", 0)]


def test_parquet_labels_may_be_integers_and_rows_are_named_by_number(tmp_path):
    good = {"question": ["q", "q"], "passage": ["p1", "p2"], "label": pa.array([0, 1], pa.int8())}
    path = parquet(tmp_path / "pairs.parquet", **good, embedding=[[0.5], [0.5]])
    assert read_pairs(path)["label"][:] == [0, 1]
    assert read_pairs(path, labels={"0": "right", "1": "wrong"})["label"][:] == [1, 0]
    rejects(parquet(path, **good | {"passage": ["p1", None]}), "row 2", "'passage'")
    rejects(parquet(path, **good | {"label": [0, 2]}), "row 2", "'label'")
    rejects(parquet(path, question=["q"], text=["p"], label=[0]), "'passage'", "['question', 'text', 'label']")


def test_broken_parquet_always_raises(tsv):
    rejects(tsv(table("parquet")[:-20], "pairs.parquet"), "Parquet", read=lambda path: read_pairs(path, skip=True))


def test_parquet_with_broken_utf8_loses_that_row_alone(tmp_path):
    broken = pa.StringArray.from_buffers(2, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"p\xe9"))
    path = parquet(tmp_path / "pairs.parquet", question=["q", "q"], passage=broken, label=[0, 1])
    rejects(path, "row 2", "0xe9")
    assert len(read_pairs(path, skip=True)[0]) == 1


@pytest.mark.parametrize(
    "kind", [pa.binary(), pa.large_binary(), pa.large_string(), pa.dictionary(pa.int8(), pa.binary())]
)
def test_parquet_columns_of_bytes_are_text(tmp_path, kind):
    columns = {
        "question": pa.array(["q", "q"]).cast(pa.binary()).cast(kind),
        "passage": pa.array([b"caf\xc3\xa9", b"p"]).cast(kind),
        "label": pa.array([b"wrong", b"1.0"]),
    }
    rows = read_pairs(parquet(tmp_path / "pairs.parquet", **columns))
    assert (rows["question"][:], rows["passage"][:], rows["label"][:]) == (["q", "q"], ["café", "p"], [0, 1])


def test_parquet_bytes_that_are_no_text_are_named_by_row_and_field(tmp_path):
    path = parquet(tmp_path / "pairs.parquet", question=["q", "q"], passage=[b"p", b"caf\xe9"], label=[0, 1])
    rejects(path, "row 2", "'passage'", "0xe9")


def test_parquet_numbers_that_stand_for_names_are_those_names(tmp_path):
    # As indices into data.classes, both would mean the other class.
    names = ClassLabel(names=["right", "wrong"])
    features = Features({"question": Value("string"), "passage": Value("string"), "label": names})
    rows = Dataset.from_dict({"question": ["q", "q"], "passage": ["p1", "p2"], "label": [0, 1]}, features=features)
    rows.to_parquet(tmp_path / "pairs.parquet")
    assert read_pairs(tmp_path / "pairs.parquet")["label"][:] == [1, 0]
