"""A plan names what a run will make and adds it up; the calibration is made up here, so that sums can be worked out."""

from __future__ import annotations

import io
import json
import shutil
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from datasets import Dataset
from hydra import compose, initialize_config_dir
from rich.console import Console

from tmkd.config import check, resolve
from tmkd.experiment.experiment import Experiment
from tmkd.pipelines import calibration, plan
from tmkd.pipelines.calibration import Trial, timed
from tmkd.pipelines.estimate import estimate, try_member
from tmkd.pipelines.plan import notes
from tmkd.report.plan_table import PlanRow, duration, print_plan
from tmkd.store.predictions import write_predictions

ROOT = Path(__file__).parents[2]
PAIRS = {"train": 60, "validation": 30, "test": 32, "corpus": 80}  # of the smoke task, roughly; 10 tokens each


@pytest.fixture
def planned(tmp_path, monkeypatch):
    """A function from settings to a smoke run's experiment and the results that its plan names, none being there."""
    monkeypatch.chdir(ROOT)  # conf/data/smoke.yaml names its files from there

    def of(*overrides):
        small = ["experiment=smoke", "student.seeds=[1]", "teachers.count=2", "runtime.threads=1"]
        paths = [f"paths.{name}={tmp_path / name}" for name in ("artifacts", "reports", "runs")]
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            config = check(resolve(compose("config", overrides=[*small, *paths, *overrides])))
        experiment = Experiment(config)
        return experiment, plan.planned(experiment)

    return of


def tried(context, works):
    """100 tokens a second learnt, 1000 scored; 1000 weights, half of which learn."""
    pairs = {work.source: PAIRS[work.source.rpartition("/")[2]] for work in works}
    sizes = {source: (number, 10 * number) for source, number in pairs.items()}
    return Trial(1000, 500, 1000, {work.batch: 100.0 if work.batch else 1000.0 for work in works}, 2e9, sizes)


def by_stage(plan, try_member=tried):
    experiment, results = plan
    return {row.stage: row for row in estimate(experiment.context, results, try_member).rows}


def publish(experiment, result, **details):
    """Put a result into the store that says nothing but ``details``."""
    experiment.context.store.build(result.kind, result.spec, lambda work: details, result.what)


def made(tmp_path):
    return {path.name.partition("-")[0] for path in (tmp_path / "artifacts").glob("[!.]*")}


@pytest.mark.parametrize("own", ["student: {layers: 1}", "stage2: {epochs: 1}", "teachers: {count: 1}"])
def test_plan_makes_nothing_but_what_is_read(planned, tmp_path, own):
    experiment, results = planned("method=[kd,mkd,tmkd]", f"+method.arms.mkd.set={{{own}}}")
    assert made(tmp_path) <= {"task", "corpus", "overlap"}
    assert results and not any(result.find(experiment.context) for result in results)


def test_student_that_starts_from_a_teacher_is_tried_out_without_training_the_teacher(planned, tmp_path):
    experiment, results = planned("method=kd", "student.init=teacher", "student.layers=1")
    [student] = [result for result in results if result.kind == "stage2"]
    student.cost(experiment.context)[0].member.untrained()
    assert "teacher" not in made(tmp_path)


def test_experiments_that_are_varied_share_what_is_made(planned):
    experiment, _ = planned("method=kd")
    once = experiment.varied({"student": {"layers": 1}})
    twice = once.varied({"stage2": {"epochs": 1}})
    assert experiment.varied({}) is experiment
    assert experiment.varied({"student": {"layers": 1}}) is once
    assert twice.context is once.context is experiment.context
    assert twice.task is experiment.task


def test_every_result_is_counted_once(planned):
    rows = by_stage(planned("method=[kd,mkd,tmkd]", "student.seeds=[1,2]"))
    assert {stage: row.missing for stage, row in rows.items()} == {
        "teacher": 2,
        "soft_labels": 4,  # each teacher's on the training split and on the corpus
        "stage1": 2,
        "stage2": 6,
        "speed": 2,
    }
    assert not any(row.cached or row.unknown for row in rows.values())


