"""Files of scores as a teacher: joined by text, never by order, and never guessed."""

import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset
from tqdm import tqdm

from tests.unit.test_readers import corpus, data
from tests.unit.written import lines, pairs, write
from tmkd.choices import SCORE_FORMATS
from tmkd.data.bad_rows import NO_SCORE
from tmkd.data.readers import read_task
from tmkd.data.schema import pair_id
from tmkd.data.score_table import make_table
from tmkd.data.scores import Scored
from tmkd.errors import ConfigError, DataError
from tmkd.teachers.scores import LOOKED_AT, TABLE, Scores

CLASSES = ("wrong", "right")


def rows(*texts):
    """Rows to be scored."""
    return Dataset.from_list([{"id": pair_id(q, p), "question": q, "passage": p} for q, p in texts])


def scored(source, rows, answers, classes=CLASSES):
    source.check(classes)
    with source.open(None, classes, answers) as score, tqdm(disable=True) as bar:
        return score(rows, bar)


def scores_of(form, settings):
    """The teacher of the training split's file."""
    path = settings["train"]
    if form == "trec":
        path = path.replace(".qrels", ".run")
    if form == "sentence_transformers":
        path = lines(Path(path).with_suffix(".jsonl"), [{"a": q, "b": p, "score": s} for q, p, _, s in pairs("train")])
    texts = {key: settings[key] for key in ("queries", "documents") if key in settings}
    return Scores(path=str(path), format=form, **texts)


@pytest.mark.parametrize("form", SCORE_FORMATS)
def test_scores_meet_the_pairs_of_the_task_by_their_text(form, tmp_path):
    settings = write(form, tmp_path)
    train = read_task(data(**settings), corpus()).splits["train"]
    known = {(q, p): s for q, p, _, s in pairs("train")}
    shuffled = train.select(range(len(train) - 1, -1, -1))
    found = scored(scores_of(form, settings), shuffled, tmp_path / "answers")
    wanted = np.array([known[pair] for pair in zip(shuffled["question"], shuffled["passage"])], dtype=np.float32)
    assert found.shape == (len(train), 2) and found.dtype == np.float32
    np.testing.assert_allclose(found[:, 1] - found[:, 0], wanted, rtol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 0, atol=1e-6)


def own(folder, found, name="scores.jsonl"):
    return Scores(path=str(lines(folder / name, [dict(zip(("question", "passage", "score"), row)) for row in found])))


def test_texts_are_cleaned_as_those_of_the_task(tmp_path):
    found = scored(own(tmp_path, [(" q ", "p\n", 2)]), rows(("q", "p")), tmp_path / "answers")
    assert found.tolist() == [[-1.0, 1.0]]


def test_pair_without_a_score_is_nan_in_all_classes(tmp_path):
    found = scored(own(tmp_path, [("q", "p", 2)]), rows(("q", "other"), ("q", "p")), tmp_path / "answers")
    assert np.isnan(found[0]).all() and found[1].tolist() == [-1.0, 1.0]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e60, "high", "1_000", True, None, [None], "nan"])
@pytest.mark.parametrize("kept", [5, 500])
def test_score_that_is_no_finite_number_is_counted_and_named_by_its_row(bad, kept, tmp_path):
    # far down a file as at its top: `check` looks at the top alone
    good = [("q", f"p{at}", at) for at in range(kept)]
    source, answers = own(tmp_path, [*good, ("q", "p", bad), ("q", "r", bad)]), tmp_path / "answers"
    assert np.isnan(scored(source, rows(("q", "p")), answers)).all()
    [found] = source.strange(answers)
    assert (found.kind, found.number) == (NO_SCORE, 2)
    named = rf"scores.jsonl, line {kept + 1}: .*; (score the pair again|the format|fill)"
    assert re.search(named, found.first)
    assert [each.first for each in source.strange()] == ([found.first] if kept < LOOKED_AT else [])


def test_rows_without_any_score_are_refused_with_the_first(tmp_path):
    path = lines(tmp_path / "s.jsonl", [{"question": "q", "passage": "p"}])
    told = r"found none \(1 row without a score\): .*s.jsonl, line 1: there is no score; the format pairs has"
    with pytest.raises(DataError, match=told):
        scored(Scores(path=str(path)), rows(("q", "p")), tmp_path / "answers")


