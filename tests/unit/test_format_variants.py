"""Files of other projects as they are found: fields that are missing, spelt otherwise, or that are no texts."""

import json

import pytest

from tests.unit.test_readers import corpus, data
from tests.unit.written import lines, write
from tmkd.data.conversion import convert
from tmkd.data.readers import read_task
from tmkd.errors import DataError


def read(tmp_path, form, content, name="found.jsonl", **more):
    """The training pairs of a file, beside usual ones for validation and test."""
    settings = write(form, tmp_path / "usual") if form != "pairs" else {}
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    rows = read_task(data(**settings | {"train": str(path)} | more), corpus()).splits["train"]
    return set(zip(rows["question"], rows["passage"], rows["label"]))


def test_columns_in_their_order_without_labels_are_right(tmp_path):
    rows = [{"anchor": "q", "positive": "a"}, {"anchor": "q", "positive": "b"}]
    path = lines(tmp_path / "in.jsonl", rows)
    convert("sentence_transformers", "flag_embedding", path, tmp_path / "out.jsonl")
    assert json.loads((tmp_path / "out.jsonl").read_text()) == {"query": "q", "pos": ["a", "b"], "neg": []}


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("a,b,label\nq,[1] see below,1\nq,[citation needed],0\n", "t.csv"),
        ('{"a": "q", "b": "[1] see below", "label": 1}\n{"a": "q", "b": "[citation needed]", "label": 0}\n', "t.jsonl"),
    ],
)
def test_passage_in_brackets_is_no_list(content, name, tmp_path):
    found = read(tmp_path, "sentence_transformers", content, name)
    assert found == {("q", "[1] see below", 1), ("q", "[citation needed]", 0)}


def test_text_that_spells_a_list_is_one_in_tables_alone(tmp_path):
    table = 'a,b,labels\nq,"[""x"", ""y""]","[1, 0]"\n'
    assert read(tmp_path, "sentence_transformers", table, "t.csv") == {("q", "x", 1), ("q", "y", 0)}
    rows = [{"a": "q", "b": '["x", "y"]', "label": 1}, {"a": "q", "b": "z", "label": 0}]
    found = read(tmp_path, "sentence_transformers", "".join(json.dumps(row) + "\n" for row in rows))
    assert found == {("q", '["x", "y"]', 1), ("q", "z", 0)}


@pytest.mark.parametrize("header", ["", "id", "query_id", "Unnamed: 0"])
def test_column_of_ids_is_not_taken_for_texts(header, tmp_path):
    with pytest.raises(DataError, match=f"goes by the order of columns; '{header}' names no texts; take that column"):
        read(tmp_path, "sentence_transformers", f"{header},query,answer,label\n0,q,a,1\n1,q,b,0\n", "t.csv")


@pytest.mark.parametrize("unknown", ["null", '""'])
def test_right_passages_that_nobody_has_named_are_no_wrong_ones(unknown, tmp_path):
    row = '{"query_id": 1000, "document_ids": ["d0", "d1"], "positive_ids": %s}\n'
    with pytest.raises(DataError, match="there is no label; the format pylate has it in 'positive_ids'"):
        read(tmp_path, "pylate", row % unknown)
    found = read(tmp_path / "usual", "pylate", row % "[]" + row.replace("1000", "1001") % '["d1"]')
    assert sorted(label for *_, label in found) == [0, 0, 0, 1]


def test_id_of_two_questions_is_told_where_their_passages_would_be_ranked_together(tmp_path, caplog):
    rows = [{"question": text, "passage": text, "label": at, "question_id": 7} for at, text in enumerate("ab")]
    read(tmp_path, "pairs", "".join(json.dumps(row) + "\n" for row in rows))
    assert "1 question ids stand for questions with different texts" in caplog.text
    assert "the first is 7: 'a' and 'b'" in caplog.text


