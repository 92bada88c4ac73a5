"""A search of settings on a task: what it refuses before it trains, and that it goes on after a kill."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.pipeline.running import compose_at
from tmkd.config import Config
from tmkd.errors import ConfigError
from tmkd.pipelines import stage2, tune

pytest.importorskip("optuna")
SMALL = ("experiment=smoke", "student.seeds=[1]", "runtime.threads=1", "teachers.count=1", "student.layers=1")
SMALL = (*SMALL, "stage2.epochs=1", "teachers.roster.0.epochs=1", "runtime.precision=fp32")
BOTH = "tune.space={method.alpha: [0.1, 0.9], stage2.learning_rate: {log: [1e-3, 1e-2]}}"


def composed(home: Path, *overrides: str) -> Config:
    return compose_at(home, *SMALL, *overrides)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("method=kd",), "tune.space: expected settings to search, got none; add sweep=optuna"),
        (("method=[kd,gold]", BOTH), "tmkd tune: expected one arm, such as method=tmkd, got kd, gold"),
        (
            ("method=kd", "tune.space={method.temperature: [1, 8]}"),
            "tune.space, method.temperature: expected a setting that changes the students of kd, .* leaves it unused",
        ),
        (
            ("method=kd", "method.arms.kd.alpha=0.5", BOTH),
            "tune.space, method.alpha: expected a setting that changes the students of kd",
        ),
        (
            ("method=kd", "tune.space={method.alpha: [0.5, 1.5]}"),
            r"with method.alpha=1.5: method.alpha: expected a number from 0 to 1, got 1.5",
        ),
        (
            ("method=kd", "tune.space={method.loss: {choice: [mse, listwise_kl]}}"),
            r"with method.loss=listwise_kl: .*group_size",
        ),
        (("method=online", "tune.space={method.alpha: [0.1, 0.9]}"), "an arm that is one row of the comparison, got"),
    ],
)
def test_search_that_cannot_be_is_refused_before_anything_is_trained(
    tmp_path: Path, overrides: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        tune.run(composed(tmp_path, *overrides))
    assert not list(tmp_path.glob("artifacts/teacher-*")) and not (tmp_path / "reports").exists()


@pytest.mark.thorough
def test_search_goes_on_after_a_kill_and_never_looks_at_the_test_split(tmp_path: Path, killed_at) -> None:
    config = composed(tmp_path, "method=kd", BOTH, "tune.trials=2")
    stage2.run(config)
    with killed_at(2, what="KD"):
        tune.run(config)
    [under_way] = tmp_path.glob("artifacts/.building/stage2-*")
    folder = tune.run(config)
    assert (tmp_path / "artifacts" / under_way.name).is_dir(), "the settings of the killed trial were tried again"
    assert len(list(tmp_path.glob("artifacts/stage2-*"))) == 3, "a student a trial, and the run's own"
    with (folder / "trials.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["trial"] for row in rows] == ["0", "1", "2"]
    assert len({row["method.alpha"] for row in rows}) == 3
    for name in ("history.png", "slices.png", "best.txt", "study.db"):
        assert (folder / name).stat().st_size > 0
    assert not list(tmp_path.glob("artifacts/comparison-*"))
