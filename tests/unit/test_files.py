"""Files of labelled pairs: columns, labels, and what is refused."""

import json
import logging

import pytest

from tests.unit.reading_files import HEADER, read_pairs, rejects
from tmkd.data.schema import PAIR_COLUMNS, pair_id
from tmkd.errors import DataError


def test_pairs_have_the_columns_of_the_schema(tsv):
    rows = read_pairs(tsv(HEADER + "q1\tp1\tright\nq1\tp2\t0\n"))
    assert tuple(rows.column_names) == PAIR_COLUMNS
    assert rows["label"][:] == [1, 0]
    assert rows["id"][0] == pair_id("q1", "p1")
    assert rows["question_id"][0] == rows["question_id"][1]


def test_class_names_go_before_indices(tsv):
    rows = read_pairs(tsv(HEADER + "q\tp\t1\n"), classes=("1", "0"))
    assert rows["label"][:] == [0]


def test_rejects_missing_file(tmp_path):
    rejects(tmp_path / "absent.tsv", "cannot be read")


def test_rejects_unknown_format(tsv):
    rejects(tsv(HEADER, "pairs.xlsx"), ".tsv, .csv, .jsonl, .json, .parquet")


def test_rejects_missing_column_and_lists_those_found(tsv):
    rejects(tsv("question\ttext\tlabel\nq\tp\t1\n"), "'passage'", "['question', 'text', 'label']")


def test_rejects_column_named_twice(tsv):
    rejects(tsv("question\tpassage\tpassage\tlabel\nq\tp\tp\t1\n"), "line 1", "twice")


@pytest.mark.parametrize("row", ["q\tp", "q\tp\t1\tmore"])
def test_rejects_wrong_field_count(tsv, row):
    rejects(tsv(f"{HEADER}q\tp\t0\n{row}\n"), "line 3", "expected 3 fields", f"found {len(row.split())}")


@pytest.mark.parametrize("field", ["question", "passage"])
def test_rejects_empty_text(tsv, field):
    row = {"question": "q", "passage": "p", field: "  "}
    rejects(tsv(f"{HEADER}q\tp2\t0\n{row['question']}\t{row['passage']}\t1\n"), "line 3", f"'{field}'")


@pytest.mark.parametrize("label", ["maybe", "2", "-1", "", "1.5"])
def test_rejects_label_outside_the_classes(tsv, label):
    rejects(tsv(f"{HEADER}q\tp\t{label}\n"), "line 2", "'label'", repr(label), "['wrong', 'right']")


@pytest.mark.parametrize(("label", "name"), [(True, "True"), (False, "False"), (1.0, "1"), (-1, "-1")])
def test_labels_that_are_no_text_go_by_their_names(tsv, label, name):
    path = tsv(json.dumps({"question": "q", "passage": "p", "label": label}), "pairs.jsonl")
    assert read_pairs(path, classes=("other", name))["label"] == [1]


def test_number_that_is_no_class_is_no_index_where_classes_are_numbers(tsv):
    path = tsv(f"{HEADER}q\tp\t0\n")
    with pytest.raises(DataError, match=r"must be one of \['1', '2', '3'\] but is '0'"):
        read_pairs(path, classes=("1", "2", "3"))


@pytest.mark.parametrize("label", [True, 1.5, float("nan"), None, [1]])
def test_rejects_json_label_that_is_no_class(tsv, label):
    rejects(tsv(json.dumps({"question": "q", "passage": "p", "label": label}), "pairs.jsonl"), "line 1", "'label'")


@pytest.mark.parametrize("others", [(', "question_id": 7', ""), ("", ', "question_id": 7')])
def test_rejects_question_id_of_some_rows_alone(tsv, others):
    rows = [f'{{"question": "q", "passage": "p{at}", "label": {at}{other}}}\n' for at, other in enumerate(others)]
    rejects(tsv("".join(rows), "a.jsonl"), "line 2", "field 'question_id'", "the first row has")


def test_rejects_pair_with_two_labels(tsv):
    rejects(tsv(HEADER + "q\tp\t0\nq\tp2\t0\nq\tp\t1\n"), "line 4", "line 2", "'right'", "'wrong'")


def test_repeated_pairs_count_once_and_are_logged(tsv, caplog):
    with caplog.at_level(logging.WARNING):
        rows = read_pairs(tsv(HEADER + "q\tp\t0\nq\tp\twrong\nq\tp2\t1\n"))
    assert len(rows) == 2
    assert "1 pairs came more than once" in caplog.text


def test_source_names_of_labels_are_mapped_and_others_are_classes_but_never_indices(tsv):
    path = tsv(HEADER + "q\tp1\tyes\nq\tp2\tno\nq\tp3\tright\n")
    assert read_pairs(path, labels={"yes": "right", "no": "wrong"})["label"][:] == [1, 0, 1]
    more = tsv(HEADER + "q\tp1\tyes\nq\tp4\t0\n", "more.tsv")
    rejects(more, "line 3", "['yes', 'wrong', 'right']", "'0'", read=lambda p: read_pairs(p, labels={"yes": "right"}))
    rejects(path, "line 3", "'no'", "'yes'", read=lambda path: read_pairs(path, labels={"yes": "right"}))


def test_column_of_ids_that_is_named_must_be_there_since_its_name_may_be_misspelt(tsv):
    table, row = tsv(f"qid\t{HEADER}1\tq\tp\t0\n1\tQ\tp2\t1\n"), {"qid": 1, "question": "q", "passage": "p", "label": 0}
    objects = tsv(json.dumps(row), "a.jsonl")
    for path in (table, objects):
        rejects(path, "there is no column 'q_id'", "'qid'", read=lambda path: read_pairs(path, question_id="q_id"))
    assert set(read_pairs(table, question_id="qid")["question_id"]) == {"1"}
    index = tsv(f"\t{HEADER}1\tq\tp\t0\n2\tq\tp2\t1\n", "index.tsv")  # as pandas writes it
    assert len(set(read_pairs(index, question_id="")["question_id"])) == 1
    rest = tsv(
        f"{json.dumps(row)}\n" + json.dumps({**row, "qid": 2, "passage": "p2"}).replace("qid", "other"), "b.jsonl"
    )
    rejects(rest, "line 2", "no column 'qid'", read=lambda path: read_pairs(path, question_id="qid"))
