"""Trainings that are watched: what is logged, where, and that a killed one goes on in the same run."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.unit.test_fit import new_model, tokens, train, weights  # noqa: F401
from tmkd.config import RuntimeConfig
from tmkd.config.run import check_runtime
from tmkd.errors import ConfigError
from tmkd.results.context import RunContext
from tmkd.training.tracking import Tracking


def test_tracker_that_is_not_there_is_refused_before_anything_starts(monkeypatch, tmp_path):
    (tmp_path / "trackio").mkdir()  # logs of an earlier run beside the program: no package
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    monkeypatch.delitem(__import__("sys").modules, "trackio", raising=False)
    with pytest.raises(ConfigError, match=r"runtime.report_to: expected the package trackio .* pip install trackio"):
        check_runtime(RuntimeConfig(report_to=["trackio"]))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["tensorbord"], "one of tensorboard, wandb, mlflow, trackio, got tensorbord"),
        (["mlflow", "mlflow"], "each name once, got mlflow"),
    ],
)
def test_wrong_names_of_trackers_are_refused(names, message):
    with pytest.raises(ConfigError, match=message):
        check_runtime(RuntimeConfig(report_to=names))


def test_environment_of_a_tracker_is_as_before_when_the_training_ends(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKIO_DIR", "the user's own")
    before = dict(os.environ)
    with Tracking(("tensorboard",), "mine", tmp_path / "runs").of("KD (1-o-1), seed 1", tmp_path):
        assert os.environ["TRACKIO_DIR"] == "the user's own"
        assert os.environ["MLFLOW_EXPERIMENT_NAME"] == "mine"
        assert "/runs/tensorboard/mine/KD-1-o-1-seed-1-" in os.environ["TENSORBOARD_LOGGING_DIR"]
    assert dict(os.environ) == before


def scalars(folder: Path) -> dict[str, list[int]]:
    """The steps of each curve in one TensorBoard folder."""
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = reader.EventAccumulator(str(folder))
    events.Reload()
    return {tag: [event.step for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


@pytest.mark.thorough
def test_watched_training_shows_all_that_changes_and_goes_on_in_one_run_after_a_kill(
    tokens,  # noqa: F811
    runtime,
    tmp_path,
    killed_at,
):
    pytest.importorskip("tensorboard")
    context = RunContext(tmp_path, RuntimeConfig(device="cpu", report_to=["tensorboard"]), None, "mine", tmp_path)

    def validate(_):
        return {"map": 0.5}

    plain, watched = new_model(), new_model()
    train(plain, tokens, tmp_path / "plain", runtime, validate=validate)
    with killed_at(9) as every_step:
        tracked = replace(every_step, tracking=context.runtime.tracking)
        train(new_model(), tokens, tmp_path / "watched", tracked, validate=validate)
    train(watched, tokens, tmp_path / "watched", tracked, validate=validate)
    assert torch.equal(weights(watched), weights(plain)), "watching changes nothing"
    [folder] = (tmp_path / "tensorboard" / "mine").iterdir()
    found = scalars(folder)
    assert found["eval/map"] == [6, 12, 18], "an epoch each, the first from before the kill"
    assert found.keys() >= {"train/loss", "train/terms/gold", "train/terms/soft", "train/learning_rate"}
