"""Scoring by Ray on this machine, with two workers: the same soft labels as without, and a kill -9 of the driver."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from tmkd.data.batching import tokenise
from tmkd.models.classifier import PairClassifier
from tmkd.models.encoder import load_encoder
from tmkd.store.soft_labels import read_soft_labels, write_soft_labels
from tmkd.training.predict import predict
from tmkd.training.runtime import Runtime

pytest.importorskip("ray", reason="the extra ray is not installed")
pytestmark = pytest.mark.slow
SHARD = 2  # pairs: 24 shards
# Scores as a stage does, in a process of its own; kills it after a number of shards, if any.
DRIVER = """
import os, signal, sys
from pathlib import Path
from datasets import load_from_disk
from tqdm import tqdm
from tmkd.config import RayConfig, RuntimeConfig
from tmkd.results.ray_scoring import score_with_ray
home, work, storage, kill_after = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
left = kill_after
class Bar(tqdm):
    def update(self, count):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
bar = Bar(disable=True)
runtime = RuntimeConfig(device="cpu", precision="fp32", threads=1, score_batch=1, shard_size=2)
runtime.ray = RayConfig(workers=2, storage=storage)
work.mkdir(exist_ok=True)
print("scored", score_with_ray(runtime, home / "model", [0], load_from_disk(str(home / "tokens")), work, bar))
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("ray")


@pytest.fixture
def teacher(home, pairs):
    """A teacher that takes a while, and the tokens of 48 pairs, both on disk."""
    torch.manual_seed(1)
    model = PairClassifier(load_encoder(source="tiny", layers=12, width=128, dropout=0.0), ["gold"], ["no", "yes"], 32)
    tokens = tokenise(pairs, model.tokenizer, model.max_length)
    if not (home / "tokens").exists():
        model.save(home / "model")
        tokens.save_to_disk(str(home / "tokens"))
    return PairClassifier.load(home / "model", attention="eager"), tokens


def drive(home, work, storage, kill_after=0):
    command = [sys.executable, "-c", DRIVER, str(home), str(work), storage, str(kill_after)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600)


def whole_shards(folder):
    """How many shards are whole, once nothing writes any more."""
    before = -1
    while before != (now := len(list(folder.glob("*.parquet")))):
        before = now
        time.sleep(2)
    return now


def test_killed_driver_costs_no_finished_shard_and_the_soft_labels_are_those_of_scoring_without_ray(home, teacher):
    model, tokens = teacher
    storage, work = home / "storage", home / "soft_labels-0"
    killed = drive(home, work, f"file://{storage}", kill_after=6)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    finished = SHARD * whole_shards(storage / work.name / "logits")
    assert 6 * SHARD <= finished < len(tokens)

    resumed = drive(home, work, f"file://{storage}")
    assert f"scored {len(tokens) - finished}\n" in resumed.stdout, resumed.stderr
    assert not (storage / work.name).exists()  # published, so cleared

    runtime = Runtime(torch.device("cpu"), False, "eager", score_batch=1, shard_size=SHARD, checkpoint_seconds=60)
    local = home / "local"
    local.mkdir()
    write_soft_labels(local, tokens, lambda shard: predict(model, shard, runtime).mean(axis=1), SHARD, lambda _: None)
    # beside them there is scratch/, with the machines of the workers: the store drops it before it publishes
    assert [path.name for path in sorted(work.glob("part-*"))] == [path.name for path in sorted(local.iterdir())]
    expected = read_soft_labels(local, tokens["id"])
    assert len(np.unique(expected)) > len(tokens)  # pairs differ, so a mix-up would show
    np.testing.assert_allclose(read_soft_labels(work, tokens["id"]), expected, atol=1e-5)


def test_shards_that_were_scored_without_ray_are_not_scored_again(home, teacher):
    _, tokens = teacher
    work = home / "soft_labels-1"
    work.mkdir()
    half = tokens.select(range(len(tokens) // 2))
    write_soft_labels(work, half, lambda shard: np.zeros((len(shard), 2)), SHARD, lambda _: None)
    done = drive(home, work, str(home / "storage"))
    assert f"scored {len(tokens) - len(half)}\n" in done.stdout, done.stderr
    scores = read_soft_labels(work, tokens["id"])
    assert (scores[: len(half)] == 0).all() and (scores[len(half) :] != 0).all()
