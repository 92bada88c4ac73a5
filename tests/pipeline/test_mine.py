"""Hard negatives, end to end: a teacher whose scores are known judges what the search finds."""

from __future__ import annotations

import json
import logging
import math
import os
from pathlib import Path

import numpy as np
import pytest

from tests.pipeline.running import compose_at
from tmkd.config import Config
from tmkd.errors import ConfigError, DataError, ModelError
from tmkd.evaluation.ensemble import average_probabilities
from tmkd.experiment.experiment import Experiment
from tmkd.pipelines import mine
from tmkd.results.candidates import Candidates
from tmkd.results.soft_labels import SoftLabels
from tmkd.store.soft_labels import read_soft_labels

# The second passage means the same as the right one, and nobody has labelled it.
TRAIN = {
    "where do trains to the coast leave": (
        "trains to the coast leave from platform four",
        "buses to the coast leave from the market",
    ),
    "when do trains to the hills leave": ("trains to the hills leave at noon", "buses to the hills leave at dawn"),
    "what do trains to the lake cost": ("trains to the lake cost nine coins", "buses to the lake cost two coins"),
}
SAME = "platform four is where trains to the coast leave"
OTHERS = ["trains to the coast were painted blue", "trains to the hills are slow", "trains to the lake are short"]
Rows = list[dict[str, object]]


def probability(question: str, passage: str) -> float:
    """A teacher that knows what is right, and finds passages about trains harder than others."""
    if passage == TRAIN.get(question, ("", ""))[0] or (passage == SAME and "coast" in question):
        return 0.9
    return 0.5 if "trains" in passage else 0.1


def log_odds(question: str, passage: str) -> float:
    given = probability(question, passage)
    return math.log(given / (1 - given))


def write(path: Path, rows: Rows) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def read(path: Path) -> Rows:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The task, a file of passages, and a file with the teacher's score of every pair that could be asked for."""
    passages = [SAME, *OTHERS, *(text for pair in TRAIN.values() for text in pair)]
    pairs: Rows = []
    for split in ("train", "validation", "test"):
        labelled: Rows = [
            {"question_id": f"{split}-{number}", "question": question, "passage": passage, "label": label}
            for number, (text, texts) in enumerate(TRAIN.items())
            for question in [text if split == "train" else f"{text} in the {split} week"]
            for passage, label in zip(texts, ("right", "wrong"))
        ]
        write(tmp_path / f"{split}.jsonl", labelled)
        pairs += labelled
    pairs += [{"question": question, "passage": passage} for question in TRAIN for passage in passages]
    seen = {(row["question"], row["passage"]): row for row in pairs}
    scored: Rows = [
        {"question": question, "passage": passage, "score": log_odds(str(question), str(passage))}
        for question, passage in seen
    ]
    write(tmp_path / "scores.jsonl", scored)
    # a right passage in other spaces and letters is no candidate, nor is one that comes twice
    upper = TRAIN["where do trains to the coast leave"][0].upper().replace(" ", "  ")
    (tmp_path / "passages.txt").write_text("\n".join([*passages, upper, SAME]) + "\n", encoding="utf-8")
    return tmp_path


def composed(home: Path, *overrides: str) -> Config:
    files = [f"data.{split}={home}/{split}.jsonl" for split in ("train", "validation", "test")]
    roster = f"teachers.roster=[{{kind: scores, path: '{home}/scores.jsonl'}}]"
    usual = ("experiment=smoke", "data=files", roster, "teachers.calibration=none", "method=kd")
    return compose_at(home, *usual, *files, f"mine.passages={home}/passages.txt", *overrides)


def mined(folder: Path) -> Rows:
    return [row for row in read(folder / "train.jsonl") if "rank" in row]