def test_training_costs_its_epochs_its_validations_and_its_predictions(planned):
    rows = by_stage(planned("method=[kd,mkd,tmkd]"))
    # two teachers of 2 epochs: learn from train twice, score validation after each epoch and at the end, and test
    assert rows["teacher"].seconds == pytest.approx(2 * (2 * 600 / 100 + (3 * 300 + 320) / 1000))
    assert rows["teacher"].pairs == 2 * 2 * 60
    assert rows["soft_labels"].seconds == pytest.approx(2 * (600 + 800) / 1000)
    # one epoch of the corpus, and no validation but that of the end
    assert rows["stage1"].seconds == pytest.approx(800 / 100 + (300 + 320) / 1000)
    assert rows["stage2"].seconds == pytest.approx(3 * (2 * 600 / 100 + (3 * 300 + 320) / 1000))


def test_share_of_the_corpus_costs_its_share(planned):
    rows = by_stage(planned("method=tmkd", "stage1.share=0.25", "stage1.epochs=2"))
    assert rows["stage1"].pairs == 2 * 0.25 * 80


def test_groups_cost_the_pairs_that_an_epoch_sees(planned):
    # fifteen questions of four pairs, of which an epoch sees two; all of the corpus, whose questions have four as well
    groups = ["teachers.group_size=2", "stage1.group_size=0", "stage2.group_size=2", "+terms=rkd"]
    rows = by_stage(planned("method=tmkd", *groups))
    assert rows["teacher"].pairs == 2 * 2 * 30
    assert rows["stage1"].pairs == 80
    assert rows["stage2"].pairs == 2 * 30
    validated = (3 * 300 + 320) / 1000
    assert rows["stage2"].seconds == pytest.approx(2 * 300 / 100 + validated + 2 * 2 * 300 / 1000)  # and two teachers


def test_batch_of_questions_is_tried_out_at_the_pairs_that_it_holds(planned):
    experiment, results = planned("method=kd", "stage2.group_size=2", "stage2.batch_questions=3")
    [student] = [result for result in results if result.kind == "stage2"]
    assert [work.batch for work in student.cost(experiment.context)] == [6, None, None]


def test_terms_on_inner_states_cost_the_teachers_passes(planned):
    """They are the larger part of such a training, and are easily forgotten."""
    bare = by_stage(planned("method=mkd"))["stage2"].seconds
    told = by_stage(planned("method=mkd", "+terms=rkd"))["stage2"].seconds
    assert told - bare == pytest.approx(2 * 2 * 600 / 1000)  # two teachers, two epochs
    stored = planned("method=mkd", "+terms=rkd", "runtime.store_states=true")
    assert by_stage(stored)["stage2"].seconds - bare == pytest.approx(2 * 600 / 1000)
    assert any("stored" in note for note in notes(*stored))


def test_disk_is_weights_predictions_and_soft_labels(planned):
    experiment, results = planned("method=mkd")
    found = estimate(experiment.context, results, tried)
    rows = {row.stage: row for row in found.rows}
    assert rows["teacher"].size == 2 * 4 * (1000 + 1 * 2 * (30 + 32))
    assert rows["stage2"].size == 4 * (1000 + 3 * 2 * (30 + 32))  # the gold head and two soft ones
    assert rows["soft_labels"].size == 2 * 60 * (16 + 2 * 4)
    # three checkpoints of weights and two moments of what learns; the weights of two epochs
    assert found.scratch == 4 * (3 * (1000 + 2 * 500) + 2 * 1000)
    assert found.peak_bytes == 2e9


def test_each_architecture_is_tried_once_with_every_batch_size(planned):
    seen = []

    def counted(context, works):
        seen.append((works[0].member.what, {work.batch for work in works}))
        return tried(context, works)

    by_stage(planned("method=[kd,tmkd]", "stage2.batch_size=8", "teachers.roster.1.batch_size=4"), counted)
    assert sorted(seen, key=str) == [("teacher 1", {16, 4, None}), ("the student", {16, 8, None})]


def test_stage_that_nobody_can_estimate_is_listed(planned):
    rows = by_stage(planned("method=tmkd", "stage1.kind=language"))
    assert [(rows[stage].missing, rows[stage].unknown) for stage in ("language", "stage1")] == [(1, 1), (1, 1)]
    assert rows["stage2"].unknown == 0


