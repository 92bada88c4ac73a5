import gzip
import json

import pytest

from tmkd.data.mined import MINED, mine
from tmkd.data.schema import CORPUS_COLUMNS, pair_id
from tmkd.errors import ConfigError, DataError

PASSAGES = ["the cat sleeps on the mat", "a dog barks at night", "cats and dogs", "the dog sleeps at night", "rain"]
QUESTIONS = {"which dog sleeps": "1", "who barks": "2"}


def test_best_passages_come_first_then_others_drawn_at_random_without_repetition():
    rows = mine(QUESTIONS, PASSAGES, candidates=2, random=2, seed=1)
    assert tuple(rows.column_names) == CORPUS_COLUMNS
    assert rows["question_id"][:] == ["1"] * 4 + ["2"] * 4
    assert rows["passage"][0] == PASSAGES[3]
    assert rows["passage"][4] == PASSAGES[1]
    assert rows["id"][0] == pair_id("which dog sleeps", PASSAGES[3])
    assert len(set(rows["id"])) == 8


def test_draw_follows_the_seed_and_not_the_other_questions():
    def drawn(questions, seed):
        rows = mine(questions, PASSAGES * 1 + [f"filler {n}" for n in range(40)], candidates=1, random=3, seed=seed)
        return [row["passage"] for row in rows if row["question"] == "who barks"]

    assert drawn(QUESTIONS, 1) == drawn({"who barks": "2"}, 1)
    assert drawn(QUESTIONS, 1) != drawn(QUESTIONS, 2)


def test_fewer_passages_than_asked_are_all_paired():
    assert len(mine(QUESTIONS, PASSAGES, candidates=4, random=9, seed=1)) == 2 * len(PASSAGES)


def settings(tmp_path, **changes):
    corpus = {
        "reader": "mined", "path": str(tmp_path / "questions.txt"), "passages": str(tmp_path / "passages-*"),
        "question": "question", "passage": "passage", "question_id": "question_id",
        "candidates": 2, "random": 1, "seed": 1, "separator": None, "quoting": "csv",
        "format": "pairs", "queries": None, "documents": None, "extra_columns": [],
        "stop_words": "en", "stemmer": None, "characters": 0,
    }  # fmt: skip
    return {"reader": "mined", "on_bad_row": "raise"}, corpus | changes


def write(tmp_path):
    (tmp_path / "questions.txt").write_text("which dog sleeps\n\nwho barks\nwho barks\n")
    lines = "".join(json.dumps({"passage": text}) + "\n" for text in PASSAGES[:3]).encode()
    (tmp_path / "passages-1.jsonl.gz").write_bytes(gzip.compress(lines))
    (tmp_path / "passages-2.tsv").write_text("\n".join(["passage\tsource", *(f"{text}\tx" for text in PASSAGES[3:])]))


def test_questions_and_passages_come_from_files_of_any_format(tmp_path):
    write(tmp_path)
    for cache in (None, tmp_path / "cache"):
        found = MINED.corpus(*settings(tmp_path), cache)
        assert len(found.rows) == 2 * 3
        assert found.rows["passage"][0] == PASSAGES[3]
        assert found.skipped == {str(tmp_path / "questions.txt"): {"came before": 1}}


def test_identity_follows_both_kinds_of_files(tmp_path):
    write(tmp_path)
    before = MINED.corpus_identity(*settings(tmp_path))
    assert {key: len(hashes) for key, hashes in before.items()} == {"path": 1, "passages": 2}
    (tmp_path / "questions.txt").write_text("who sleeps\n")
    changed = MINED.corpus_identity(*settings(tmp_path))
    assert changed["passages"] == before["passages"]
    assert changed["path"] != before["path"]


def test_what_is_missing_is_named(tmp_path):
    write(tmp_path)
    with pytest.raises(ConfigError, match=r"corpus\.passages is empty"):
        MINED.corpus(*settings(tmp_path, passages=None), None)
    with pytest.raises(DataError, match=r"none-\*.*cannot be read"):
        MINED.corpus(*settings(tmp_path, passages=str(tmp_path / "none-*.txt")), None)
    with pytest.raises(DataError, match="there is no column 'text'"):
        MINED.corpus(*settings(tmp_path, passages=str(tmp_path / "passages-2.tsv"), passage="text"), None)
    with pytest.raises(DataError, match="there is no column 'qid'"):
        MINED.corpus(
            *settings(tmp_path, path=str(tmp_path / "passages-2.tsv"), question="passage", question_id="qid"), None
        )
    (tmp_path / "questions.txt").write_text("\n")
    with pytest.raises(DataError, match=r"corpus\.path: expected at least one text"):
        MINED.corpus(*settings(tmp_path), None)
    with pytest.raises(ConfigError, match="gives no labels"):
        MINED.task(*settings(tmp_path), None)