def test_null_among_the_scores_of_a_row_takes_no_score_from_the_others(tmp_path):
    row = {"query": "q", "pos": ["a"], "pos_scores": [None], "neg": ["b", "c"], "neg_scores": [1, None]}
    path, answers = lines(tmp_path / "s.jsonl", [row]), tmp_path / "answers"
    source = Scores(path=str(path), format="flag_embedding")
    found = scored(source, rows(("q", "a"), ("q", "b"), ("q", "c")), answers)
    assert np.isnan(found[[0, 2]]).all() and found[1].tolist() == [-0.5, 0.5]
    assert [each.told for each in source.strange(answers)] == ["1 row without a score"], "or one row would be two"


def test_pair_with_two_scores_has_none_and_is_named_with_both_rows(tmp_path):
    many = [("q", f"p{at}", at) for at in range(20_000)]
    source = own(tmp_path, [*many, ("q", "p7", 7), ("q", "p9", 3.5), ("q", "p9", 9), ("q", "p8", 1)])
    found = scored(source, rows(("q", "p7"), ("q", "p8"), ("q", "p9")), tmp_path / "answers")
    assert np.isnan(found).any(axis=1).tolist() == [False, True, True]
    [strange] = source.strange(tmp_path / "answers")
    assert strange.told == "2 pairs with two different scores"
    assert re.search(r"line 20002: the score 3.5 is not the 9 that .* line 10; leave one of the two", strange.first)


def test_file_of_which_every_pair_has_two_scores_is_refused(tmp_path):
    with pytest.raises(
        DataError, match=r"none \(1 pair with two different scores\): .*line 2: the score 2 is not the 1"
    ):
        scored(own(tmp_path, [("q", "p", 1), ("q", "p", 2)]), rows(("q", "p")), tmp_path / "answers")


def test_row_that_cannot_be_read_ends_the_run_whatever_may_be_missing(tmp_path):
    source = own(tmp_path, [("q", "p", 1)])
    with (tmp_path / "scores.jsonl").open("a") as file:
        file.write("{not json\n")
    with pytest.raises(DataError, match=r"scores.jsonl, line 2: "):
        source.check(CLASSES)


def test_scores_that_no_split_asks_for_are_counted_with_the_first_row(tmp_path):
    source, answers = own(tmp_path, [("q", "p", 2), ("q", "x", 1), ("q", "r", 1), ("q", "y", 0)]), tmp_path / "answers"
    scored(source, rows(("q", "p")), answers)
    told = source.unasked(answers, [rows(("q", "p")), rows(("q", "r"), ("q", "other"))])
    assert told == f"2 of 4 scored pairs (the first: {tmp_path}/scores.jsonl, line 2)"
    assert source.unasked(answers, [rows(("q", "p"), ("q", "x")), rows(("q", "r"), ("q", "y"))]) is None


def test_equal_scores_of_one_pair_in_two_files_are_fine(tmp_path):
    for at in range(2):
        own(tmp_path, [("q", "p", 0.1), (f"q{at}", "p", 4)], f"part-{at}.jsonl")
    found = scored(Scores(path=f"{tmp_path}/part-*"), rows(("q", "p"), ("q1", "p")), tmp_path / "answers")
    np.testing.assert_allclose(found, [[-0.05, 0.05], [-2, 2]])


def test_logits_of_three_classes_are_taken_as_they_are(tmp_path):
    table = pa.table({"question": ["q", "r"], "passage": ["p", "p"], "scores": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.5]]})
    pq.write_table(table, tmp_path / "s.parquet")
    (tmp_path / "s.tsv").write_text("question\tpassage\tscores\nq\tp\t[1, 2, 3]\nr\tp\t[4, 5, 6.5]\n")
    for name in ("s.parquet", "s.tsv"):
        source, asked = Scores(path=str(tmp_path / name)), rows(("r", "p"), ("q", "p"))
        found = scored(source, asked, tmp_path / f"answers {name}", ("a", "b", "c"))
        assert found.tolist() == [[4.0, 5.0, 6.5], [1.0, 2.0, 3.0]]
        with pytest.raises(DataError, match=r"expected 2 numbers for the classes .* or one number but found 3"):
            source.check(CLASSES)


def test_one_number_is_too_little_for_three_classes(tmp_path):
    with pytest.raises(DataError, match=r"line 1: expected 3 numbers for the classes \['a', 'b', 'c'\] but found 1"):
        own(tmp_path, [("q", "p", 1)]).check(("a", "b", "c"))