def test_students_trained_together_cost_their_sum_and_are_each_what_they_are(planned):
    """Their parts of the result are stage 2's, and would be counted as trainings once more."""
    tried_out = {}

    def remembered(context, works):
        tried_out[works[0].member.architecture] = works[0].member
        return tried(context, works)

    rows = by_stage(
        planned("method=gold", "+method.online={kind: mutual, peers: [{layers: 2}, {layers: 1}]}"), remembered
    )
    assert rows["peers"].seconds == pytest.approx(2 * (2 * 600 / 100 + (3 * 300 + 320) / 1000))
    assert (rows["stage2"].missing, rows["stage2"].seconds, rows["stage2"].unknown) == (2, 0, 0)
    peers = {json.loads(known)["layers"]: who for known, who in tried_out.items() if who.what == "the student"}
    depths = {layers: who.untrained().encoder.config.num_hidden_layers for layers, who in peers.items()}
    assert depths == {1: 1, 2: 2}


def test_plan_says_that_the_best_teacher_is_not_known_until_all_are_there(planned):
    experiment, results = planned("method=mkd")
    assert any("best on validation is not known" in note for note in notes(experiment, results))
    for teacher in experiment.teachers():
        publish(experiment, teacher, validation={"map": 0.5})
    assert notes(experiment, results) == []


def test_best_teacher_is_taken_to_be_one_that_is_there(planned):
    """One that is not there has no metric, and must be neither better than one at 0 nor asked for it."""
    experiment, _ = planned("method=kd", "teachers.count=3")
    one, two, three = teachers = experiment.teachers()
    assert experiment.best_so_far(teachers) == 0
    publish(experiment, two, validation={"map": 0.0})
    assert experiment.best_so_far(teachers) == 1
    assert [each.objective.teachers for each in plan.planned(experiment) if each.kind == "stage2"] == [(two,)]
    publish(experiment, three, validation={"map": 0.5})
    publish(experiment, one, validation={"map": 0.5})
    assert experiment.best_so_far(teachers) == 0  # the first of equals
    assert experiment.best_so_far(teachers[1:]) == 1


def test_best_teacher_by_a_metric_that_nobody_asked_for_when_it_was_made(planned):
    """A teacher that is not trained here keeps its key, and its manifest the metrics of then."""
    experiment, _ = planned("method=kd", "teachers.count=2", "metric=mrr@3")
    rows = experiment.task.rows("validation").read(experiment.context)

    def answered(right):
        scores = np.where(np.array(rows["label"]) == 1, right, 0.5)

        def make(work):
            write_predictions(work, {"validation": np.log(np.stack([1 - scores, scores], axis=1))[None]})
            return {"validation": {"map": 0.9 - right}}

        return make

    for teacher, right in zip(experiment.teachers(), (0.1, 0.9)):
        experiment.context.store.build(teacher.kind, teacher.spec, answered(right), teacher.what)
    assert experiment.best_so_far(experiment.teachers()) == 1


def test_what_is_there_asks_for_nothing_that_it_was_made_from(planned, tmp_path):
    # or a plan would list soft labels that were removed to save disk, which no run makes again
    experiment, results = planned("method=kd")
    for result in results:
        publish(experiment, result, validation={"map": 0.5})
    [labels] = [result for result in results if result.kind == "soft_labels"]
    shutil.rmtree(tmp_path / "artifacts" / labels.name)
    again = plan.planned(experiment)
    assert set(again) == set(results) - {labels}
    estimate(experiment.context, again, lambda *_: pytest.fail("there is nothing to calibrate for"))


def test_what_a_stage_of_its_own_would_make_again_is_planned(planned, tmp_path):
    """Stage 1 asks for its students and their soft labels, whether or not those of stage 2 are there."""
    experiment, results = planned("method=tmkd")
    for result in results:
        publish(experiment, result, validation={"map": 0.5})
    gone = {result for result in results if result.kind == "stage1" or result.what.endswith("on corpus")}
    assert len(gone) == 3  # a student, and a set of soft labels from each teacher
    for result in gone:
        shutil.rmtree(tmp_path / "artifacts" / result.name)
    again = plan.planned(experiment)
    assert {result for result in again if result.find(experiment.context) is None} == gone


def test_run_prints_a_line_a_stage_in_the_order_of_the_run(planned, monkeypatch, capsys):
    monkeypatch.setattr(plan, "try_member", tried)
    experiment, _ = planned("method=tmkd")
    assert plan.run(experiment.config) == "10 results to make, 54 s"
    said = capsys.readouterr().out
    places = [said.index(f"\n{title}") for title in ("teachers", "soft labels", "stage-1", "stage-2", "measurements")]
    assert places == sorted(places)
    assert said.rstrip().endswith("A busier machine is slower.")


