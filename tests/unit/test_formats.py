"""Files of other projects are read as a task and as a corpus, with the checks of our own."""

import gzip
import json

import pytest

from tests.unit.test_readers import corpus, data
from tests.unit.written import JOINED, QUESTIONS, lines, pairs, write
from tmkd.choices import FORMATS
from tmkd.config.check_data import check_corpus, check_data
from tmkd.config.data import CorpusConfig, DataConfig
from tmkd.data.readers import read_corpus, read_task, task_identity
from tmkd.data.schema import SPLITS, pair_id
from tmkd.errors import ConfigError, DataError

OTHERS = [form for form in FORMATS if form != "pairs"]


def rows_of(rows):
    return set(zip(rows["question"], rows["passage"], rows["label"]))


@pytest.mark.parametrize("form", FORMATS)
def test_task_has_the_pairs_that_the_files_hold(form, tmp_path):
    for cache in (None, tmp_path / "cache"):
        task = read_task(data(**write(form, tmp_path / str(cache is None))), corpus(), cache)
        for split in SPLITS:
            rows = task.splits[split]
            assert rows_of(rows) == {(q, p, int(right)) for q, p, right, _ in pairs(split)}
            assert rows["id"][0] == pair_id(rows["question"][0], rows["passage"][0])
            assert len(set(rows["question_id"])) == QUESTIONS


@pytest.mark.parametrize("form", FORMATS)
def test_corpus_has_the_pairs_that_the_files_hold(form, tmp_path):
    settings = write(form, tmp_path)
    texts = {key: settings.get(key) for key in ("queries", "documents")}
    path = settings["path"] if form == "beir" else settings["train"]
    rows = read_corpus(data(), corpus(format=form, path=path, split="train", **texts)).rows
    assert set(zip(rows["question"], rows["passage"])) == {(q, p) for q, p, _, _ in pairs("train")}
    assert "label" not in rows.column_names


@pytest.mark.parametrize("form", OTHERS)
def test_class_names_are_those_of_the_task(form, tmp_path):
    task = read_task(data(classes=["no", "yes"], **write(form, tmp_path)), corpus())
    assert rows_of(task.splits["test"]) == {(q, p, int(right)) for q, p, right, _ in pairs("test")}


@pytest.mark.parametrize("form", JOINED)
def test_other_texts_make_another_task(form, tmp_path):
    # the ids would be the same, and the results of the old texts would be found
    settings = data(**write(form, tmp_path))
    before = task_identity(settings, corpus())
    path = tmp_path / settings["documents"]
    path.write_text(path.read_text().replace("passage", "paragraph"))
    assert task_identity(settings, corpus()) != before


def test_beir_draws_its_validation_where_there_is_no_dev_split(tmp_path):
    settings = data(**write("beir", tmp_path), validation_share=0.7)
    (tmp_path / "qrels/dev.tsv").unlink()
    task = read_task(settings, corpus())
    drawn = rows_of(task.splits["train"]) | rows_of(task.splits["validation"])
    assert drawn == {(q, p, int(right)) for q, p, right, _ in pairs("train")}
    assert set(task_identity(settings, corpus())) == {"train", "test", "queries", "documents"}
    with pytest.raises(DataError, match=r"qrels/dev2.tsv: .* data.validation one of \['test', 'train'\]"):
        read_task(settings | {"validation": "dev2"}, corpus())


def test_files_of_beir_may_be_compressed_and_passages_have_their_titles(tmp_path):
    settings = data(**write("beir", tmp_path))
    path = tmp_path / "corpus.jsonl"
    path.with_name("corpus.jsonl.gz").write_bytes(gzip.compress(path.read_bytes().replace(b'""', b'"Title"')))
    path.unlink()
    assert "Title passage 0 of train 0" in read_task(settings, corpus()).splits["train"]["passage"]


def test_qrels_and_triples_of_msmarco_are_told_apart(tmp_path):
    settings = write("msmarco", tmp_path)
    (tmp_path / "qrels.tsv").write_text("1000\t0\td0\t1\n1000\t0\td1\t0\n")
    task = read_task(data(**settings | {"train": str(tmp_path / "qrels.tsv")}), corpus())
    assert rows_of(task.splits["train"]) == {
        ("train question 0?", "passage 0 of train 0", 1),
        ("train question 0?", "passage 1 of train 0", 0),
    }


SENTENCES = {
    "triplets": [{"anchor": "q", "positive": "a", "negative_1": "b", "negative_2": "c", "label": [0.5, 2.0]}],
    "margin": [
        {"anchor": "q", "positive": "a", "negative": "b", "label": 3.5},
        {"anchor": "q", "positive": "a", "negative": "c", "label": "-2"},
    ],
    "labels of three texts": [{"query": "q", "one": "b", "two": "a", "three": "c", "labels": [0, 1, 0]}],
    "lists": [{"query": "q", "docs": ["a", "b", "c"], "labels": [1, 0, 0]}],
    "pairs": [{"x": "q", "y": "a", "label": 1}, {"x": "q", "y": "b", "label": 0.0}, {"x": "q", "y": "c", "label": 0}],
}


