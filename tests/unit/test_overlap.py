"""What a corpus shares with the splits: counted over batches, said, and refused where it gives the test away."""

import logging

import pytest
from datasets import Dataset

from tests.pipeline.running import compose_at
from tmkd.data import overlap as counting
from tmkd.data.overlap import overlap
from tmkd.data.schema import pair_id
from tmkd.errors import ConfigError, DataError
from tmkd.experiment.experiment import Experiment
from tmkd.experiment.overlap import check_overlaps
from tmkd.pipelines import stage0, stage1
from tmkd.pipelines.plan import planned
from tmkd.results.corpus import Overlap

TEST, VALIDATION = "Why does the heart beat faster when we run?", "What makes the tides rise and fall?"  # of data/smoke
TRAIN = "How long does the Earth take to go around the Sun?"


def rows(*pairs):
    return Dataset.from_dict(
        {
            "id": [pair_id(question, passage) for question, passage in pairs],
            "question": [question for question, _ in pairs],
            "passage": [passage for _, passage in pairs],
        }
    )


SPLITS = {
    "train": rows(("a", "1"), ("a", "2"), ("b", "1")),
    "validation": rows(("c", "1")),
    "test": rows(("d", "1"), ("d", "2"), ("e", "1"), ("a", "9")),  # whose question a is in train as well
}


@pytest.mark.parametrize("batch", [1, 2, 10_000])
def test_pairs_and_questions_of_each_split_are_counted_over_batches(monkeypatch, batch):
    monkeypatch.setattr(counting, "BATCH", batch)
    corpus = rows(("x", "1"), ("a", "1"), ("a", "7"), ("d", "7"), ("d", "1"), ("x", "2"), ("a", "9"), ("b", "5"))
    seen = []
    found = overlap(corpus, SPLITS, seen.append)
    assert found["train"] == {"labelled": 1, "pairs": 4, "questions": 2, "of": 2}
    assert found["validation"] == {
        "labelled": 0, "pairs": 0, "questions": 0, "of": 1, "held_out": {"pairs": 0, "questions": 0, "example": None},
    }  # fmt: skip
    assert found["test"] == {
        "labelled": 2, "pairs": 5, "questions": 2, "of": 3,
        # ("a", "1") and ("a", "7") have a question that is learnt anyway; ("a", "9") is a test pair
        "held_out": {"pairs": 3, "questions": 2, "example": {"row": 4, "question": "d"}},
    }  # fmt: skip
    assert sum(seen) == len(corpus)


@pytest.fixture
def run(tmp_path):
    """A function from the questions of a corpus to the config of a smoke run on it."""

    def config(*questions, settings=()):
        file = tmp_path / "corpus.tsv"
        lines = "".join(f"{question}\tpassage {number}\n" for number, question in enumerate(questions))
        file.write_text("question\tpassage\n" + lines)
        small = ["experiment=smoke", "method=[gold,tmkd]", "student.seeds=[1]", "teachers.count=1"]
        return compose_at(tmp_path, *small, "runtime.threads=1", f"corpus.path={file}", *settings)

    return config


def shared(experiment):
    return Overlap(experiment.task, experiment.corpus)


def made(tmp_path):
    return {path.name.partition("-")[0] for path in (tmp_path / "artifacts").glob("[!.]*")}


@pytest.mark.parametrize("stage", [stage0.run, stage1.run, lambda config: planned(Experiment(config))])
def test_test_questions_in_the_corpus_are_refused_before_anything_is_trained(run, tmp_path, stage):
    said = (
        r"^corpus: expected no question of the test split but 2 of 4 pairs have one \(1 of 8 test questions\), for "
        rf"example row 3 of the corpus, '{TEST}'; take them out, or set corpus\.test_questions=allow\.$"
    ).replace("?", r"\?")
    with pytest.raises(DataError, match=said):
        stage(run("x", TRAIN, TEST, f"  {TEST}"))
    assert made(tmp_path) == {"task", "corpus", "overlap"}


def test_allowed_test_questions_are_said_and_the_corpus_keeps_its_name(run, caplog):
    refused = Experiment(run("x", TEST))
    allowed = Experiment(run("x", TEST, settings=["corpus.test_questions=allow"]))
    with caplog.at_level(logging.WARNING):
        check_overlaps(allowed)
    assert "0 of train (0.0 %), 0 of validation (0.0 %) and 1 of test (50.0 %)" in caplog.text
    assert shared(allowed) == shared(refused)
    assert allowed.corpus == refused.corpus


def test_validation_questions_are_said_and_not_refused(run, caplog):
    with caplog.at_level(logging.WARNING):
        check_overlaps(Experiment(run(VALIDATION, TRAIN)))
    assert "1 of train (50.0 %), 1 of validation (50.0 %) and 0 of test (0.0 %)" in caplog.text


def test_corpus_that_shares_training_questions_alone_is_no_warning(run, caplog):
    with caplog.at_level(logging.WARNING):
        check_overlaps(Experiment(run(TRAIN, "x")))
    assert "Corpus" not in caplog.text


def test_corpus_of_the_tasks_own_text_passes(run):
    own = Experiment(run("x", settings=["corpus=task"]))
    check_overlaps(own)
    found = shared(own).find(own.context).details
    assert found["splits"]["train"]["pairs"] == found["pairs"]
    assert found["splits"]["test"]["pairs"] == 0


def test_overlap_is_counted_once_for_a_task_and_a_corpus(run, monkeypatch):
    config = run("x", TRAIN)
    check_overlaps(Experiment(config))
    monkeypatch.setattr("tmkd.data.overlap.overlap", lambda *_: pytest.fail("counted again"))
    check_overlaps(Experiment(config))


def test_corpus_of_an_arm_of_its_own_is_looked_at_too(run, tmp_path):
    other = tmp_path / "other.tsv"
    other.write_text(f"question\tpassage\n{TEST}\tpassage\n")
    arm = f"+method.arms.tmkd.set={{corpus: {{path: {other}}}}}"
    with pytest.raises(DataError, match="but 1 of 1 pairs have one"):
        check_overlaps(Experiment(run("x", settings=[arm])))


def test_run_without_a_stage_1_reads_no_corpus(run, tmp_path):
    check_overlaps(Experiment(run(TEST, settings=["method=gold"])))
    assert not (tmp_path / "artifacts").exists()


def test_data_of_ones_own_without_text_for_stage_1_is_told_what_there_is(run):
    documentation = "corpus=documentation"  # the usual corpus, of packages that only the documentation task names
    with pytest.raises(ConfigError, match=r"corpus\.reader: expected unlabelled text .* corpus=files, .* or task"):
        check_overlaps(Experiment(run("x", settings=[documentation])))
    check_overlaps(Experiment(run("x", settings=[documentation, "method=gold"])))


def test_setting_that_is_neither_refuse_nor_allow_is_named(run):
    with pytest.raises(ConfigError, match=r"corpus\.test_questions: expected one of refuse, allow"):
        run("x", settings=["corpus.test_questions=ok"])