@pytest.mark.parametrize("form", ["trec", "msmarco"])
def test_grades_are_whole_numbers_in_any_spelling(form, tmp_path):
    found = read(tmp_path, form, "1000 0 d0 1.0\n1000 0 d1 0.0\n", "t.qrels")
    assert sorted(label for *_, label in found) == [0, 1]
    queries, documents = ({"id": "1", "text": "q"},), ({"id": "d", "text": "p"},)
    settings = {name: str(lines(tmp_path / f"{name}.jsonl", rows)) for name, rows in
                (("queries", queries), ("documents", documents))}  # fmt: skip
    (tmp_path / "graded").write_text("1 0 d 2.0\n")
    convert(form, "pairs", tmp_path / "graded", tmp_path / "out.jsonl", **settings)
    assert json.loads((tmp_path / "out.jsonl").read_text())["label"] == 2


@pytest.mark.parametrize("first", ["1000\td0\t1", "1\td0\t1", "7\td0\t2"])
def test_qrels_of_beir_without_a_header_are_recognised(first, tmp_path):
    settings = write("beir", tmp_path)
    (tmp_path / "qrels/train.tsv").write_text(f"{first}\n7\td1\t0\n")
    with pytest.raises(DataError, match="BEIR's qrels without a header; begin the file with the line query-id, corpus"):
        read_task(data(**settings), corpus())


@pytest.mark.parametrize(
    ("form", "content", "told"),
    [
        ("msmarco", "query-id\tcorpus-id\tscore\n1\td1\t1\n", "set data.format=beir"),
        ("trec", "1\td1\t1\n", "set data.format=beir .*, and begin the file with the line query-id"),
        (
            "msmarco",
            "what is it\tthis one\tand not that one\n",
            "query, positive, negative, .* set data.format=sentence",
        ),
        ("pairs", "what is it\tthis one\tnot that\n", "query, positive, negative, .* and set data.format=sentence"),
        ("pairs", "sentence1\tsentence2\tlabel\na\tb\t1\n", "set data.format=sentence_transformers"),
    ],
)
def test_table_of_another_project_is_recognised(form, content, told, tmp_path):
    with pytest.raises(DataError, match=told):
        read(tmp_path, form, content, "t.tsv")


@pytest.mark.parametrize(
    ("content", "name", "told"),
    [
        ("1 Q0 d1 1 0.5 bm25\n", "bm25.trec", "a TREC run; set data.format=trec .* format: trec; .* --from trec"),
        ("1 0 d1 1\n", "test.qrels", "qrels of TREC or MS MARCO; set data.format=trec"),
        ("some text\n", "notes.doc", "convert or rename the file"),
        ("question;passage\n", "t.csv", "separated by a semicolon; write the table with commas"),
    ],
)
def test_file_is_recognised_by_its_first_line_and_the_sentence_says_where_its_format_is_set(
    content, name, told, tmp_path
):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=told):
        convert("pairs", "tevatron", tmp_path / name, tmp_path / "out.jsonl")


@pytest.mark.parametrize("target", ["pairs", "flag_embedding", "tevatron"])
def test_right_passage_of_several_triples_is_written_once(target, tmp_path):
    settings = {
        "queries": str(lines(tmp_path / "q.jsonl", [{"id": 1, "text": "q"}])),
        "documents": str(lines(tmp_path / "d.jsonl", [{"id": each, "text": f"text {each}"} for each in "abc"])),
    }
    (tmp_path / "triples.tsv").write_text("1\ta\tb\n1\ta\tc\n")
    losses = convert("msmarco", target, tmp_path / "triples.tsv", tmp_path / "out.jsonl", **settings)
    assert losses.pairs == 3 and losses.left_out["pairs that came before"] == 1
    assert (tmp_path / "out.jsonl").read_text().count("text a") == 1


def test_documents_with_one_text_keep_their_ids(tmp_path):
    settings = {
        "queries": str(lines(tmp_path / "q.jsonl", [{"id": 1, "text": "q"}])),
        "documents": str(lines(tmp_path / "d.jsonl", [{"id": each, "text": "the same"} for each in "ab"])),
    }
    (tmp_path / "qrels").write_text("1 0 a 1\n1 0 b 1\n")
    convert("trec", "trec", tmp_path / "qrels", tmp_path / "out", **settings)
    assert (tmp_path / "out/qrels.txt").read_text() == "1 0 a 1\n1 0 b 1\n"
