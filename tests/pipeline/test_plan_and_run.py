"""A plan beside the run that it is of: the same results, under the same names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from tmkd.config import check, resolve
from tmkd.experiment.experiment import Experiment
from tmkd.pipelines import stage1, stage2, stage3
from tmkd.pipelines.estimate import estimate
from tmkd.pipelines.plan import notes, planned

ROOT = Path(__file__).parents[2]
READ = ("task", "corpus", "overlap", "tokens", "encoder", "comparison")


def composed(home, *overrides):
    small = ["experiment=smoke", "student.seeds=[1]", "teachers.count=2", "runtime.threads=1", "runtime.precision=fp32"]
    paths = [f"paths.{name}={home / name}" for name in ("artifacts", "reports", "runs")]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return check(resolve(compose("config", overrides=[*small, *paths, *overrides])))


@pytest.mark.slow
@pytest.mark.parametrize(
    "overrides",
    [
        # a teacher that is named, generations, another student, terms on inner states, students trained together
        (
            "method=[kd,mkd,tmkd,born_again]",
            "+method.arms.kd.teacher=2",
            "+method.arms.mkd.set={student: {layers: 1}}",
            "+terms=rkd",
        ),
        ("method=[tkd]", "+method.arms.tkd.teacher=1", "method.online.kind=mutual", "stage1.targets=heads"),
        ("method=[gold,tkd]", "+method.arms.tkd.teacher=1", "stage1.kind=language", "student=bottom1"),
    ],
)
def test_plan_names_exactly_what_the_run_then_makes(tmp_path, monkeypatch, overrides):
    monkeypatch.chdir(ROOT)  # conf/data/smoke.yaml names its files from there
    config = composed(tmp_path, *overrides)
    experiment = Experiment(config)
    before = planned(experiment)
    assert not any(result.find(experiment.context) for result in before)
    for stage in (stage1, stage2, stage3):
        stage.run(config)
    made = {path.name for path in (tmp_path / "artifacts").glob("[!.]*")}
    assert {result.name for result in before} == {name for name in made if name.rpartition("-")[0] not in READ}
    again = Experiment(config)
    there = planned(again)
    assert notes(again, there) == []
    found = estimate(again.context, there, lambda *_: pytest.fail("there is nothing to calibrate for"))
    assert found.rows and not any(row.missing for row in found.rows)


def plan(home, *overrides):
    paths = [f"paths.{name}={home / name}" for name in ("artifacts", "reports", "runs")]
    small = ["experiment=smoke", "method=gold", "teachers.count=1", "runtime.threads=1", *paths]
    command = [sys.executable, "-m", "stages.plan", *small, *overrides]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_command_prints_a_plan(tmp_path):
    code, text = plan(tmp_path)
    assert code == 0, text
    for told in ("teachers", "stage-2 students", "if started now", "Disk: about", "Memory: about", "plan done: 5 "):
        assert told in text


def test_mistake_is_one_sentence_and_exit_code_2(tmp_path):
    code, text = plan(tmp_path, "teachers.count=9")
    assert code == 2
    assert "Traceback" not in text
    assert "tmkd: teachers.count: expected a number from 1 to 3" in text