@pytest.mark.parametrize("shape", SENTENCES)
def test_columns_of_sentence_transformers_go_by_their_order(shape, tmp_path):
    settings = write("sentence_transformers", tmp_path)
    path = lines(tmp_path / "shape.jsonl", SENTENCES[shape])
    rows = read_task(data(**settings | {"train": str(path)}), corpus()).splits["train"]
    assert rows_of(rows) == {("q", "a", 1), ("q", "b", 0), ("q", "c", 0)}


def test_three_classes_are_read_from_sentence_transformers(tmp_path):
    rows = [{"premise": f"p{split}{at}", "hypothesis": "h", "label": at} for split in "abc" for at in range(3)]
    paths = {
        split: str(lines(tmp_path / f"{split}.jsonl", [row for row in rows if row["premise"][1] == letter]))
        for split, letter in zip(SPLITS, "abc")
    }
    settings = data(format="sentence_transformers", classes=["e", "n", "c"], ranking=False, **paths)
    assert read_task(settings, corpus()).splits["train"]["label"][:] == [0, 1, 2]


def refused(tmp_path, form, content, name="bad.jsonl"):
    """The sentence about a file of one format."""
    settings = write(form, tmp_path) if form != "pairs" else {}
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(DataError) as caught:
        read_task(data(**settings | {"train": str(path)}), corpus())
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    return str(caught.value)


ROWS = {
    "flag_embedding": '{"query": "q", "pos": ["p"], "neg": ["n"]}\n',
    "tevatron": '{"query_id": 1, "query": "q", "positive_passages": [], "negative_passages": []}\n',
    "pylate": '{"query_id": 1, "document_ids": [1], "scores": [2]}\n',
    "pairs": '{"question": "q", "passage": "p", "label": 1}\n',
    "sentence_transformers": '{"anchor": "q", "positive": "p", "negative": "n"}\n',
}


@pytest.mark.parametrize("written", ROWS)
@pytest.mark.parametrize("asked", ["pairs", "flag_embedding", "tevatron", "pylate"])
def test_file_of_another_format_is_recognised(asked, written, tmp_path):
    if asked != written:
        assert f"; set data.format={written} (of a corpus" in refused(tmp_path, asked, ROWS[written])


@pytest.mark.parametrize("written", ["flag_embedding", "tevatron", "pylate"])
def test_records_of_lists_are_not_taken_for_columns_in_their_order(written, tmp_path):
    assert f"set data.format={written}" in refused(tmp_path, "sentence_transformers", ROWS[written])


@pytest.mark.parametrize(
    ("asked", "content", "name", "told"),
    [
        ("pairs", "query-id\tcorpus-id\tscore\n1\t2\t1\n", "a.tsv", "BEIR's; set data.format=beir"),
        ("pairs", "1\t0\t2\t1\n", "a.tsv", "qrels of TREC or MS MARCO; set data.format=trec"),
        ("pairs", "1\t2\t3\n", "a.tsv", "set data.format=msmarco"),
        ("pairs", "1\tQ0\t2\t1\t0.5\ttag\n", "a.tsv", "a TREC run; set data.format=trec"),
        ("trec", "1000\td0\td1\n", "a.tsv", "set data.format=msmarco"),
        ("msmarco", "1000 Q0 d0 1 0.5 tag\n", "a.run", "set data.format=trec"),
        ("trec", ROWS["flag_embedding"], "a.jsonl", "FlagEmbedding's; set data.format=flag_embedding"),
    ],
)
def test_table_of_another_format_is_recognised(asked, content, name, told, tmp_path):
    assert told in refused(tmp_path, asked, content, name)


def test_folder_of_beir_is_recognised(tmp_path):
    write("beir", tmp_path)
    with pytest.raises(DataError, match=r"looks like BEIR's; set data\.format=beir and data\.path"):
        read_task(data(train=str(tmp_path)), corpus())


