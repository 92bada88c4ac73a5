"""The search of settings: how a space is read, what is tried after a kill, and what is said in the end."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.running import ROOT, compose_at
from tmkd.config import Choice, Config, Interval, check, kind_of, read_space, value_of, with_settings
from tmkd.errors import ConfigError, DataError
from tmkd.report.tuning import Tried, next_command, summary, write_trials

SPACE = {"method.alpha": Interval(0.1, 0.9), "method.loss": Choice(("mse", "kl"))}


def read(space: dict[str, Any]) -> dict[str, Interval | Choice]:
    return read_space(space, {name: kind_of(name) for name in space})


def test_space_is_read_by_the_kind_of_each_setting() -> None:
    assert read(
        {
            "method.temperature": [1, 8],
            "stage2.epochs": [1, 5],
            "stage2.learning_rate": {"log": [2e-5, 5e-4]},
            "teachers.roster.0.batch_size": {"log": [8, 64]},
            "method.loss": {"choice": ["mse", "kl"]},
            "method.alpha_end": [0, 1],
            "stage2.patience": None,
        }
    ) == {
        "method.temperature": Interval(1.0, 8.0),
        "stage2.epochs": Interval(1, 5, whole=True),
        "stage2.learning_rate": Interval(2e-5, 5e-4, log=True),
        "teachers.roster.0.batch_size": Interval(8, 64, log=True, whole=True),
        "method.loss": Choice(("mse", "kl")),
        "method.alpha_end": Interval(0.0, 1.0),
    }


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({}, "tune.space: expected settings to search, got none; add sweep=optuna"),
        ({"method.alfa": [0, 1]}, "tune.space, method.alfa: expected a setting of .*stage2.*, got method.alfa"),
        ({"data.seed": [0, 1]}, "tune.space, data.seed: expected a setting of .*trainer, got data.seed"),
        ({"method.alpha": 0.5}, r"expected \[LOW, HIGH\], \{log: .* got 0.5"),
        ({"method.alpha": [0.9, 0.1]}, "expected a lower number before a higher one, got"),
        ({"method.alpha": [True, False]}, r"expected \[LOW, HIGH\]"),
        ({"stage2.learning_rate": {"log": [0, 1]}}, "LOW above 0"),
        ({"method.loss": ["mse", "kl"]}, r"or \{choice: \[VALUE"),
        ({"method.loss": [1, 2]}, r"expected \{choice: \[VALUE, ...\]\}, since it is no number"),
        ({"stage2.epochs": [1, 2.5]}, "expected whole numbers"),
        ({"method.loss": {"choice": ["mse"]}}, "two or more different numbers, texts or truth values"),
    ],
)
def test_space_that_makes_no_sense_is_one_sentence(space: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(space)


def test_sampled_numbers_have_three_digits_and_stay_in_their_interval() -> None:
    assert Interval(0.12345, 0.9).plain(0.1234567) == 0.12345
    assert Interval(1e-5, 1e-3).plain(0.000123456) == 0.000123
    assert Interval(1000, 99999, whole=True).plain(12345) == 12345


def test_settings_are_changed_by_name_in_lists_too_and_the_config_stays_as_it_was(tmp_path: Path) -> None:
    config: Config = compose_at(tmp_path, "experiment=smoke", "method=kd", "sweep=optuna")
    other = check(with_settings(config, {"method.alpha": 0.3, "teachers.roster.1.epochs": 7}))
    assert (other.method.alpha, other.teachers.roster[1].epochs, other.teachers.roster[0].epochs) == (0.3, 7, 2)
    assert value_of(config, "method.alpha") == 0.9 and value_of(config, "teachers.roster.1.epochs") == 2
    with pytest.raises(ConfigError, match=r"teachers.roster.9.epochs: expected a setting that the run has"):
        value_of(config, "teachers.roster.9.epochs")
    with pytest.raises(ConfigError, match=r"method.alpha: expected a value of its kind, got much"):
        with_settings(config, {"method.alpha": "much"})


def test_summary_says_the_gain_and_gives_the_command_with_quotes_where_the_shell_needs_them() -> None:
    tried = [Tried(0, {"method.alpha": 0.9}, [0.5, 0.6]), Tried(1, {"method.alpha": 0.25}, [0.7, 0.8])]
    said = summary(tried, "map", "tmkd tune 'method=[kd]' sweep=optuna tune.trials=1 method.alpha=0.9")
    assert "MAP 0.7500 ± 0.0707, the run's own have 0.5500 ± 0.0707: a gain of 0.2000" in said
    assert said.splitlines()[-1] == "tmkd stage3 'method=[kd]' method.alpha=0.25"
    assert summary(tried[:1], "map", None).startswith("None of 0 settings tried is better")
    assert next_command({"a": None, "b": True}, None) == "tmkd stage3 a=null b=true"


def test_table_has_a_row_a_trial_and_says_which_is_best(tmp_path: Path) -> None:
    tried = [Tried(0, {"x": 1}, [0.5]), Tried(1, {"x": 2}, [], "diverged"), Tried(2, {"x": 3}, [0.75, 0.25])]
    write_trials(tried, tmp_path / "trials.csv", "map", ["x"])
    rows = list(csv.reader((tmp_path / "trials.csv").open(encoding="utf-8")))
    assert rows[1:] == [
        ["0", "0.5000", "", "1", "yes", ""],
        ["1", "", "", "2", "", "diverged"],
        ["2", "0.5000", "0.3536", "3", "", ""],
    ]


def search(folder: Path) -> Any:
    pytest.importorskip("optuna")
    from tmkd.pipelines.tune_study import Search

    return Search(folder, "one", SPACE, seed=1)


def test_damaged_database_of_a_search_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "study.db").write_bytes(b"damaged" * 1000)
    with pytest.raises(DataError, match=r"study\.db: expected the database .* got 'file is not a database'; .*remove"):
        search(tmp_path)


def value(params: dict[str, Any]) -> list[float]:
    return [-abs(params["method.alpha"] - 0.3)]


def finish(found: Any, wanted: int) -> list[dict[str, Any]]:
    while (trial := found.ask(wanted)) is not None:
        with trial:
            trial.tell(value(trial.params))
    return [dict(each.params) for each in found._counted()]


@pytest.mark.thorough
def test_killed_search_tries_what_it_would_have_tried_and_no_more(tmp_path: Path) -> None:
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    own = {"method.alpha": 0.9, "method.loss": "mse"}
    whole, killed = search(tmp_path / "whole"), search(tmp_path / "killed")
    for each in (whole, killed):
        each.begin(own, value(own))
    expected = finish(whole, 11)  # beyond the first ten, which TPE draws at random
    finish(killed, 4)
    script = (
        "import os, pathlib, sys; from tests.unit.test_tune import search\n"
        "trial = search(pathlib.Path(sys.argv[1])).ask(11); print(trial.place, flush=True); os.kill(os.getpid(), 9)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "killed")]
    died = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert died.stdout == "5\n" and died.returncode == -9, died.stderr
    assert finish(search(tmp_path / "killed"), 11) == expected
    assert not list((tmp_path / "killed").glob(".one-*.lock"))


def test_two_processes_work_on_different_trials_of_one_search(tmp_path: Path) -> None:
    first, second = search(tmp_path), search(tmp_path)
    mine, theirs = first.ask(2), second.ask(2)
    assert (mine.place, theirs.place) == (1, 2) and mine.params != theirs.params
    assert first.ask(2) is None, "two are done or under way"
    with theirs:
        theirs.refuse("diverged")
    mine.held.release()  # its process ends
    again = second.ask(2)
    assert again.params == mine.params
    with again:
        again.tell([0.5])
    tried = second.tried({}, [])
    assert sorted(each.why for each in tried) == ["", "diverged"]
