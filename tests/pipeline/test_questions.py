"""Teachers and students that learn from batches of whole questions."""

import json

import pytest

from tests.pipeline.running import compose_at
from tmkd.errors import DataError
from tmkd.experiment.check_questions import check_questions
from tmkd.experiment.experiment import Experiment
from tmkd.pipelines import stage0, stage2

SMALL = [
    "experiment=smoke", "encoder.layers=3", "student.layers=2", "student.seeds=[1]", "teachers.count=1",
    "method=tmkd", "runtime.threads=1", "runtime.precision=fp32",
]  # fmt: skip


def steps(home, kind):
    [path] = home.glob(f"artifacts/{kind}-*/manifest.json")
    return json.loads(path.read_text())["details"]["training"]["steps"]


@pytest.mark.thorough
def test_all_stages_learn_from_whole_questions(tmp_path):
    teachers = ["teachers.group_size=0", "teachers.batch_questions=4", "teachers.roster.0.epochs=1"]
    students = ["stage1.group_size=2", "stage1.batch_questions=5", "stage2.group_size=3", "stage2.epochs=1"]
    stage2.run(compose_at(tmp_path, *SMALL, *teachers, *students, "+terms=rkd"))
    assert steps(tmp_path, "teacher") == 4  # batches of 15 questions
    assert steps(tmp_path, "stage1") == 4  # of 20
    assert steps(tmp_path, "stage2") == 3  # 16 pairs are five questions of three


def test_corpus_of_single_passages_is_refused_before_anything_is_trained(tmp_path):
    corpus = tmp_path / "corpus.tsv"
    corpus.write_text("question\tpassage\nwhy?\tso\nhow?\tso\n")
    config = compose_at(tmp_path, *SMALL, f"corpus.path={corpus}", "stage1.group_size=2")
    with pytest.raises(
        DataError, match=r"several passages of a question .* is 2 \(arm tmkd\), but each of its 2 pairs"
    ):
        stage0.run(config)
    assert not list((tmp_path / "artifacts").rglob("teacher-*"))


def test_corpus_whose_files_all_count_questions_from_1_is_told_where_batches_are_of_questions(tmp_path, caplog):
    # Their passages would be compared with each other, as if one question had them all.
    corpus = tmp_path / "corpus.tsv"
    asked = [("why?", 1), ("how?", 1), ("who?", 2), ("why?", 1)]
    lines = "".join(f"{question}\tpassage {at}\t{own}\n" for at, (question, own) in enumerate(asked))
    corpus.write_text("question\tpassage\tquestion_id\n" + lines)
    experiment = Experiment(compose_at(tmp_path, *SMALL, f"corpus.path={corpus}", "stage1.group_size=2"))
    for _ in range(2):
        check_questions(experiment)
    told = [each.getMessage() for each in caplog.records if "question ids" in each.getMessage()]
    assert len(told) == 1
    assert told[0].startswith("corpus: 1 question ids stand for questions with different texts")
    assert told[0].endswith("the first is 1: 'why?' and 'how?'")