def test_trial_on_a_tiny_encoder_learns_scores_and_reads_sizes(planned, monkeypatch):
    monkeypatch.setattr(calibration, "SECONDS", 0.0)
    asked = []
    experiment, results = planned("method=gold", "teachers.count=1")
    estimate(experiment.context, results, lambda context, works: asked.append(works) or tried(context, works))
    trial = try_member(experiment.context, next(works for works in asked if works[0].member.what == "the student"))
    assert set(trial.speeds) == {16, None} and min(trial.speeds.values()) > 0
    assert 1000 < trial.learnable < trial.parameters  # its word embeddings stay as they are
    assert trial.peak_bytes > 1e7
    there = experiment.task.find(experiment.context).details["pairs"]
    for split in ("train", "validation", "test"):
        pairs, tokens = trial.sizes[experiment.task.rows(split).identity()]
        assert pairs == there[split] and 3 * pairs < tokens <= 64 * pairs


def test_trial_leaves_the_warm_up_out_and_grows_until_it_takes_long_enough(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(calibration, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    tokens = Dataset.from_dict({"id": [f"{row:016x}" for row in range(1000)], "length": [7] * 1000})
    seen = []

    def run(part):
        seen.append(len(part))
        clock[0] += 500.0 if len(seen) == 1 else len(part) * 0.02  # the first is slow
        return float(len(part))

    speed, peak = timed(run, tokens, 8)
    assert speed == pytest.approx(7 / 0.02)
    assert seen == [8, 8, 180]  # 0.16 s, then 3.6 s
    assert peak == 180.0
    seen.clear()
    speed, _ = timed(run, tokens.select(range(20)), 8)  # too few to last
    assert seen == [8, 8, 20]
    assert speed == pytest.approx(7 / 0.02)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0 s"),
        (0.2, "1 s"),
        (59.5, "1 min"),
        (61, "2 min"),
        (3599, "1 h"),
        (11400, "3 h 10 min"),
        (187200, "2 d 4 h"),
    ],
)
def test_time_is_told_as_one_says_it(seconds, told):
    assert duration(seconds) == told


def printed(rows, **more):
    out = io.StringIO()
    facts = {"title": "Plan", "scratch": 1e6, "free": 1e10, "peak": 2e9, "now": datetime(2024, 3, 1, 13, 42)} | more
    print_plan(rows, console=Console(file=out, width=200), **facts)
    return out.getvalue()


def test_names_with_brackets_are_shown_as_they_are():
    text = printed([PlanRow("teacher [a/b]", 1, 2, 0, 100, 1200.0, 3e6)], title="Plan of [x] [/y]", notes=["see [z]"])
    assert all(each in text for each in ("teacher [a/b]", "Plan of [x] [/y]", "see [z]"))


def test_totals_are_sums_with_the_time_of_the_end():
    rows = [PlanRow("teacher", 1, 2, 0, 100, 1200.0, 3e6), PlanRow("stage2", 0, 1, 0, 50, 180.0, 1e6)]
    said = printed(rows)
    assert "Time: about 23 min; done about 14:05 if started now." in said
    assert "Disk: about 4.0 MB, and up to 1.0 MB more while a training lasts; 10.0 GB free." in said
    assert "Memory: about 2.0 GB" in said
    assert "NOT ENOUGH" in printed(rows, free=4.5e6)
    assert "done about 15:42 on Sat 02 Mar" in printed([PlanRow("teacher", 0, 1, 0, 1, 26 * 3600.0, 1)])


def test_what_has_no_estimate_is_not_counted_as_free():
    said = printed([PlanRow("peers", 0, 1, 1), PlanRow("stage2", 0, 2, 1, 50, 60.0, 1e6)])
    assert "Time: about 1 min and what has no estimate (students trained together, stage-2 students)" in said
    lines = said.splitlines()
    assert next(line for line in lines if line.startswith("students trained together")).count("–") == 3
    assert "> 1 min" in next(line for line in lines if line.startswith("stage-2 students"))


def test_nothing_to_do_is_said_in_one_line():
    said = printed([PlanRow("teacher", 3)])
    assert "Everything is there: 0 s." in said
    assert "Left out" not in said and "Disk" not in said
