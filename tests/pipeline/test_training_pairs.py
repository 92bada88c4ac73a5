"""A teacher that is fine-tuned on other pairs than the task's, through the stages."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from datasets import Dataset, DatasetDict

from tests.pipeline.running import compose_at
from tmkd.errors import DataError
from tmkd.experiment.experiment import Experiment
from tmkd.experiment.overlap import check_overlaps
from tmkd.pipelines import stage0
from tmkd.results.cross_fitted import CrossFittedTeacher
from tmkd.results.teacher import Teacher, fold_of

SMALL = ("experiment=smoke", "method=kd", "student.seeds=[1]", "runtime.threads=1", "runtime.precision=fp32")
HEADER = "question_id\tquestion\tpassage\tlabel\n"
SHARED = "How long does the Earth take to go around the Sun?"  # a question of data/smoke/train.tsv
TEST = "Why does the heart beat faster when we run?"  # of its test split
PAIRS = [f"sky-1\tWhat is {at}?\tIt is {at}.\tright\nsky-1\tWhat is {at}?\tIt is not.\twrong\n" for at in range(20)]
RECIPE = "learning_rate: 1e-3, batch_size: 16, epochs: 1"


def experiment(home: Path, more: str = "", *overrides: str, lines: str = "") -> Experiment:
    """A run with a teacher of the task, and one on pairs of its own."""
    (home / "own.tsv").write_text(HEADER + "".join(PAIRS) + lines, encoding="utf-8")
    roster = f"teachers.roster=[{{{RECIPE}}}, {{{RECIPE}, train: '{home}/own.tsv'{more}}}]"
    return Experiment(compose_at(home, *SMALL, roster, *overrides))


def learnt(teacher: Teacher, of: Experiment) -> Dataset:
    """What a teacher's training reads, as tokens."""
    return teacher._pairs(of.context, teacher.untrained(of.context))


def trained(teacher: object) -> Teacher:
    assert isinstance(teacher, Teacher)
    return teacher


def test_teacher_learns_its_own_pairs_alone_or_beside_the_tasks(tmp_path: Path) -> None:
    alone, both = (experiment(tmp_path, more) for more in ("", ", train_with_task: true"))
    first, own = (trained(teacher) for teacher in alone.roster)
    assert own.own and own.own.rows().read(alone.context)["question"][0] == "What is 0?"
    assert [len(learnt(teacher, alone)) for teacher in (first, own)] == [60, 40]
    assert len(learnt(trained(both.roster[1]), both)) == 100
    assert len({first.key, own.key, both.roster[1].key}) == 3
    assert experiment(tmp_path, lines=PAIRS[0].replace("0", "99")).roster[1].key != own.key, "its content counts"
    alone.config.teachers.roster[1].train = None
    assert Experiment(alone.config).roster[1].key == first.key, "or results of earlier versions would be lost"


@pytest.mark.parametrize("reader", ["documentation", "hub"])
def test_format_of_a_teachers_files_is_read_whatever_the_task_is_of(tmp_path: Path, reader: str) -> None:
    row = {"query": "What is it?", "pos": ["It is."], "neg": ["It is not.", "Who knows?"]}
    (tmp_path / "own.jsonl").write_text(json.dumps(row))
    if reader == "hub":
        splits = {}
        for split in ("train", "validation", "test"):
            questions, labels = [f"{split} {at}" for at in range(4)], ["right", "wrong"] * 2
            splits[split] = Dataset.from_dict({"sentence1": questions, "sentence2": ["x"] * 4, "label": labels})
        DatasetDict(splits).save_to_disk(str(tmp_path / "hub"))
        task = [f"data.path={tmp_path}/hub", *(f"data.{split}={split}" for split in splits), "data.ranking=false"]
        task += ["data.question=sentence1", "data.passage=sentence2"]
    else:
        task = ["data=documentation", "data.packages=[networkx]", "data.questions=[8,4,4]"]
    roster = f"teachers.roster=[{{{RECIPE}, train: {tmp_path}/own.jsonl}}]"
    run = Experiment(compose_at(tmp_path, *SMALL, roster, f"data.reader={reader}", *task, "data.format=flag_embedding"))
    assert len(learnt(trained(run.roster[0]), run)) == 3


def test_copies_see_nothing_of_the_questions_that_they_label(tmp_path: Path) -> None:
    # or a copy would label from memory a question that its own pairs have too
    line = f"mine\t{SHARED}\tAbout as long as a year lasts.\tright\n"
    run = experiment(tmp_path, ", train_with_task: true", "teachers.cross_fit=2", lines=line)
    cross_fitted = run.roster[1]
    assert isinstance(cross_fitted, CrossFittedTeacher)
    rows = cross_fitted.copies[0].learnt.read(run.context)
    questions = dict(zip(rows["id"], rows["question"]))
    train = run.task.rows("train").read(run.context)
    for fold, copy in enumerate(cross_fitted.copies):
        left = {question for question, at in zip(train["question"], fold_of(train["question_id"], 2)) if at == fold}
        seen = [questions[name] for name in learnt(copy, run)["id"]]
        assert left and not left & set(seen)
        assert len(seen) == len(rows) - sum(question in left for question in rows["question"])


def test_teacher_that_never_saw_the_training_split_has_no_copies(tmp_path: Path) -> None:
    first, own = experiment(tmp_path, "", "teachers.cross_fit=2").roster
    assert isinstance(first, CrossFittedTeacher) and isinstance(own, Teacher)


def test_test_question_is_refused_before_any_teacher_is_trained(tmp_path: Path) -> None:
    line = f"q\t{TEST}\tBecause it must.\tright\n"
    run = experiment(tmp_path, lines=line)
    with pytest.raises(
        DataError, match=r"own\.tsv, line 42: the same question is in the test split \(task smoke pairs"
    ):
        stage0.run(run.config)
    assert run.roster[0].find(run.context) is None


def test_pairs_that_are_the_tasks_are_counted_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    run = experiment(tmp_path, "", "+method.arms.kd.set.teachers.count=2")
    check_overlaps(run)
    told = [record.getMessage() for record in caplog.records if "teacher 2 learns" in record.getMessage()]
    assert len(told) == 1 and told[0].endswith("40 pairs; 0 pairs of the files are in the training split of the task")


@pytest.mark.thorough
def test_plan_counts_the_pairs_that_are_learnt_and_the_run_trains_on_them(tmp_path: Path) -> None:
    run = experiment(tmp_path)
    own = trained(run.roster[1])
    [learning, *_] = own.cost(run.context)
    assert learning.batch == 16 and learning.passes == 1
    assert len(learning.lengths(own.untrained(run.context))) == 40
    [_, made] = stage0.run(run.config)
    assert made.details["training"]["steps"] == 3, "40 pairs, 16 a step"
    assert set(made.details["validation"]) >= {"accuracy", "map"}
