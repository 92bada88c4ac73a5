"""Stages under torchrun: two processes make what one makes, and go on from where a kill left them."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from safetensors.numpy import load_file

from tests.pipeline.running import ROOT

TEACHERS = [{"learning_rate": rate, "batch_size": 16, "epochs": 2, "dropout": 0.0} for rate in (1e-3, 2e-3)]
# Without dropout, whose masks are those of a process; batches that two processes cannot halve.
SMALL = [
    "experiment=smoke", "encoder.layers=3", "student.layers=2",  # deeper, rounding grows to more than these tests allow
    "method=[gold,mkd,tmkd,mutual]", "student.seeds=[1]", "runtime.threads=1",
    "runtime.precision=fp32", f"teachers.roster={json.dumps(TEACHERS).replace(chr(34), '')}", "teachers.count=2",
    "stage1.batch_size=9", "stage2.batch_size=7", "runtime.shard_size=8", "+terms=[fitnets,rkd,similarity]",
    "method.arms.mkd.terms=[rkd_distances,rkd_angles]", "method.arms.tmkd.terms=[fitnets]", "method.arms.gold.terms=[]",
    # first tokens of random encoders are nearly alike, so that their relations are mostly rounding
    "method.terms.rkd_distances.pooling=mean", "method.terms.rkd_angles.pooling=mean",
    "method.arms.mutual.targets=one", "method.arms.mutual.terms=[similarity]",
    "comparison.baseline=null",
    "method.arms.gold.pretrain=true", "+method.arms.gold.set.stage1.kind=language",
    "+method.arms.tmkd.set={stage1: {group_size: 3, batch_questions: 3}, stage2: {group_size: 3, batch_questions: 3}}",
    "method.arms.tmkd.gold_loss=listwise", "method.arms.tmkd.loss=margin_mse",
]  # fmt: skip


def start(home, processes, *overrides, stage="stage3"):
    """Start a stage in so many processes; 1 is without torchrun."""
    paths = [f"paths.{name}={home / name}" for name in ("artifacts", "reports", "runs")]
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"] if processes > 1 else []
    return subprocess.Popen(
        [sys.executable, *launcher, "-m", f"stages.{stage}", *SMALL, *paths, *overrides],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def run(home, processes, *overrides, code=0, stage="stage3"):
    process = start(home, processes, *overrides, stage=stage)
    said, _ = process.communicate(timeout=600)
    assert process.returncode == code, said
    return said


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    home = tmp_path_factory.mktemp("alone")
    run(home, 1)
    return home


def assert_alike(one, other):
    """Every number that is predicted or taught agrees, and nothing is missing or too many."""
    numbers = ("*/predictions.safetensors", "soft_labels-*/part-*.safetensors")
    files = sorted(path.relative_to(one) for name in numbers for path in one.glob(f"artifacts/{name}"))
    assert len(files) >= 12
    assert files == sorted(path.relative_to(other) for name in numbers for path in other.glob(f"artifacts/{name}"))
    for file in files:
        arrays = load_file(other / file)
        for name, array in load_file(one / file).items():
            np.testing.assert_allclose(arrays[name], array, rtol=0, atol=2e-5, err_msg=f"{file}: {name}")


@pytest.mark.thorough
@pytest.mark.parametrize("fsdp", [False, True])
def test_two_processes_make_what_one_makes(alone, tmp_path, fsdp):
    said = run(tmp_path, 2, f"runtime.fsdp={fsdp}")
    assert_alike(alone, tmp_path)
    assert said.count("stage3 done") == 1  # one speaks for both
    rows = [json.loads((home / "reports/smoke/comparison.json").read_text())["rows"] for home in (alone, tmp_path)]
    assert [row["arm"] for row in rows[0]] == [row["arm"] for row in rows[1]]
    manifests = [json.loads(path.read_text()) for path in tmp_path.glob("artifacts/*/manifest.json")]
    machines = [manifest["computed_on"] for manifest in manifests]
    assert machines == [machines[0]] * len(machines)  # both processes are of one machine, so it is said once
    assert len(machines[0]) == 1 and machines[0][0]["threads"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("fsdp", [False, True])
def test_a_process_that_is_killed_ends_the_run_and_the_next_run_goes_on(tmp_path, fsdp):
    slow = ["runtime.checkpoint_seconds=1", "teachers.count=1", "teachers.roster.0.epochs=60"]
    process = start(tmp_path, 2, *slow, f"runtime.fsdp={fsdp}", stage="teachers")
    building = tmp_path / "artifacts" / ".building"
    while process.poll() is None and not list(building.glob("teacher-*/scratch/checkpoint-*/whole")):
        time.sleep(0.02)
    assert process.poll() is None, process.communicate()[0]
    workers = [child for child in psutil.Process(process.pid).children() if "stages.teachers" in child.cmdline()]
    assert len(workers) == 2
    workers[1].send_signal(signal.SIGKILL)
    process.communicate(timeout=120)
    assert process.returncode != 0 and not list((tmp_path / "artifacts").glob("teacher-*"))
    said = run(tmp_path, 2, *slow, f"runtime.fsdp={fsdp}", stage="teachers")
    assert "resume " in said
    run(tmp_path / "whole", 1, *slow, stage="teachers")
    [killed], [whole] = (
        home.glob("artifacts/teacher-*/predictions.safetensors") for home in (tmp_path, tmp_path / "whole")
    )
    for name, array in load_file(whole).items():
        np.testing.assert_allclose(load_file(killed)[name], array, rtol=0, atol=1e-3)
