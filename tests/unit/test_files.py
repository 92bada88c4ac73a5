import gzip
import json
import logging
import re

import pytest

from tmkd.data.files import read_corpus, read_pairs
from tmkd.data.schema import CORPUS_COLUMNS, PAIR_COLUMNS, pair_id
from tmkd.errors import DataError

CLASSES = ("wrong", "right")
HEADER = "question\tpassage\tlabel\n"


@pytest.fixture
def tsv(tmp_path):
    def write(content: str | bytes, name: str = "pairs.tsv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def rejects(path, *parts, read=lambda path: read_pairs(path, classes=CLASSES)):
    with pytest.raises(DataError) as caught:
        read(path)
    message = str(caught.value)
    assert "\n" not in message
    for part in (str(path), *parts):
        assert part in message
    assert re.search(r"; [a-z]", message), "no advice"


def test_pairs_have_the_columns_of_the_schema(tsv):
    rows = read_pairs(tsv(HEADER + "q1\tp1\tright\nq1\tp2\t0\n"), classes=CLASSES)
    assert tuple(rows.column_names) == PAIR_COLUMNS
    assert rows["label"][:] == [1, 0]
    assert rows["id"][0] == pair_id("q1", "p1")
    assert rows["question_id"][0] == rows["question_id"][1]


def test_quoted_fields_may_hold_tabs_and_line_ends(tsv):
    content = HEADER + '"q\t1"\t"two\nlines and ""quotes"""\tright\nq2\t\tright\n'
    path = tsv(content)
    rejects(path, "line 4", "'passage'")  # the line of the file, though it is the second row
    rows = read_pairs(tsv(content.replace("q2\t\t", "q2\tp\t")), classes=CLASSES)
    assert rows["question"][0] == "q\t1"
    assert rows["passage"][0] == 'two\nlines and "quotes"'


def test_other_column_names_and_a_byte_order_mark(tsv):
    path = tsv(b"\xef\xbb\xbf" + b"query\tdoc\trel\tqid\textra\nq\tp\t1\t17\tx\n")
    rows = read_pairs(path, classes=CLASSES, question="query", passage="doc", label="rel", question_id="qid")
    assert rows[0] == {"id": pair_id("q", "p"), "question_id": "17", "question": "q", "passage": "p", "label": 1}


def test_class_names_go_before_indices(tsv):
    rows = read_pairs(tsv(HEADER + "q\tp\t1\n"), classes=("1", "0"))
    assert rows["label"][:] == [0]


def test_rejects_missing_file(tmp_path):
    rejects(tmp_path / "absent.tsv", "cannot be read")


def test_rejects_unknown_format(tsv):
    rejects(tsv(HEADER, "pairs.xlsx"), ".tsv, .jsonl")


def test_rejects_missing_column_and_lists_those_found(tsv):
    rejects(tsv("question\ttext\tlabel\nq\tp\t1\n"), "'passage'", "['question', 'text', 'label']")


def test_rejects_column_named_twice(tsv):
    rejects(tsv("question\tpassage\tpassage\tlabel\nq\tp\tp\t1\n"), "line 1", "twice")


@pytest.mark.parametrize("row", ["q\tp", "q\tp\t1\tmore"])
def test_rejects_wrong_field_count(tsv, row):
    rejects(tsv(f"{HEADER}q\tp\t0\n{row}\n"), "line 3", "expected 3 fields", f"found {len(row.split())}")


def test_rejects_open_quote(tsv):
    rejects(tsv(HEADER + 'q\t"p\t0\n'), "quoting")


@pytest.mark.parametrize("field", ["question", "passage"])
def test_rejects_empty_text(tsv, field):
    row = {"question": "q", "passage": "p", field: "  "}
    rejects(tsv(f"{HEADER}q\tp2\t0\n{row['question']}\t{row['passage']}\t1\n"), "line 3", f"'{field}'")


def test_rejects_broken_utf8(tsv):
    rejects(tsv(HEADER.encode() + b"q\tp\t0\nq\tcaf\xe9\t1\n"), "line 3", "0xe9")


@pytest.mark.parametrize("label", ["maybe", "2", "-1", "", "1.0"])
def test_rejects_label_outside_the_classes(tsv, label):
    rejects(tsv(f"{HEADER}q\tp\t{label}\n"), "line 2", "'label'", repr(label), "['wrong', 'right']")


@pytest.mark.parametrize("label", [True, 1.0, None, [1]])
def test_rejects_json_label_that_is_no_class(tsv, label):
    rejects(tsv(json.dumps({"question": "q", "passage": "p", "label": label}), "pairs.jsonl"), "line 1", "'label'")


def test_rejects_pair_with_two_labels(tsv):
    rejects(tsv(HEADER + "q\tp\t0\nq\tp2\t0\nq\tp\t1\n"), "line 4", "line 2", "'right'", "'wrong'")


def test_rejects_file_without_pairs(tsv):
    rejects(tsv(HEADER), "none")
    rejects(tsv(""), "none")


@pytest.mark.parametrize("line", ['{"question": ', "[1, 2]", '{"question": "q", "passage": 3, "label": 1}'])
def test_rejects_broken_json(tsv, line):
    good = '{"question": "q", "passage": "p", "label": 1}\n'
    rejects(tsv(good + line, "pairs.jsonl"), "line 2")


def test_rejects_half_a_character(tsv):
    rejects(tsv(r'{"question": "q", "passage": "\ud800", "label": 1}', "pairs.jsonl"), "line 1", "'passage'")


def test_rejects_broken_gzip(tsv):
    whole = gzip.compress(b'{"question": "q", "passage": "p"}\n' * 50)
    rejects(tsv(whole[:-9], "corpus.jsonl.gz"), "gzip", read=read_corpus)
    rejects(tsv(b"plain text", "corpus.jsonl.gz"), "gzip", read=read_corpus)


def test_repeated_pairs_count_once_and_are_logged(tsv, caplog):
    with caplog.at_level(logging.WARNING):
        rows = read_pairs(tsv(HEADER + "q\tp\t0\nq\tp\twrong\nq\tp2\t1\n"), classes=CLASSES)
    assert len(rows) == 2
    assert "1 pairs came more than once" in caplog.text


def test_corpus_joins_the_files_of_a_pattern_in_order(tsv, tmp_path, caplog):
    line = '{{"question": "q{0}", "passage": "p", "question_id": {0}, "other": null}}\n'
    tsv(line.format(2) + line.format(1), "part-2.jsonl")
    tsv(gzip.compress(line.format(1).encode()), "part-1.jsonl.gz")
    rows = read_corpus(tmp_path / "part-*")
    assert tuple(rows.column_names) == CORPUS_COLUMNS
    assert rows["question"][:] == ["q1", "q2"]
    assert rows["question_id"][:] == ["1", "2"]
    assert "1 pairs" in caplog.text


def test_corpus_path_may_hold_brackets(tsv):
    assert len(read_corpus(tsv('{"question": "q", "passage": "p"}', "a[1].jsonl"))) == 1


def test_rejects_pattern_without_files(tmp_path):
    rejects(tmp_path / "none-*.jsonl", "cannot be read", read=read_corpus)
