"""Schedules: their ends, their middles, and what a warm-up holds back."""

import pytest

from tmkd.losses.schedule import SCHEDULES, scheduled


@pytest.mark.parametrize(
    ("kind", "values"),  # at 0, 1/4, 1/2, 3/4 and 1, from 4 to 1
    [
        ("constant", [4, 4, 4, 4, 4]),
        ("linear", [4, 3.25, 2.5, 1.75, 1]),
        ("cosine", [4, 2.5 + 1.5 * 0.5**0.5, 2.5, 2.5 - 1.5 * 0.5**0.5, 1]),
        ("step", [1, 1, 1, 1, 1]),
    ],
)
def test_schedules_have_the_values_worked_out_by_hand(kind, values):
    assert [scheduled(4, 1, kind, step / 4) for step in range(5)] == pytest.approx(values)


@pytest.mark.parametrize(
    ("kind", "values"),  # a warm-up of 1/2: the same at 0, 1/4 and just before, then at 1/2, 3/4 and 1
    [("constant", [4, 4, 4]), ("linear", [4, 2.5, 1]), ("cosine", [4, 2.5, 1]), ("step", [1, 1, 1])],
)
def test_a_warm_up_holds_the_start_and_leaves_the_rest_to_the_schedule(kind, values):
    assert [scheduled(4, 1, kind, progress, warm_up=0.5) for progress in (0, 0.25, 0.4999)] == [4, 4, 4]
    assert [scheduled(4, 1, kind, progress, warm_up=0.5) for progress in (0.5, 0.75, 1)] == pytest.approx(values)


@pytest.mark.parametrize("kind", SCHEDULES)
def test_equal_ends_are_constant(kind):
    assert [scheduled(0.9, 0.9, kind, step / 10) for step in range(11)] == pytest.approx([0.9] * 11)


@pytest.mark.parametrize("kind", ["linear", "cosine"])
def test_a_schedule_ends_exactly_where_it_says(kind):
    # α = 1 has a meaning of its own, which 0.9999999 has not.
    assert scheduled(0.1, 1.0, kind, 1.0) == 1.0
    assert scheduled(0.1, 1.0, kind, 0.0) == 0.1


@pytest.mark.parametrize(("progress", "warm_up"), [(-0.1, 0), (1.1, 0), (0.5, 1.0), (0.5, -0.1), (float("nan"), 0)])
def test_progress_that_is_no_share_is_rejected(progress, warm_up):
    with pytest.raises(ValueError, match=r"expected progress in \[0, 1\]"):
        scheduled(1, 0, "linear", progress, warm_up)


def test_an_unknown_schedule_is_rejected():
    with pytest.raises(ValueError, match="constant, linear, cosine, step, but found 'slow'"):
        scheduled(1, 0, "slow", 0.5)
