"""All stages on random encoders, as a user runs them: separate processes, real command lines, kill -9."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from datasets import load_from_disk

from tmkd.evaluation.metrics import evaluate
from tmkd.reranker import Reranker
from tmkd.store.artifacts import open_artifact
from tmkd.store.soft_labels import read_soft_labels

ROOT = Path(__file__).parents[2]
STAGES = ("teachers", "stage1", "stage2", "stage3")
SMALL = ["experiment=smoke", "method=[gold,kd,m_o_m,mkd,tmkd]", "runtime.threads=1", "runtime.precision=fp32"]


def command(stage, home, *overrides):
    paths = [f"paths.{name}={home / name}" for name in ("artifacts", "reports", "runs")]
    flags = [word for word in overrides if word == "--multirun"]  # Hydra wants it before the settings
    return [
        sys.executable,
        "-m",
        f"stages.{stage}",
        *flags,
        *SMALL,
        *paths,
        *(word for word in overrides if word not in flags),
    ]


def run(stage, home, *overrides, code=0):
    done = subprocess.run(command(stage, home, *overrides), cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def comparison(home, experiment="smoke"):
    """The comparison without what is a measurement of this moment: speed, what training cost, and the mean loss, which
    after a kill is summed in other portions."""
    found = json.loads((home / "reports" / experiment / "comparison.json").read_text())
    chance, *rows = found["rows"]
    assert (chance["arm"], chance["pairs_per_second"], chance["train_seconds"]) == ("chance", None, None)
    for row in rows:
        assert all(row.pop(name) > 0 for name in ("pairs_per_second", "train_seconds", "train_bytes"))
    for each in found["training"]:
        assert all(each.pop(name) > 0 for name in ("seconds", "peak_bytes"))
        assert all(loss > 0 for loss in each.pop("loss"))
    return found


def leaves(value, path=""):
    """Every number and text in nested lists and dictionaries, with the way to it."""
    if isinstance(value, dict | list):
        for name, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(item, f"{path}/{name}")
    else:
        yield path, value


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A home in which the whole pipeline ran without a break, and what each stage said."""
    home = tmp_path_factory.mktemp("whole")
    return home, {stage: run(stage, home) for stage in STAGES}


def test_comparison_has_every_arm_with_seeds_tests_and_artifacts(whole):
    home, said = whole
    found = comparison(home)
    rows = {row["arm"]: row for row in found["rows"]}
    assert list(rows) == [
        "chance", "student without distillation", "KD (1-o-1)", "m-o-m", "MKD", "TMKD",
        "teacher 1", "teacher 2", "teacher 3", "teacher ensemble",
    ]  # fmt: skip
    assert found["experiment"] == "smoke"
    assert re.fullmatch("[0-9a-f]{12}", found["fingerprint"])
    for name, row in rows.items():
        assert {"accuracy", "auc", "map", "mrr", "ndcg"} <= set(row["metrics"])
        assert all(len(metric["values"]) == (len(row["seeds"]) or 1) for metric in row["metrics"].values())
        assert all((home / "artifacts" / artifact / "manifest.json").exists() for artifact in row["artifacts"])
        assert ("KD (1-o-1)" in row["versus"]) == (name not in ("chance", "KD (1-o-1)"))
    # one of four passages is right: most of the accuracies above are had by answering "wrong" always
    assert (rows["chance"]["metrics"]["accuracy"]["mean"], rows["chance"]["settings"]) == (0.75, {"majority": "wrong"})
    assert rows["chance"]["metrics"]["map"]["mean"] == pytest.approx(25 / 48)
    assert (rows["teacher ensemble"]["kept"], rows["teacher ensemble"]["to_ensemble"]) == (1.0, 0.0)
    assert rows["TMKD"]["seeds"] == [1, 2]
    assert len(rows["m-o-m"]["artifacts"]) == 6
    assert rows["m-o-m"]["parameters"] == 3 * rows["KD (1-o-1)"]["parameters"]
    assert 0 <= rows["TMKD"]["versus"]["KD (1-o-1)"]["p_value"] <= 1
    assert "TMKD" in said["stage3"]
    for file in ("comparison.csv", "comparison.md", "map_against_speed.png"):
        assert (home / "reports" / "smoke" / file).stat().st_size > 0


