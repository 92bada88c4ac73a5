"""Rows that cannot be read: told at once, or left out and counted."""

import pytest

from tests.unit.reading_files import HEADER, read_pairs, rejects

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
