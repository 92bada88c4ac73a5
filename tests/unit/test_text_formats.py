"""Text formats: quoting, separators, encodings, and texts of which nothing can be seen."""

import gzip
import json

import pytest

from tests.unit.reading_files import CLASSES, HEADER, read_pairs, rejects
from tmkd.data.formats import open_file
from tmkd.data.schema import pair_id
from tmkd.data.separated import Dialect
from tmkd.errors import DataError


def test_quoted_fields_may_hold_tabs_and_line_ends(tsv):
    content = HEADER + '"q\t1"\t"two\nlines and ""quotes"""\tright\nq2\t\tright\n'
    path = tsv(content)
    rejects(path, "line 4", "'passage'")  # the line of the file, though it is the second row
    rows = read_pairs(tsv(content.replace("q2\t\t", "q2\tp\t")))
    assert rows["question"][0] == "q\t1"
    assert rows["passage"][0] == 'two\nlines and "quotes"'


def test_other_column_names_and_a_byte_order_mark(tsv):
    path = tsv(b"\xef\xbb\xbf" + b"query\tdoc\trel\tqid\textra\nq\tp\t1\t17\tx\n")
    rows = read_pairs(path, classes=CLASSES, question="query", passage="doc", label="rel", question_id="qid")
    assert rows[0] == {"id": pair_id("q", "p"), "question_id": "17", "question": "q", "passage": "p", "label": 1}


def test_rejects_open_quote(tsv):
    rejects(tsv(HEADER + 'q\t"p\t0\n'), "quoting")


def test_rejects_broken_utf8(tsv):
    rejects(tsv(HEADER.encode() + b"q\tp\t0\nq\tcaf\xe9\t1\n"), "line 3", "0xe9")


def test_unquoted_file_whose_texts_begin_and_end_with_quotes_loses_no_rows_in_silence(tsv):
    # A reader that trusts the quotes finds one row of three fields here, and no mistake.
    said = HEADER + 'q1\t"To be" she began\tright\nq2\tpassage\tright\nq3\tended "not to be"\twrong\n'
    rejects(tsv(said.replace('"To be" she', '"To be she').replace('"not to be"', 'not to be"')), "line 4", "swallowed")


def test_longer_text_than_the_csv_module_expects_is_read(tsv):
    assert len(read_pairs(tsv(f"{HEADER}q\t{'word ' * 40_000}\tright\n"))["passage"][0]) == 199_999


def test_empty_columns_at_the_end_of_a_header_are_no_repeated_name(tsv):
    rows = read_pairs(tsv("question,passage,label,,\nq,p,right,,\n", "pairs.csv"))
    assert rows["passage"] == ["p"]


@pytest.mark.parametrize("line", ['{"question": ', "[1, 2]", '{"question": "q", "passage": 3, "label": 1}'])
def test_rejects_broken_json(tsv, line):
    good = '{"question": "q", "passage": "p", "label": 1}\n'
    rejects(tsv(good + line, "pairs.jsonl"), "line 2")


def test_rejects_half_a_character(tsv):
    rejects(tsv(r'{"question": "q", "passage": "\ud800", "label": 1}', "pairs.jsonl"), "line 1", "'passage'")


BARE = HEADER + 'q1\t"A quote," she said.\tright\n"q2\tp\twrong\nq3\t5" pipe\tright\n'


def test_quotes_are_part_of_the_texts_where_the_file_knows_no_quoting(tsv):
    path = tsv(BARE)
    rejects(path, "line 4", "set data.quoting=none")
    plain = open_file(path, ("question", "passage", "label"), dialect=Dialect(quoted=False))
    assert [record["question"] for _, record in plain.records] == ["q1", '"q2', "q3"]
    again = open_file(path, (), dialect=Dialect(quoted=False))
    assert [record["passage"] for _, record in again.records] == ['"A quote," she said.', "p", '5" pipe']