def test_one_number_is_the_score_where_labels_are_grades(tmp_path):
    found = scored(own(tmp_path, [("q", "p", 2)]), rows(("q", "p"), ("q", "other")), tmp_path / "answers", ("score",))
    np.testing.assert_array_equal(found, [[2], [np.nan]])
    two = [{"question": "q", "passage": "p", "scores": [1, 2]}]
    with pytest.raises(
        DataError, match="expected one number for the score of a pair, as labels are grades or numbers, bu"
    ):
        Scores(path=str(lines(tmp_path / "two.jsonl", two))).check(("score",))


def test_rows_with_other_numbers_of_scores_are_refused():
    batch = [Scored(pair_id("q", "p"), (1.0, 2.0), "f, line", 1), Scored(pair_id("q", "r"), (1.0,), "f, line", 2)]
    with pytest.raises(
        DataError, match="f, line 2: expected 2 numbers for the score as in the rows before but found 1"
    ):
        make_table(batch, "f")


def test_file_without_scores_is_refused_by_the_check(tmp_path):
    with pytest.raises(DataError, match=r"scores.jsonl: expected at least one score but found none; add rows"):
        own(tmp_path, []).check(CLASSES)


def test_margins_are_no_scores(tmp_path):
    path = lines(tmp_path / "m.jsonl", [{"query": "q", "positive": "p", "negative": "n", "label": 1.5}])
    with pytest.raises(DataError, match=r"there is no score; .* three texts or more, a list with one for each passage"):
        scored(Scores(path=str(path), format="sentence_transformers"), rows(("q", "p")), tmp_path / "answers")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"format": "beir"}, "expected a format that holds scores, one of pairs"),
        (
            {"format": "trec", "queries": "q"},
            "expected a file of documents, to which its ids lead, where format is trec",
        ),
        ({"documents": "d"}, "expected no documents where format is pairs, got d"),
    ],
)
def test_fields_that_do_not_fit_are_refused(changes, told, tmp_path):
    with pytest.raises(ConfigError, match=told):
        Scores(path=str(tmp_path / "s.jsonl"), **changes).check(CLASSES)


@pytest.mark.parametrize("gone", ["path", "queries", "documents"])
def test_missing_file_is_found_by_the_check(gone, tmp_path):
    found = write("trec", tmp_path)
    fields = {
        "path": found["train"].replace("qrels", "run"),
        "queries": found["queries"],
        "documents": found["documents"],
    }
    with pytest.raises(DataError, match=r"absent.jsonl cannot be read"):
        Scores(format="trec", **fields | {gone: str(tmp_path / "absent.jsonl")}).check(CLASSES)


def test_id_without_a_text_is_counted_and_named(tmp_path):
    found = write("trec", tmp_path)
    source = scores_of("trec", found)
    lines(tmp_path / "documents.jsonl", [{"docid": "d0", "contents": "p"}])
    scored(source, rows(("q", "p")), tmp_path / "answers")
    [strange] = source.strange(tmp_path / "answers")
    assert strange.told == f"{len(list(pairs('train'))) - 1} rows without a text"
    assert re.search(r"train.run, line 2: 'd1' is the id of none of the documents in .*; add it", strange.first)


def test_files_are_read_once_for_all_splits(tmp_path):
    source = own(tmp_path, [("q", "p", 2)])
    before = source.identity()
    scored(source, rows(("q", "p")), tmp_path / "answers")
    assert {path.name for path in (tmp_path / "answers").iterdir()} <= {TABLE, "table.lock"}
    (tmp_path / "scores.jsonl").unlink()
    with source.open(None, CLASSES, tmp_path / "answers") as score, tqdm(disable=True) as bar:
        assert score(rows(("q", "p")), bar).tolist() == [[-1.0, 1.0]]
    own(tmp_path, [("q", "p", 3)])
    assert source.identity() != before


def test_identity_is_by_content_and_format_and_never_by_path(tmp_path):
    (tmp_path / "b").mkdir()
    one, other = own(tmp_path, [("q", "p", 2)], "a.jsonl"), own(tmp_path / "b", [("q", "p", 2)], "c.jsonl")
    assert one.identity() == other.identity() != Scores(path=one.path, format="tevatron").identity()
    assert str(tmp_path) not in json.dumps(one.identity())
    assert one.what == "scores of a.jsonl"


def test_bar_moves_by_the_pairs_that_are_scored(tmp_path):
    source = own(tmp_path, [("q", "p", 2)])
    with source.open(None, CLASSES, tmp_path / "answers") as score, tqdm(total=2, disable=False) as bar:
        score(rows(("q", "p"), ("q", "r")), bar)
        assert bar.n == 2
