import csv
import gzip
import io
import json
import logging
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, Features, Value

from tmkd.data.bad_rows import BadRows
from tmkd.data.files import files_of
from tmkd.data.formats import open_file
from tmkd.data.labelled import read_labelled
from tmkd.data.labels import Labels
from tmkd.data.rows import Columns, read_corpus
from tmkd.data.schema import CORPUS_COLUMNS, PAIR_COLUMNS, pair_id
from tmkd.data.separated import Dialect
from tmkd.errors import DataError

CLASSES = ("wrong", "right")
HEADER = "question\tpassage\tlabel\n"


def read_pairs(path, *, classes=CLASSES, label="label", labels=None, skip=False, cache=None, **columns):
    bad, names = BadRows(skip), Columns(**columns)
    source = open_file(path, (names.question, names.passage, label), (names.question_id,))
    rows = read_labelled(source, names, meaning=Labels(label, classes, labels or {}), bad=bad, file=cache)
    skipped = bad.settle()
    return (rows.data, skipped) if skip else rows.data


def read_unlabelled(path, skip=False, cache=None):
    sources = (open_file(file, ("question", "passage"), ("question_id",)) for file in files_of(path))
    return read_corpus(sources, Columns(), skip=skip, cache=cache)


@pytest.fixture
def tsv(tmp_path):
    def write(content: str | bytes, name: str = "pairs.tsv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def rejects(path, *parts, read=read_pairs):
    with pytest.raises(DataError) as caught:
        read(path)
    message = str(caught.value)
    assert "\n" not in message
    for part in (str(path), *parts):
        assert part in message
    assert re.search(r"; [a-z]", message), "no advice"


def test_pairs_have_the_columns_of_the_schema(tsv):
    rows = read_pairs(tsv(HEADER + "q1\tp1\tright\nq1\tp2\t0\n"))
    assert tuple(rows.column_names) == PAIR_COLUMNS
    assert rows["label"][:] == [1, 0]
    assert rows["id"][0] == pair_id("q1", "p1")
    assert rows["question_id"][0] == rows["question_id"][1]


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


def test_rejects_open_quote(tsv):
    rejects(tsv(HEADER + 'q\t"p\t0\n'), "quoting")


@pytest.mark.parametrize("field", ["question", "passage"])
def test_rejects_empty_text(tsv, field):
    row = {"question": "q", "passage": "p", field: "  "}
    rejects(tsv(f"{HEADER}q\tp2\t0\n{row['question']}\t{row['passage']}\t1\n"), "line 3", f"'{field}'")


def test_rejects_broken_utf8(tsv):
    rejects(tsv(HEADER.encode() + b"q\tp\t0\nq\tcaf\xe9\t1\n"), "line 3", "0xe9")


@pytest.mark.parametrize("label", ["maybe", "2", "-1", "", "1.5"])
def test_rejects_label_outside_the_classes(tsv, label):
    rejects(tsv(f"{HEADER}q\tp\t{label}\n"), "line 2", "'label'", repr(label), "['wrong', 'right']")


def test_unquoted_file_whose_texts_begin_and_end_with_quotes_loses_no_rows_in_silence(tsv):
    # A reader that trusts the quotes finds one row of three fields here, and no mistake.
    said = HEADER + 'q1\t"To be" she began\tright\nq2\tpassage\tright\nq3\tended "not to be"\twrong\n'
    rejects(tsv(said.replace('"To be" she', '"To be she').replace('"not to be"', 'not to be"')), "line 4", "swallowed")


def test_longer_text_than_the_csv_module_expects_is_read(tsv):
    assert len(read_pairs(tsv(f"{HEADER}q\t{'word ' * 40_000}\tright\n"))["passage"][0]) == 199_999


def test_empty_columns_at_the_end_of_a_header_are_no_repeated_name(tsv):
    rows = read_pairs(tsv("question,passage,label,,\nq,p,right,,\n", "pairs.csv"))
    assert rows["passage"] == ["p"]


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


@pytest.mark.parametrize("line", ['{"question": ', "[1, 2]", '{"question": "q", "passage": 3, "label": 1}'])
def test_rejects_broken_json(tsv, line):
    good = '{"question": "q", "passage": "p", "label": 1}\n'
    rejects(tsv(good + line, "pairs.jsonl"), "line 2")


def test_rejects_half_a_character(tsv):
    rejects(tsv(r'{"question": "q", "passage": "\ud800", "label": 1}', "pairs.jsonl"), "line 1", "'passage'")


def test_rejects_broken_gzip(tsv):
    whole = gzip.compress(b'{"question": "q", "passage": "p"}\n' * 50)
    rejects(tsv(whole[:-9], "corpus.jsonl.gz"), "gzip", read=read_unlabelled)
    rejects(tsv(b"plain text", "corpus.jsonl.gz"), "gzip", read=read_unlabelled)


def test_repeated_pairs_count_once_and_are_logged(tsv, caplog):
    with caplog.at_level(logging.WARNING):
        rows = read_pairs(tsv(HEADER + "q\tp\t0\nq\tp\twrong\nq\tp2\t1\n"))
    assert len(rows) == 2
    assert "1 pairs came more than once" in caplog.text


@pytest.mark.parametrize("content", [b"", gzip.compress(b"", mtime=0), gzip.compress(b"\n", mtime=0)])
def test_names_a_shard_without_rows(tsv, tmp_path, caplog, content):
    # A shard that was cut short on its way looks like one that is empty: silence would lose it.
    tsv(gzip.compress(b'{"question": "q", "passage": "p"}\n'), "part-1.jsonl.gz")
    empty = tsv(content, "part-2.jsonl.gz")
    found = read_unlabelled(tmp_path / "part-*")
    assert len(found.rows) == 1
    assert found.skipped == {str(empty): {"no rows": 1}}
    assert f"{empty}: there are no rows in it" in caplog.text


def test_corpus_joins_the_files_of_a_pattern_in_order(tsv, tmp_path, caplog):
    line = '{{"question": "q{0}", "passage": "p", "question_id": {0}, "other": null}}\n'
    tsv(line.format(2) + line.format(1), "part-2.jsonl")
    tsv(gzip.compress(line.format(1).encode()), "part-1.jsonl.gz")
    rows = read_unlabelled(tmp_path / "part-*").rows
    assert tuple(rows.column_names) == CORPUS_COLUMNS
    assert rows["question"][:] == ["q1", "q2"]
    assert rows["question_id"][:] == ["1", "2"]
    assert "1 pairs" in caplog.text


def test_corpus_path_may_hold_brackets(tsv):
    assert len(read_unlabelled(tsv('{"question": "q", "passage": "p"}', "a[1].jsonl")).rows) == 1


@pytest.mark.parametrize("pattern", ["*", "part-?.jsonl", "../*/part-*.jsonl", "../**/*.jsonl"])
def test_pattern_may_stand_in_a_folder_with_brackets(tsv, tmp_path, pattern):
    (tmp_path / "pairs [v1]").mkdir()
    tsv('{"question": "q", "passage": "p"}', "pairs [v1]/part-1.jsonl")
    assert len(read_unlabelled(f"{tmp_path}/pairs [v1]/{pattern}").rows) == 1


def test_rejects_pattern_without_files(tmp_path):
    rejects(tmp_path / "none-*.jsonl", "cannot be read", read=read_unlabelled)


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


def parquet(path, **columns):
    pq.write_table(pa.table(columns), path)
    return path


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


def test_source_names_of_labels_are_mapped_and_others_are_classes_but_never_indices(tsv):
    path = tsv(HEADER + "q\tp1\tyes\nq\tp2\tno\nq\tp3\tright\n")
    assert read_pairs(path, labels={"yes": "right", "no": "wrong"})["label"][:] == [1, 0, 1]
    more = tsv(HEADER + "q\tp1\tyes\nq\tp4\t0\n", "more.tsv")
    rejects(more, "line 3", "['yes', 'wrong', 'right']", "'0'", read=lambda p: read_pairs(p, labels={"yes": "right"}))
    rejects(path, "line 3", "'no'", "'yes'", read=lambda path: read_pairs(path, labels={"yes": "right"}))


BAD = HEADER.encode() + (
    b"q1\tp\t1\nq2\tp\nq3\t\t1\nq4\tcaf\xe9\t1\nq5\tp\tmaybe\nq6\tp\t1\nq7\tp\t0\nq6\tp\t1\nq6\tp\t0\n"
    b'q8\t"p"q\t0\nq9\tp\t0\nq9\tp\t0\n'
)
COUNTS = {
    "wrong field count": 1,
    "no text": 1,
    "broken UTF-8": 1,
    "unknown label": 1,
    "contradictory labels": 3,
    "broken quoting": 1,
}


def test_bad_rows_are_told_at_once_the_first_by_its_line_and_all_by_kind(tsv):
    path = tsv(BAD)
    rejects(path, "line 3: expected 3 fields", *(f"{count} {kind}" for kind, count in COUNTS.items()))


def test_bad_rows_are_skipped_counted_and_logged_with_their_lines(tsv, caplog):
    path = tsv(BAD)
    rows, skipped = read_pairs(path, skip=True)
    assert rows["question"][:] == ["q1", "q7", "q9"]
    assert skipped == {str(path): COUNTS | {"came before": 1}}
    assert f"{path}: 3 rows left out (contradictory labels): line 7, 9, 10" in caplog.text
    assert sum(count for count in skipped[str(path)].values()) + len(rows) == BAD.count(b"\n") - 1


@pytest.mark.parametrize("kept", ["q1\tp\t1\n", "q1\tp\t1\r\n", "q1\tp\t1\r"])
def test_rows_after_broken_quoting_are_still_read(tsv, kept):
    rows, _ = read_pairs(tsv(HEADER + 'q\t"p"x\t0\n' + kept), skip=True)
    assert rows["question"][:] == ["q1"]


@pytest.mark.parametrize("row", ['q\t"p\t0\n', 'q\t"p\t0\nlost\tp\t0\nq\t"x"\t1\n', 'q\t"p\t0\nlost\tp\t0\nx"\n'])
def test_open_quote_raises_even_where_bad_rows_are_skipped(tsv, row):
    # it swallows good rows, and nobody would know how many
    rejects(tsv(HEADER + row), "begins in line 2", read=lambda path: read_pairs(path, skip=True))


def test_header_that_is_no_utf8_always_raises(tsv):
    rejects(tsv((HEADER + "q\tp\t0\n").encode("utf-16")), "line 1", read=lambda path: read_pairs(path, skip=True))


def test_json_rows_are_skipped_one_by_one(tsv):
    good = '{"question": "q", "passage": "p", "label": 1}\n'
    rows, skipped = read_pairs(tsv(good + '{"question"\n[1]\n{"question": "q", "label": 1}\n', "a.jsonl"), skip=True)
    assert len(rows) == 1
    assert list(skipped.values()) == [{"broken JSON": 2, "missing field": 1}]


def test_corpus_skips_and_counts_by_file(tsv, tmp_path):
    good = '{{"question": "q{}", "passage": "p"}}\n'
    tsv(good.format(1) + good.format(2), "part-1.jsonl")
    tsv("question\tpassage\nq2\tp\nq3\t\nq4\tp\n", "part-2.tsv")
    rejects_at = str(tmp_path / "part-2.tsv")
    with pytest.raises(DataError, match=re.escape(f"{rejects_at}, line 3")):
        read_unlabelled(tmp_path / "part-*")
    for cache in (None, tmp_path / "cache"):
        found = read_unlabelled(tmp_path / "part-*", skip=True, cache=cache)
        assert found.rows["question"][:] == ["q1", "q2", "q4"]
        assert found.skipped == {rejects_at: {"no text": 1, "came before": 1}}
    assert [file.name for file in (tmp_path / "cache").iterdir()] == ["corpus.arrow"]


def test_repeated_pairs_of_a_corpus_are_counted_by_the_file_that_repeats_them(tsv, tmp_path):
    good = '{{"question": "q{}", "passage": "p"}}\n'
    numbers = {"a.jsonl": [1, 2, 1], "b.jsonl": [3], "c.jsonl": [2, 4, 3, 2, 5]}
    for name, each in numbers.items():
        tsv("".join(map(good.format, each)), name)
    for cache in (None, tmp_path / "cache"):
        found = read_unlabelled(tmp_path / "*.jsonl", cache=cache)
        assert found.rows["question"][:] == ["q1", "q2", "q3", "q4", "q5"]
        assert found.rows["id"][:] == [pair_id(f"q{number}", "p") for number in range(1, 6)]
        assert found.skipped == {
            str(tmp_path / "a.jsonl"): {"came before": 1},
            str(tmp_path / "c.jsonl"): {"came before": 3},
        }
    assert [file.name for file in (tmp_path / "cache").iterdir()] == ["corpus.arrow"]


def test_corpus_without_pairs_is_refused(tsv):
    with pytest.raises(DataError, match="none"):
        read_unlabelled(tsv("question\tpassage\n", "a.tsv"))


def test_corpus_is_deduplicated_across_batches_and_in_order(tsv, tmp_path, monkeypatch):
    monkeypatch.setattr("tmkd.data.rows.BATCH", 7)
    names = [(n * n) % 61 for n in range(200)]
    tsv("".join(f'{{"question": "q{name}", "passage": "p"}}\n' for name in names), "a.jsonl")
    found = read_unlabelled(tmp_path / "a.jsonl", cache=tmp_path / "cache").rows
    assert found["question"][:] == [f"q{name}" for name in dict.fromkeys(names)]


def test_corpus_rows_never_stand_in_memory_together(tmp_path, monkeypatch):
    # a dictionary of all rows would need tens of megabytes here
    import tracemalloc

    monkeypatch.setattr("tmkd.data.rows.BATCH", 500)
    passage = "word " * 100
    with gzip.open(tmp_path / "a.jsonl.gz", "wt", compresslevel=1) as file:
        file.writelines(f'{{"question": "q{n}", "passage": "{passage}{n}"}}\n' for n in range(20_000))
    tracemalloc.start()
    rows = read_unlabelled(tmp_path / "a.jsonl.gz", cache=tmp_path / "cache").rows
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(rows) == 20_000
    assert peak < 5e6


NUMBERED = '{{"question": "q{}", "passage": "p"}}\n'


@pytest.mark.parametrize("pattern", ["", "*", "**/*"])
def test_what_programs_leave_beside_data_is_no_part_of_a_corpus(tsv, tmp_path, pattern, caplog):
    caplog.set_level(logging.INFO)
    (tmp_path / "out" / "__MACOSX").mkdir(parents=True)
    tsv(gzip.compress(NUMBERED.format(1).encode()), "out/part-00000.jsonl.gz")
    tsv(NUMBERED.format(2), "out/part-00001.jsonl")
    for name in ("_SUCCESS", ".part-00000.crc", "part-00001.jsonl.crc", ".DS_Store", "__MACOSX/._part-00000.jsonl.gz"):
        tsv(b"\0\x05\x16\x07", f"out/{name}")
    assert read_unlabelled(f"{tmp_path}/out/{pattern}").rows["question"][:] == ["q1", "q2"]
    assert "not read, as they hold no pairs: _SUCCESS, __MACOSX, part-00001.jsonl.crc" in caplog.text


def test_underscored_file_that_is_asked_for_is_read(tsv, tmp_path):
    path = tsv(NUMBERED.format(1), "_mine.jsonl")
    assert files_of(path) == files_of(tmp_path / "_*.jsonl") == [path]


def test_folder_in_place_of_a_file_is_named_with_a_pattern(tmp_path):
    (tmp_path / "train.csv").mkdir()
    rejects(tmp_path / "train.csv", "an empty folder; name a file")
    (tmp_path / "train.csv" / "part-1.csv").touch()
    rejects(tmp_path / "train.csv", "a folder", "part-*")


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.csv.gz", "a.tsv.gz"])
def test_joined_gzip_files_with_a_mark_and_a_header_each_are_one_file(tsv, name):
    separator = {"csv": ",", "tsv": "\t"}.get(name.split(".")[1])
    head = separator.join(("question", "passage")) + "\n" if separator else ""
    line = f"q{{}}{separator}p\n" if separator else NUMBERED
    members = [gzip.compress(b"\xef\xbb\xbf" + (head + line.format(at)).encode()) for at in range(3)]
    assert read_unlabelled(tsv(b"".join(members), name)).rows["question"][:] == ["q0", "q1", "q2"]


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
