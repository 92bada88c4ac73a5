"""Unlabelled files: patterns, shards, pairs that come more than once."""

import gzip
import logging
import re

import pytest

from tests.unit.reading_files import read_unlabelled, rejects
from tmkd.data.files import files_of
from tmkd.data.schema import CORPUS_COLUMNS, pair_id
from tmkd.errors import DataError


def test_rejects_broken_gzip(tsv):
    whole = gzip.compress(b'{"question": "q", "passage": "p"}\n' * 50)
    rejects(tsv(whole[:-9], "corpus.jsonl.gz"), "gzip", read=read_unlabelled)
    rejects(tsv(b"plain text", "corpus.jsonl.gz"), "gzip", read=read_unlabelled)


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
