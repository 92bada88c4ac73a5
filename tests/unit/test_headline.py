"""The headline: who stands in it, in which form, and what is said of each beside the teachers' ensemble."""

import numpy as np
import pytest

from benchmarks.common import Run
from benchmarks.headline_judge import Judge
from benchmarks.headline_material import FP32, INT8, Contender
from benchmarks.headline_table import cells
from tmkd.export.answers import Rows


def test_model_is_judged_between_chance_and_the_ensemble() -> None:
    """Two questions, each with a right and a wrong passage: MAP is 1 in order, 1/2 in reverse, 3/4 by chance."""
    rows = Rows(np.array([1, 0, 1, 0]), ["a", "a", "b", "b"], None)
    judge = Judge(None, "map", True, rows, rows.labels)  # type: ignore[arg-type]
    right, wrong = [0.1, 0.9], [0.9, 0.1]
    found = judge.judge({"ensemble": np.array([right, wrong] * 2), "student": np.array([right, wrong, wrong, right])})
    assert found["chance"]["value"] == pytest.approx(0.75)
    assert found["ensemble"]["value"] == pytest.approx(1.0) and found["ensemble"]["versus"] is None
    student = found["student"]
    assert (student["value"], student["lift"]) == pytest.approx((0.75, 0.0))
    assert student["versus"][0] == pytest.approx(-0.25)


def test_speeds_are_told_against_the_ensemble() -> None:
    made = [Contender("teacher ensemble", FP32, [], 3_000_000, None), Contender("TMKD", INT8, [], 1_000_000, 0.5)]
    runs = {
        each.name: [Run(second * factor, 0, {"pairs": 100, "single": 8.0 * factor}) for second in (1.0, 2.0, 4.0)]
        for each, factor in zip(made, (1.0, 0.1))
    }
    quality = {"value": 0.5, "low": 0.4, "high": 0.6, "lift": 0.9}
    judged = {
        "chance": {"value": 0.25},
        made[0].name: {**quality, "versus": None},
        made[1].name: {**quality, "versus": [-0.01, -0.02, 0.0, 0.0301]},
    }
    chance, ensemble, student = cells(made, runs, judged)
    assert chance[8] == "25.00"
    assert ensemble[4:7] == ["50 (25–100)", "1.0", "8.0"]
    assert student[:8] == ["TMKD", INT8, "1.0", "0", "500 (250–1000)", "10.0", "0.8", "50.00"]
    assert student[8:] == ["50.00", "40.0 to 60.0", "90.0", "-1.00 [-2.00, +0.00]", "0.030"]