@pytest.mark.parametrize(("separator", "name"), [(";", "semicolon"), ("\t", "tab"), ("|", "pipe")])
def test_other_separator_is_named_and_can_be_set(tsv, separator, name):
    content = "\n".join(separator.join(row) for row in (("question", "passage", "label"), ("q", "a, b", "right")))
    path = tsv("\ufeff" + content, "pairs.csv")
    rejects(path, f"separated by a {name}; set data.separator={name}")
    source = open_file(path, ("question", "passage", "label"), dialect=Dialect(separator=name))
    assert [dict(record) for _, record in source.records] == [{"question": "q", "passage": "a, b", "label": "right"}]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", "question;passage\nq;p\n", "separated by a semicolon; write the table with commas"),
        ("a.csv", "sep=;\nquestion;passage\nq;p\n", "Excel's note on the separator"),
        ("a.tsv", 'question\tpassage\nq\t"p\n', "broken quoting"),
        ("a.tsv", 'question\tpassage\nq\t"p\nq\tp"\n', "swallowed"),
    ],
)
def test_settings_of_the_task_are_not_named_where_they_are_not_read(tsv, name, content, told):
    # tmkd score, evaluate and convert, files of scores, of queries and of documents: set there, they changed nothing.
    source = open_file(tsv(content, name), ("question", "passage"))
    with pytest.raises(DataError, match=told) as caught:
        list(source.records)
    assert "data." not in str(caught.value)


@pytest.mark.parametrize("skip", [False, True])
def test_json_array_is_refused_as_a_whole(tsv, skip):
    # Where bad rows are skipped, the last object, which has no comma, would be the only row.
    rows = ",\n".join(json.dumps({"question": f"q{at}", "passage": "p", "label": 1}) for at in range(3))
    for path in (tsv(f"[\n{rows}\n]", "a.json"), tsv(f"[{rows}]", "b.json")):
        rejects(path, "line 1", "JSON array", "one object a line", read=lambda path: read_pairs(path, skip=skip))


def test_json_field_that_is_there_twice_is_refused(tsv):
    # Python's reader takes the last: the label would be the other one, in silence.
    path = tsv('{"question": "q", "passage": "p", "label": 1, "label": 0}', "a.jsonl")
    rejects(path, "line 1", "the field 'label' twice", "leave one of the two out")


def test_empty_lines_above_the_header_are_none(tsv):
    assert len(read_pairs(tsv(f"\n\n{HEADER}q\tp\t0\n"))) == 1


@pytest.mark.parametrize(
    ("value", "said"), [(1984, "write it as text"), (["p"], "write a row for each"), (None, "fill it in")]
)
def test_field_that_is_no_text_is_told_with_what_to_do(tsv, value, said):
    rejects(tsv(json.dumps({"question": "q", "passage": value, "label": 1}), "a.jsonl"), "line 1", "'passage'", said)


@pytest.mark.parametrize("name", ["PAIRS.CSV", "Pairs.Csv.GZ"])
def test_ending_may_be_in_capitals(tsv, name):
    content = b"question,passage,label\nq,p,right\n"
    assert len(read_pairs(tsv(gzip.compress(content) if name.endswith("GZ") else content, name))) == 1


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-16-le", "utf-32"])
@pytest.mark.parametrize("name", ["a.tsv", "a.jsonl"])
def test_utf16_is_called_by_its_name(tsv, encoding, name):
    content = ("" if encoding in ("utf-16", "utf-32") else "\ufeff") + HEADER + "q\tp\t0\n"
    rejects(tsv(content.encode(encoding), name), "expected UTF-8 but found UTF-", "save the file as UTF-8")


@pytest.mark.parametrize(
    "seen", ["\u200b\u200d\ufeff", "\xa0\u3000", "\u202e\u200f", "\u2028", "\x00", "\u3164", "\ufe0f"]
)
def test_text_of_which_nothing_can_be_seen_is_no_text(tsv, seen):
    path = tsv("".join(json.dumps({"question": "q", "passage": p, "label": 1}) + "\n" for p in ("p", seen)), "a.jsonl")
    rejects(path, "line 2", "'passage'", f"\\u{ord(seen[0]):04x}" if ord(seen[0]) > 255 else f"\\x{ord(seen[0]):02x}")


@pytest.mark.parametrize("text", ["مرحبا", "न", "👩‍👩‍👧", "数", "\u200fa", "¿"])
def test_text_of_any_script_is_one(tsv, text):
    assert read_pairs(tsv(f"{HEADER}q\t{text}\t0\n"))["passage"] == [text]