def test_comparison_says_what_it_was_made_of_and_on_which_machine(whole):
    home, said = whole
    found, text = comparison(home), (home / "reports" / "smoke" / "comparison.md").read_text()
    (overlap,) = found["overlap"]
    assert {split: counts["pairs"] for split, counts in overlap["splits"].items()} == dict.fromkeys(
        ("train", "validation", "test"), 0
    )
    assert {(each["split"], each["cut"]["pairs"], each["at_most"]) for each in found["cut"]} == {
        ("train", 60, False), ("validation", 24, False), ("test", 32, False), ("corpus", 80, False),
    }  # fmt: skip
    assert found["cut"][0]["rows"] == [row["arm"] for row in found["rows"]][1:]  # all read alike, but for chance
    (machine,) = found["computed_on"]["TMKD"]
    assert (machine["device"], machine["precision"], machine["threads"]) == ("cpu", "fp32", 1)
    assert machine.items() <= found["machine"].items()  # which timed them
    assert "none of its 80 pairs has a question of train, validation or test" in text
    assert "60 of 60 pairs of train (100.0 %)" in text
    assert "Not all rows were trained alike" not in text
    page = (home / "reports" / "smoke" / "index.html").read_text()
    assert "60 of 60 pairs of train (100.0 %)" in page
    assert said["teachers"].count("60 of 60 pairs of train (100.0 %) are longer than the 64 tokens") == 1


def test_page_has_the_curves_heads_mistakes_and_artifacts_of_its_rows(whole):
    home, said = whole
    found, page = comparison(home), (home / "reports" / "smoke" / "index.html").read_text()
    rows = {row["arm"]: row for row in found["rows"]}
    assert re.search("stage3 done: .*/index.html", said["stage3"])
    for name in ("All columns", "The worst mistakes", "Training", "Teachers and students", "Calibration", "Data",
                 "How it was made"):  # fmt: skip
        assert f"<h2>{name}</h2>" in page
    trained = [each for each in found["training"] if each["row"] == "TMKD"]
    assert [each["seed"] for each in trained] == [1, 2]
    assert all(len(each["validation"]) == 2 for each in trained)
    assert sum(each["row"] == "m-o-m" for each in found["training"]) == 6
    # in every run, the mean over heads is of as many heads as there are teachers, and the gold one
    heads = {each["name"]: each["metric"] for each in found["heads"] if each["row"] == "TMKD"}
    assert list(heads) == ["gold", "teacher 1", "teacher 2", "teacher 3"]
    assert not any(each["row"].startswith(("teacher", "m-o-m")) for each in found["heads"])
    agreement = found["teacher_agreement"]
    assert agreement["rows"] == ["teacher 1", "teacher 2", "teacher 3", "teacher ensemble"]
    fidelity = [rows[name]["metrics"]["agreement"]["mean"] for name in agreement["rows"]]
    assert [shares[-1] for shares in agreement["shares"]] == pytest.approx(fidelity)
    assert [each["row"] for each in found["calibration"]] == list(rows)[1:]
    mistakes = found["mistakes"]
    students = [row for name, row in rows.items() if not name.startswith(("teacher", "chance"))]
    assert rows[mistakes["row"]] == max(students, key=lambda row: row["metrics"]["map"]["mean"])
    assert mistakes["worst"][0]["question"] in page and len(mistakes["worst"][0]["probabilities"]) == 5
    assert {each["artifact"] for each in found["sources"]} == {
        name for row in rows.values() for name in row["artifacts"]
    }
    assert found["command"].startswith("tmkd stage3 experiment=smoke") and str(home) not in found["command"]


@pytest.mark.thorough
def test_rows_of_another_precision_are_named_and_what_it_shares_is_not_counted_again(whole, tmp_path):
    home, _ = whole
    shutil.copytree(home / "artifacts", tmp_path / "artifacts")
    said = run("stage3", tmp_path, "runtime.precision=bf16", "student.seeds=[3]", "method=kd")
    assert "make    what corpus" not in said
    text = (tmp_path / "reports" / "smoke" / "comparison.md").read_text()
    assert re.search(
        r"may be rounding: .*, cpu, bf16, 1 thread: KD \(1-o-1\); .*, cpu, fp32, 1 thread: teacher 1", text
    )


def test_loaded_student_answers_the_test_pairs_as_the_comparison_says(whole):
    home, _ = whole
    row = next(row for row in comparison(home)["rows"] if row["arm"] == "TMKD")
    reranker = Reranker.from_pretrained(home / "artifacts" / row["artifacts"][0], device="cpu", precision="fp32")
    (task,) = (home / "artifacts").glob("task-*")
    pairs = load_from_disk(str(task / "test"))
    scores = reranker.score(pairs["question"][:], pairs["passage"][:])
    found = evaluate(scores, np.array(pairs["label"]), pairs["question_id"][:], ranking=True)
    assert {name: metric["values"][0] for name, metric in row["metrics"].items() if name in found} == found


