"""Students that are trained together, through all stages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
import torch
from safetensors.numpy import load_file

import tmkd.results.student
from tests.pipeline.running import ROOT, compose_at
from tmkd.errors import ConfigError
from tmkd.pipelines import stage2, stage3
from tmkd.store.artifacts import MODEL
from tmkd.store.predictions import predictions
from tmkd.training import callbacks

pytestmark = pytest.mark.slow  # a minute and more
SMALL = ["experiment=smoke", "student.seeds=[1]", "teachers.count=2", "runtime.threads=1", "runtime.precision=fp32"]
CODISTILLATION = ["method=codistillation", "method.arms.codistillation.set.method.online.refresh=3"]


def composed(home, *overrides):
    return compose_at(home, *SMALL, *overrides)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home whose teachers are trained, for all tests to share."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        stage2.run(composed(folder, "method=kd"))
    return folder


def rows(home):
    found = json.loads((home / "reports" / "smoke" / "comparison.json").read_text())
    return {row["arm"]: row for row in found["rows"] if not row["arm"].startswith(("chance", "teacher"))}


def test_row_is_the_first_peer_and_the_ensemble_stands_below(home):
    stage3.run(composed(home, "method=mutual"))
    first, ensemble = rows(home).values()
    assert first["arm"] == "deep mutual learning (2 peers): peer 1"
    assert ensemble["arm"] == "deep mutual learning (2 peers): ensemble of the peers"
    assert first["artifacts"] == ensemble["artifacts"][:1] and len(ensemble["artifacts"]) == 2
    assert ensemble["parameters"] == 2 * first["parameters"]
    assert ensemble["train_seconds"] == first["train_seconds"], "they were trained together, once"
    assert first["settings"]["online"]["kind"] == "mutual"


def test_peers_of_other_architectures_have_rows_and_results_of_their_own(home):
    peers = "method.arms.online.set.method.online.peers=[{layers: null}, {layers: 1, max_length: 24}]"
    stage3.run(composed(home, "method=online", peers))
    named = rows(home)
    whole = "deep mutual learning (layers = all | layers = 1, max_length = 24; down)"
    assert list(named) == [
        f"{whole}: peer 1", f"{whole}: peer 2 (layers = 1, max_length = 24)", f"{whole}: ensemble of the peers"
    ]  # fmt: skip
    large, small, _ = named.values()
    assert small["parameters"] < large["parameters"]
    made = home / "artifacts" / small["artifacts"][0]
    manifest = json.loads((made / "manifest.json").read_text())
    assert manifest["spec"]["student"]["layers"] == 1 and manifest["spec"]["peer"] == 2
    assert json.loads((made / MODEL / "classifier.json").read_text())["max_length"] == 24
    trained = home / "artifacts" / f"peers-{manifest['spec']['peers']}"
    assert (trained / "peer-2" / "predictions.safetensors").exists()


def test_students_of_several_sizes_learn_from_soft_labels_that_are_read_once(home, monkeypatch):
    read = []
    original = tmkd.results.student.soft_targets
    monkeypatch.setattr(tmkd.results.student, "soft_targets", lambda *args: read.append(1) or original(*args))
    arm = "method.arms.together.set.method.online.peers"
    made = stage2.run(composed(home, "method=together", f"{arm}=[{{layers: 2}}, {{layers: 1}}, {{max_length: 24}}]"))
    assert len(made) == 3 and read == [1]
    for student in made:
        heads = json.loads((student.path / MODEL / "classifier.json").read_text())["heads"]
        assert heads[0] == "gold" and len(heads) == 3
        assert student.details["validation"]["map"] > 0
        assert predictions(student, "test").shape[0] == 3


def test_first_of_students_together_is_the_student_that_it_would_be_alone(home):
    # Of one length all batches are the same, and what is drawn first is drawn alike: or they were not trained apart.
    alone = stage2.run(composed(home, "method=mkd", "stage2.patience=0", "stage2.epochs=1"))
    peers = "method.arms.together.set.method.online.peers=[{}, {layers: 1}]"
    first, _ = stage2.run(composed(home, "method=together", peers, "stage2.patience=0", "stage2.epochs=1"))
    np.testing.assert_array_equal(predictions(first, "test"), predictions(alone[0], "test"))


def test_peers_may_have_a_teacher_a_first_stage_and_inner_states_to_learn_from(home):
    settings = ["+terms=rkd", "method.arms.mutual.targets=average", "method.arms.mutual.pretrain=true"]
    peers = "method.arms.mutual.set.method.online.peers=[{layers: 2}, {layers: 1}]"
    made = stage2.run(composed(home, "method=mutual", *settings, peers))
    first, second = (student.manifest["spec"] for student in made)
    assert first["stage1"] and second["stage1"] and first["stage1"] != second["stage1"]
    assert first["terms"].keys() == {"rkd_distances", "rkd_angles"} and first["targets"] == "average"


@pytest.mark.parametrize("die_at", [2, 5])
def test_killed_codistillation_publishes_nothing_and_ends_as_one_that_was_not(
    home, tmp_path, monkeypatch, killed_at, die_at
):
    often = "runtime.checkpoint_seconds=1"
    whole = stage2.run(composed(home, *CODISTILLATION))
    killed = tmp_path / "killed"
    killed.mkdir()
    monkeypatch.setattr(callbacks.time, "monotonic", iter(range(10**9)).__next__)  # a checkpoint at every step
    with killed_at(die_at, "codistillation"):
        stage2.run(composed(killed, *CODISTILLATION, often))
    assert not list((killed / "artifacts").glob("peers-*")) and not list((killed / "artifacts").glob("stage2-*"))
    assert list((killed / "artifacts" / ".building").glob("peers-*/scratch/checkpoint-*"))
    monkeypatch.undo()
    monkeypatch.chdir(ROOT)
    torch.manual_seed(99)
    resumed = stage2.run(composed(killed, *CODISTILLATION, often))
    assert [student.name for student in resumed] == [student.name for student in whole]
    for one, other in zip(resumed, whole):
        np.testing.assert_array_equal(predictions(one, "test"), predictions(other, "test"))


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["method=mutual", "method.arms.mutual.targets=students"], "expected one student a peer"),
        (["method=mutual", "method.arms.mutual.generations=2"], "expected one student a peer"),
        (["method=mutual", "method.arms.mutual.targets=heads", "method.alpha=1"], "expected α below 1"),
        (["method=mutual", "method.online.peers=1"], "peers: expected a number from 2 on"),
        (["method=mutual", "method.online.peers=[{}]"], "peers: expected a number from 2 on"),
        (["method=mutual", "method.online.peers=[{seeds: [3]}, {}]"], "peers: expected settings without seeds"),
        (["method=mutual", "method.online.kind=both"], "online.kind: expected one of none, mutual"),
        (["method=codistillation", "+method.arms.codistillation.set.method.online.direction=down"], "direction"),
        (["method=mutual", "method.arms.mutual.set.method.online.peers=[{depth: 3}, {}]"], "depth"),
        (["method=mutual", "method.online.burn_in=1"], "burn_in: expected at least 0 and less than 1"),
        (["method=mutual", "method.online.refresh=0"], "refresh: expected 1 step or more"),
        (["method=mutual", "method.online.weight=-1"], "weight: expected 0 or more"),
    ],
)
def test_peers_that_make_no_sense_are_told_in_one_sentence(home, overrides, said):
    with pytest.raises(ConfigError, match=said):
        stage2.run(composed(home, *overrides))


def torchrun(home, *overrides):
    """Start stage 2 with a process a peer."""
    paths = [f"paths.{name}={home / name}" for name in ("artifacts", "reports", "runs")]
    command = ["-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone", "-m", "stages.stage2"]
    process = ["+method.arms.codistillation.set.method.online.processes=true", *overrides]
    return subprocess.Popen(
        [sys.executable, *command, *SMALL, *CODISTILLATION, *paths, *process],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def published(home):
    [trained] = (home / "artifacts").glob("peers-*")
    return {number: load_file(trained / f"peer-{number}" / "predictions.safetensors") for number in (1, 2)}


def test_process_a_peer_ends_alike_with_and_without_a_kill(home, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        shutil.copytree(home / "artifacts", folder / "artifacts", ignore=shutil.ignore_patterns("peers-*", "stage2-*"))
    process = torchrun(whole)
    said, _ = process.communicate(timeout=600)
    assert process.returncode == 0, said
    often = "runtime.checkpoint_seconds=1"
    process = torchrun(killed, often)
    building = killed / "artifacts" / ".building"
    while process.poll() is None and not list(building.glob("peers-*/scratch/peer-2/checkpoint-*/whole")):
        time.sleep(0.05)
    was_running = process.poll() is None
    started = psutil.Process(process.pid)
    for each in [*started.children(recursive=True), started]:  # torchrun gives each process a session of its own
        each.kill()
    process.communicate()
    assert was_running and not list((killed / "artifacts").glob("peers-*"))
    process = torchrun(killed, often)
    said, _ = process.communicate(timeout=600)
    assert process.returncode == 0, said
    assert "resume " in said
    for number, arrays in published(whole).items():
        for split, logits in published(killed)[number].items():
            np.testing.assert_array_equal(logits, arrays[split])
    first, second = published(whole).values()
    assert not np.array_equal(first["test"], second["test"])


def test_peers_of_processes_that_were_not_started_are_told_how_to_start(home):
    with pytest.raises(ConfigError, match="a process for each of 2 peers, got 1; start the stage with torchrun"):
        stage2.run(composed(home, *CODISTILLATION, "+method.arms.codistillation.set.method.online.processes=true"))