GOOD = '{"query": "q", "pos": ["p"], "neg": ["n"]}\n'
BAD = [
    ("flag_embedding", GOOD + '{"query": "q2", "pos": ["p", " "], "neg": []}', "line 2: field 'pos[1]' must be text"),
    ("flag_embedding", GOOD + '{"query": "", "pos": ["p"]}', "line 2: field 'query' must be text"),
    ("flag_embedding", GOOD + '{"query": "q2", "pos": "p"}', "line 2: field 'pos' must be a list but is 'p'"),
    ("flag_embedding", GOOD + '{"query": "q2", "pos": []}', "line 2: there is no passage"),
    ("flag_embedding", GOOD + '{"query": "q2", "neg": ["p"]}', "line 2: the format flag_embedding needs the field"),
    ("flag_embedding", GOOD + '{"query": "q", "pos": ["n"]}', "line 1: field 'label' is 'wrong' but the same pair is"),
    ("flag_embedding", GOOD + '{"query": "q2", "pos": ["p"], "pos_scores": [1, 2]}', "'pos_scores' has 2 entries but"),
    ("tevatron", '{"query": "q", "positive_passages": ["p"]}', "field 'positive_passages[0]' must have docid, title"),
    ("pylate", '{"query_id": 1000, "document_ids": ["d0"]}', "no label; the format pylate has it in 'positive_ids'"),
    ("pylate", '{"query_id": 1000, "document_ids": ["d0"], "positive_ids": ["d1"]}', "which is not among the 'docum"),
    ("pylate", '{"query_id": 7, "document_ids": ["d0"], "positive_ids": []}', "7 is the id of none of the queries in"),
    ("trec", "1000 0 d0 1\n1000 0 d77 0\n", "line 2: 'd77' is the id of none of the documents in"),
    ("trec", "1000 0 d0 high\n", "line 1: field 'rel' must be a whole number but is 'high'"),
    ("trec", "1000 Q0 d0 1 0.5 tag\n", "no label; the format trec has it in the last of 4 fields (qrels)"),
    ("msmarco", "1000\td0\n", "line 1: expected 4 fields as in qrels"),
    ("sentence_transformers", '{"a": "q", "b": "p", "label": 0.73}', "0.73, which is no class; call the column"),
    ("sentence_transformers", '{"a": "q", "b": "p", "label": 0, "c": "web"}', "'label' is 0, but with 3 texts it must"),
    ("sentence_transformers", '{"a": "q", "b": "p", "c": "n", "d": "m", "score": 4}', "with 4 texts it must be a list"),
    ("sentence_transformers", '{"a": "q", "b": "p", "label": "1e400"}', "1e400, which is no class; call the column"),
    ("sentence_transformers", '{"a": "q", "label": 1}', "expected a column of questions and one of passages"),
]  # fmt: skip


@pytest.mark.parametrize(("form", "content", "told"), BAD)
def test_bad_row_is_named_by_file_row_and_field(form, content, told, tmp_path):
    assert told in refused(tmp_path, form, content, "bad.jsonl")


def test_bad_passages_are_skipped_one_by_one_and_counted(tmp_path):
    settings = write("flag_embedding", tmp_path)
    path = lines(tmp_path / "bad.jsonl", [{"query": "q", "pos": ["a", ""], "neg": ["b"]}, {"query": "r"}])
    task = read_task(data(**settings | {"train": str(path), "on_bad_row": "skip"}), corpus())
    assert rows_of(task.splits["train"]) == {("q", "a", 1), ("q", "b", 0)}
    assert task.skipped[str(path)] == {"no text": 1, "missing field": 1}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("1000\ttext\n1000\tother\n", "line 2: the id 1000 came before with another text"),
        ("1000\ttext\twith a tab\n", "line 1: expected 2 fields"),
        ("\ttext\n", "line 1: field 'query_id' must be an id but is ''"),
        ('1000\t"Aaron (""Ahärôn"")"\n', "line 1: expected texts as they are, but found a field in double quotes"),
    ],
)
def test_broken_file_of_queries_is_named(content, told, tmp_path):
    settings = write("msmarco", tmp_path)
    (tmp_path / "queries.tsv").write_text(content)
    with pytest.raises(DataError, match=r"queries.tsv, " + told):
        read_task(data(**settings), corpus())


def test_queries_may_be_a_table_with_a_header_or_have_the_field_text(tmp_path):
    settings = write("pylate", tmp_path)
    path = tmp_path / "queries.jsonl"
    found = [json.loads(line) for line in path.read_text().splitlines()]
    path.unlink()
    usual = rows_of(read_task(data(**write("pylate", tmp_path / "usual")), corpus()).splits["train"])
    (tmp_path / "q.tsv").write_text("query_id\ttext\n" + "".join(f"{q['query_id']}\t{q['query']}\n" for q in found))
    lines(tmp_path / "q.jsonl", [{"query_id": int(q["query_id"]), "text": q["query"]} for q in found])
    for name in ("q.tsv", "q.jsonl"):
        read = read_task(data(**settings | {"queries": str(tmp_path / name)}), corpus())
        assert rows_of(read.splits["train"]) == usual


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"format": "csv"}, "data.format: expected one of pairs, flag_embedding"),
        ({"format": "trec", "queries": "q"}, "data.documents: expected a file of documents, to which the ids of trec"),
        ({"queries": "q"}, "data.queries: expected null where data.format is not pylate or trec or msmarco, got q"),
        ({"format": "beir", "reader": "hub"}, "data.format: expected pairs where data.reader is not files, got beir"),
        ({"format": "beir", "question": "text"}, "data.question: expected question, as beir has names of its own"),
        ({"format": "beir", "classes": ["a", "b", "c"], "ranking": False}, "expected two classes, as beir tells right"),
    ],
)
def test_settings_that_do_not_fit_a_format_are_refused(changes, told):
    with pytest.raises(ConfigError) as caught:
        check_data(DataConfig(**{"name": "n", "reader": "files"} | changes))
    assert told in str(caught.value)


def test_settings_of_a_corpus_are_checked_likewise():
    with pytest.raises(ConfigError, match=r"corpus\.queries: expected a file of queries, to which the ids of msmarco"):
        check_corpus(CorpusConfig(reader="files", format="msmarco"))
    check_corpus(CorpusConfig(reader="files", format="beir"))