def test_every_stage_ends_with_what_it_made_and_the_next_command(whole):
    _, said = whole
    for stage, following in zip(STAGES, ("make stage1", "make stage2", "make stage3", "read the table")):
        assert re.search(rf"{stage} done: .* in \d+ s\. Next: {following}", said[stage])


def test_teachers_say_how_much_of_the_training_pairs_they_know_by_heart(whole):
    home, said = whole
    (task,) = (home / "artifacts").glob("task-*")
    pairs = load_from_disk(str(task / "train"))
    found = [open_artifact(path) for path in (home / "artifacts").glob("soft_labels-*")]
    on_train = [made for made in found if made.manifest["what"].endswith("on train")]
    assert len(on_train) == 3 and "accuracy" not in next(made for made in found if made not in on_train).details
    for made in on_train:
        answers = read_soft_labels(made.path, pairs["id"][:]).argmax(axis=1)
        right = float(np.mean(answers == np.array(pairs["label"])))
        assert made.details["accuracy"] == pytest.approx(right)
        assert f"is right in {100 * right:.1f} % of the training pairs" in said["stage2"]


@pytest.mark.thorough
def test_second_run_computes_nothing(whole):
    home, _ = whole
    before = {path: path.stat().st_mtime_ns for path in (home / "artifacts").rglob("*") if path.is_file()}
    said = [run(stage, home) for stage in STAGES]
    assert not any("make   " in text or "resume " in text for text in said)
    assert all("cached" in text for text in said)
    files = [path for path in (home / "artifacts").rglob("*") if path.is_file()]
    assert before == {path: path.stat().st_mtime_ns for path in files if path.suffix != ".lock"} | {
        path: stamp for path, stamp in before.items() if path.suffix == ".lock"
    }


@pytest.mark.thorough
def test_sweep_over_teacher_counts_trains_no_teacher_and_scores_no_corpus_again(whole):
    home, _ = whole
    one = "student.seeds=[1]"
    said = run("stage2", home, "--multirun", "teachers.count=1,2,3", "method=mkd,tmkd", one)
    assert "make    teacher" not in said
    assert "make    soft labels" not in said
    said = run("stage2", home, "--multirun", "sweep=teacher_count", "method=several_teachers", one)
    assert "make    teacher" not in said
    assert "make    soft labels" not in said
    said = run("stage3", home, "sweep=teacher_count", "method=several_teachers", one)
    assert "make    teacher" not in said
    assert "make    stage-1" not in said
    found = comparison(home, "teacher_count")
    rows = {row["arm"]: row for row in found["rows"]}
    assert {"MKD, N = 2", "TMKD, N = 3", "teacher ensemble, N = 3"} <= set(rows)
    assert all(
        "KD (1-o-1), N = 1" in row["versus"]
        for name, row in rows.items()
        if name not in ("chance", "KD (1-o-1), N = 1")
    )
    # with one teacher several arms are one row of the table, and still a point on each of their lines
    assert {name: [point[0] for point in points] for name, points in found["teacher_counts"].items()} == {
        name: [1, 2, 3] for name in ("KD (1avg-o-1)", "MKD", "TKD (1avg-o-1)", "TMKD", "teacher ensemble")
    }
    assert (home / "reports" / "teacher_count" / "map_against_teacher_count.png").exists()


@pytest.mark.thorough
def test_one_teacher_is_the_same_run_under_every_name(whole):
    home, _ = whole
    run("stage2", home, "method=tkd", "teachers.count=1")
    assert "make   " not in run("stage2", home, "method=tmkd", "teachers.count=1")