def test_likely_right_passages_are_dropped_and_the_hardest_others_kept(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    folder = mine.run(composed(home, "mine.keep=3", "mine.candidates=8"))
    rows = read(folder / "train.jsonl")
    coast = [row for row in rows if row["question"] == "where do trains to the coast leave"]
    assert [row["label"] for row in coast] == ["right", "wrong", "wrong", "wrong", "wrong"]
    assert SAME not in [row["passage"] for row in coast], "a negative that is right"
    assert all("trains" in str(row["passage"]) for row in coast[2:]), "the teacher finds these the hardest"
    assert [round(float(str(row["score"])), 3) for row in coast] == [0.9, 0.1, 0.5, 0.5, 0.5]
    assert "1 dropped as likely right" in caplog.text and SAME in caplog.text
    assert "0 of 3 questions got fewer than 3" in caplog.text
    others = [row for row in mined(folder) if row["question"] != "where do trains to the coast leave"]
    assert SAME in [row["passage"] for row in others], "of other questions it is a fine negative"


def test_own_passages_and_their_copies_are_never_candidates(home: Path) -> None:
    folder = mine.run(composed(home, "mine.candidates=30"))
    found = read(folder / "candidates.jsonl")
    for question, own in TRAIN.items():
        texts = [" ".join(str(row["passage"]).lower().split()) for row in found if row["question"] == question]
        assert len(set(texts)) == len(texts) == 8
        assert not set(own) & set(texts)


def test_without_a_file_the_passages_are_those_of_the_training_split(home: Path) -> None:
    folder = mine.run(composed(home, "mine.passages=null"))
    known = {text for pair in TRAIN.values() for text in pair}
    assert len(mined(folder)) == 3 * 4 and {row["passage"] for row in mined(folder)} <= known


def test_mined_files_are_a_task(home: Path) -> None:
    folder = mine.run(composed(home))
    files = [f"data.{split}={folder / split}.jsonl" for split in ("train", "validation", "test")]
    again = Experiment(composed(home, *files))
    rows = again.task.rows("train").read(again.context)
    assert len(rows) == 6 + len(mined(folder)) and sum(rows["label"]) == 3
    assert len(again.task.rows("test").read(again.context)) == 6


def test_labels_that_the_settings_turn_round_are_not_turned_twice(home: Path) -> None:
    for split in ("train", "validation", "test"):  # 0 means right, as in some tasks of GLUE
        rows = read(home / f"{split}.jsonl")
        write(home / f"{split}.jsonl", [{**row, "label": int(row["label"] == "wrong")} for row in rows])
    turned = ("data.classes=['0','1']", "data.labels={0: '1', 1: '0'}")
    folder = mine.run(composed(home, *turned))
    files = [f"data.{split}={folder / split}.jsonl" for split in ("train", "validation", "test")]
    again = Experiment(composed(home, *turned, *files))
    rows = again.task.rows("train").read(again.context)
    assert len(mined(folder)) and sum(rows["label"]) == 3
    assert {row["passage"] for row in rows if row["label"]} == {right for right, _ in TRAIN.values()}


def test_columns_have_the_names_that_the_settings_read(home: Path) -> None:
    for split in ("train", "validation", "test"):
        named: Rows = [
            {"q": row["question"], "p": row["passage"], "is": row["label"], "source": str(row["question"])[:4]}
            for row in read(home / f"{split}.jsonl")
        ]
        write(home / f"{split}.jsonl", named)
    columns = ("data.question=q", "data.passage=p", "data.label=is")
    folder = mine.run(composed(home, *columns, "data.extra_columns=[source]"))
    assert list(mined(folder)[0]) == ["question_id", "q", "p", "is", "source", "score", "rank"]
    assert all(row["source"] == str(row["q"])[:4] for row in read(folder / "train.jsonl"))
    with pytest.raises(ConfigError, match=r"data\.label: expected another name of a column than score and rank"):
        mine.run(composed(home, "data.label=score"))


def test_second_run_scores_nothing_and_writes_the_same(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = mine.run(composed(home))
    before = (folder / "train.jsonl").read_bytes()
    monkeypatch.setattr("tmkd.results.untrained.UntrainedTeacher.label", None)
    monkeypatch.setattr("tmkd.data.candidates.top_candidates", None)
    mine.run(composed(home, "mine.keep=4"))
    assert (folder / "train.jsonl").read_bytes() == before
    mine.run(composed(home, "mine.keep=1"))
    assert len(mined(folder)) == 3


def test_run_that_ended_while_scoring_goes_on_from_its_shards(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tmkd.store.shards

    config = composed(home, "runtime.shard_size=6")
    experiment = Experiment(config)
    found = Candidates.of(experiment.task, config.mine, config.corpus, False)
    found.build(experiment.context)
    SoftLabels.of(experiment.roster[0], experiment.task.rows("train")).build(experiment.context)
    usual, written = tmkd.store.shards.save_file, []

    def ends(*args: object, **kwargs: object) -> None:
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(args)
        usual(*args, **kwargs)

    monkeypatch.setattr(tmkd.store.shards, "save_file", ends)
    with pytest.raises(KeyboardInterrupt):
        mine.run(config)
    monkeypatch.setattr(tmkd.store.shards, "save_file", usual)
    mine.run(config)
    labels = SoftLabels.of(experiment.roster[0], found.rows()).find(experiment.context)
    assert labels is not None
    assert labels.details["scored_in_the_last_run"] == labels.details["pairs"] - 2 * 6


def test_embeddings_find_candidates_too(home: Path) -> None:
    by_words = mine.run(composed(home, "mine.candidates=3")) / "candidates.jsonl"
    words = read(by_words)
    meaning = read(mine.run(composed(home, "mine.by=embeddings", "mine.candidates=3")) / "candidates.jsonl")
    assert len(words) == len(meaning) == 9 and words != meaning
    coast = [row["passage"] for row in meaning if row["question"] == "where do trains to the coast leave"]
    assert coast[0] == SAME


def key(config: Config) -> str:
    return Candidates.of(Experiment(config).task, config.mine, config.corpus, False).key


@pytest.mark.parametrize(
    ("overrides", "counts"),
    [
        (("mine.candidates=7",), True),
        (("mine.by=embeddings",), True),
        (("mine.passages=null",), True),
        (("corpus.stop_words=null",), True),
        (("corpus.characters=2",), True),
        (("mine.by=embeddings", "corpus.characters=2"), True),
        (("mine.keep=1", "mine.below=0.5", "mine.margin=0.1"), False),
    ],
)
def test_candidates_are_known_by_what_shapes_them(home: Path, overrides: tuple[str, ...], counts: bool) -> None:
    assert (key(composed(home, *overrides)) != key(composed(home))) == counts


def test_candidates_follow_the_content_of_the_passages(home: Path) -> None:
    before = key(composed(home))
    os.rename(home / "passages.txt", home / "moved.txt")
    assert key(composed(home, f"mine.passages={home}/moved.txt")) == before
    (home / "moved.txt").write_text("trains are late\n")
    assert key(composed(home, f"mine.passages={home}/moved.txt")) != before


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("mine.teacher=2",), r"mine\.teacher: expected a number of a teacher of the roster, from 1 to 1, got 2"),
        (("mine.teacher=0",), r"mine\.teacher: expected"),
        (("mine.by=magic",), r"mine\.by: expected one of bm25, embeddings, got magic"),
        (("mine.encoder=x",), r"mine\.encoder: expected null where mine\.by is not embeddings"),
        (("mine.keep=0",), r"mine\.keep: expected more than 0"),
        (("mine.below=1.5",), r"mine\.below: expected more than 0 and at most 1, or null"),
        (("mine.margin=-1",), r"mine\.margin: expected"),
    ],
)
def test_setting_that_makes_no_sense_is_one_sentence(home: Path, overrides: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        composed(home, *overrides)


def test_what_cannot_be_mined_is_one_sentence(home: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected a task with data\.ranking=true"):
        mine.run(composed(home, "data.ranking=false"))
    with pytest.raises(ModelError, match=r"mine\.encoder: expected a hub name or a folder but there is no folder \./x"):
        mine.run(composed(home, "mine.by=embeddings", "mine.encoder=./x"))
    (home / "x").mkdir()
    with pytest.raises(ModelError, match=r"mine\.encoder: expected what SentenceTransformer reads"):
        mine.run(composed(home, "mine.by=embeddings", f"mine.encoder={home}/x"))
    (home / "passages.txt").write_text("\n")
    with pytest.raises(DataError, match=r"mine\.passages: expected at least one text but found none; add rows to"):
        mine.run(composed(home))
    (home / "passages.txt").write_text("x\n".join(text for text in ["unseen trains"]))
    with pytest.raises(DataError, match=r"scores of the (3 )?pairs of candidates, but it has none"):
        mine.run(composed(home))


def test_question_whose_passages_are_all_its_own_is_one_sentence(home: Path) -> None:
    rows = read(home / "train.jsonl")[:2]
    write(home / "train.jsonl", rows)
    with pytest.raises(DataError, match=r"name a file of others in mine\.passages"):
        mine.run(composed(home, "mine.passages=null"))


def test_training_split_without_right_passages_is_one_sentence(home: Path) -> None:
    write(home / "train.jsonl", [row for row in read(home / "train.jsonl") if row["label"] == "wrong"])
    with pytest.raises(DataError, match="every row of the train split has the label 'wrong'"):
        mine.run(composed(home))


def test_pairs_without_a_score_are_left_out_where_that_is_allowed(home: Path) -> None:
    scores = read(home / "scores.jsonl")
    write(home / "scores.jsonl", [row for row in scores if row["passage"] != OTHERS[0]])
    with pytest.raises(
        DataError,
        match=r"has no score of 3 of \d+ pairs of candidates .the first is row \d+ .*; score those of mined/candidates",
    ):
        mine.run(composed(home))
    folder = mine.run(composed(home, "teachers.missing=skip"))
    assert mined(folder) and OTHERS[0] not in [row["passage"] for row in mined(folder)]


def test_copies_of_a_trained_teacher_judge_by_what_they_teach(home: Path) -> None:
    trained = "teachers.roster=[{learning_rate: 1e-3, batch_size: 16, epochs: 1}]"
    usual = ("experiment=smoke", "method=kd", "mine.below=null", "mine.candidates=9")
    config = compose_at(home, *usual, trained, "teachers.cross_fit=2")
    rows = read(mine.run(config) / "train.jsonl")
    experiment = Experiment(config)
    train = experiment.task.rows("train")
    labels = SoftLabels.of(experiment.roster[0], train).find(experiment.context)
    assert labels is not None and experiment.roster[0].what.endswith("2 copies")
    logits = read_soft_labels(labels.folder(), train.read(experiment.context)["id"][:])
    given = [float(str(row["score"])) for row in rows if "rank" not in row]
    np.testing.assert_allclose(given, average_probabilities([logits])[:, 1], atol=1e-5)
    assert len(rows) == 60 + 15 * 4