@pytest.mark.thorough
def test_pretraining_with_a_head_a_teacher_is_another_student(whole):
    home, _ = whole
    said = run("stage1", home, "method=tmkd", "stage1.targets=heads")
    assert said.count("make    stage-1 student of 3 teachers, a head each") == 2


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["teachers", "stage1", "stage2", "stage3"])
def test_kill_9_anywhere_leaves_the_same_comparison(whole, tmp_path, victim):
    """Kill a stage again and again, each time a little later, until it gets through."""
    home, _ = whole
    resumable = ["runtime.checkpoint_seconds=1", "runtime.shard_size=16"]
    for stage in STAGES:
        delay, kills = 4.0, 0
        while stage == victim:
            process = subprocess.Popen(
                command(stage, tmp_path, *resumable), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            try:
                process.wait(delay)
                break
            except subprocess.TimeoutExpired:
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
                kills, delay = kills + 1, delay * 1.25
        assert kills or stage != victim
        run(stage, tmp_path, *resumable)
    found, expected = (dict(leaves(comparison(folder))) for folder in (tmp_path, home))
    assert found == pytest.approx(expected, abs=1e-6)  # other parts, and so other batches, round otherwise


@pytest.mark.thorough
def test_kill_9_while_teachers_train_leaves_the_same_teachers(whole, tmp_path):
    home, _ = whole
    process = subprocess.Popen(
        command("teachers", tmp_path), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    until = time.monotonic() + 120
    while not list((tmp_path / "artifacts").glob(".building/teacher-*")):
        assert process.poll() is None and time.monotonic() < until, "no teacher was ever begun"
        time.sleep(0.05)
    process.kill()
    process.wait()
    run("teachers", tmp_path)
    for teacher in (tmp_path / "artifacts").glob("teacher-*"):
        mine, theirs = (
            json.loads((base / "artifacts" / teacher.name / "manifest.json").read_text()) for base in (tmp_path, home)
        )
        assert mine["files"] == theirs["files"]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["teachers.count=0"], "teachers.count: expected a number from 1 to 3"),
        (["teachers.number=3"], "teachers.number"),
        (["student.layers=7"], "student.layers: expected at most 6"),
        (["encoder=hub", "encoder.name=./nowhere"], "there is no folder ./nowhere"),
        (["data.train=nowhere.tsv"], "nowhere.tsv"),
        (["data.label=verdict"], "verdict"),
        (
            ["teachers.roster.0.learning_rate=1e30", "teachers.roster.0.epochs=9", "teachers.roster.0.max_length=8"],
            "lower learning rate",
        ),
        (["runtime.device=tpu"], "runtime.device: expected one of auto, cpu, cuda"),
    ],
)
def test_mistake_is_one_sentence_and_exit_code_2(tmp_path, overrides, said):
    text = run("teachers", tmp_path, *overrides, code=2)
    assert "Traceback" not in text
    lines = [line for line in text.splitlines() if line.startswith("tmkd: ")]
    assert len(lines) == 1
    assert said in lines[0]


def test_baseline_that_is_no_arm_is_named(whole):
    home, _ = whole
    text = run("stage3", home, "comparison.baseline=BERT-3", code=2)
    assert "comparison.baseline: expected one of student without distillation, " in text


@pytest.mark.thorough
def test_task_without_a_stage_1_needs_no_corpus(tmp_path):
    said = run("stage2", tmp_path, "method=gold", "corpus=files", "student.seeds=[1]", "teachers.count=1")
    assert "corpus" not in said.replace("corpus=files", "")


@pytest.mark.thorough
def test_teachers_of_different_encoders_teach_one_student(tmp_path):
    """Their tokens differ, and so do their soft labels' rows, if they are not joined by id."""
    other = [
        "teachers.roster.1.encoder.source=tiny",
        "teachers.roster.1.encoder.width=16",
        "teachers.roster.1.max_length=32",
    ]
    said = run("stage2", tmp_path, *other, "method=mkd", "student.seeds=[1]", "teachers.count=2")
    assert said.count("make    tokens of train") == 2


def test_damaged_artifact_is_named(whole, tmp_path):
    home, _ = whole
    shutil.copytree(home / "artifacts", tmp_path / "artifacts")
    (tmkd,) = (row for row in comparison(home)["rows"] if row["arm"] == "TMKD")
    weights = tmp_path / "artifacts" / tmkd["artifacts"][0] / "model" / "encoder" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-7])
    text = run("stage2", tmp_path, code=2)
    assert f"{weights} has" in text
    assert "remove the folder" in text
    assert str(weights) in run("verify", tmp_path, code=2)


def test_help_and_config_are_printed_without_running(tmp_path):
    assert "teachers" in run("stage2", tmp_path, "--cfg", "job")
    page = run("stage2", tmp_path, "--help")
    assert page.startswith("Stage 2:")
    assert "\n  data/glue: mnli, qnli, rte\n" in page
    assert "\n  learning_rate:" in page
    assert "experiment/nowhere" in run("stage2", tmp_path, "experiment=nowhere", "--help", code=2)
    assert not (tmp_path / "artifacts").exists()
