"""p-values where signs or resamples can be counted by hand, and where the truth is known because it was simulated."""

from dataclasses import astuple

import numpy as np
import pytest

from tmkd.errors import DataError
from tmkd.evaluation.significance import RESAMPLES, crossed_bootstrap, holm


def noisy(
    rng: np.random.Generator, seeds: int, questions: int, of_seed: float, of_question: float, of_both: float
) -> np.ndarray:
    """Return differences [seeds, questions] around 0; the deviations of seeds are in units of 1 / √questions."""
    return (
        rng.normal(0, of_seed / questions**0.5, (seeds, 1))
        + rng.normal(0, of_question, (1, questions))
        + rng.normal(0, of_both, (seeds, questions))
    )


def rejected(monkeypatch: pytest.MonkeyPatch, seeds: int, drawn: tuple[float, float, float], paired: bool) -> float:
    """Return how often a null hypothesis that is true is rejected at 0.05, in 500 simulations of 60 questions."""
    monkeypatch.setattr("tmkd.evaluation.significance.RESAMPLES", 999)
    rng = np.random.default_rng(7)
    found = []
    for _ in range(500):
        a = noisy(rng, seeds, 60, *drawn)
        b = np.zeros_like(a) if paired else noisy(rng, seeds, 60, *drawn)
        found.append(crossed_bootstrap(a, b, paired).p_value < 0.05)
    return float(np.mean(found))


@pytest.mark.parametrize("drawn", [(0.0, 1.0, 1.0), (1.0, 1.0, 1.0), (1.4, 0.3, 2.0), (2.0, 1.0, 1.0), (5.0, 1.0, 1.0)])
def test_true_null_hypothesis_is_not_rejected_more_often_than_it_may_be_with_five_seeds(
    monkeypatch: pytest.MonkeyPatch, drawn: tuple[float, float, float]
) -> None:
    assert 0.02 <= rejected(monkeypatch, 5, drawn, paired=True) <= 0.08


@pytest.mark.parametrize("drawn", [(0.0, 1.0, 1.0), (1.0, 1.0, 1.0), (2.0, 1.0, 1.0), (5.0, 1.0, 1.0)])
def test_two_seeds_do_not_make_chance_significant(
    monkeypatch: pytest.MonkeyPatch, drawn: tuple[float, float, float]
) -> None:
    # Questions alone would reject in half of the last case; a plain bootstrap of two seeds in a quarter.
    assert rejected(monkeypatch, 2, drawn, paired=True) <= 0.12


def test_arms_with_seeds_of_their_own_are_calibrated_too(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 0.02 <= rejected(monkeypatch, 5, (2.0, 1.0, 1.0), paired=False) <= 0.08


def test_difference_that_seeds_explain_is_no_finding() -> None:
    # 0.03 above on average, but seeds are 0.03 apart: sure over questions, unsure over seeds.
    rng = np.random.default_rng(0)
    b = rng.random((3, 400))
    a = b + np.array([[0.06], [0.03], [0.0]]) + rng.normal(0, 0.05, (1, 400))
    questions_alone = crossed_bootstrap(a.mean(axis=0, keepdims=True), b.mean(axis=0, keepdims=True), True)
    both = crossed_bootstrap(a, b, True)
    assert questions_alone.p_value < 0.001
    assert both.p_value > 0.1
    assert both.low < 0 < questions_alone.low
    assert both.difference == pytest.approx(questions_alone.difference)


def test_seeds_that_do_not_differ_leave_the_test_over_questions() -> None:
    from scipy import stats

    rng = np.random.default_rng(1)
    a, b = rng.random((1, 200)) + 0.05, rng.random((1, 200))
    alone = crossed_bootstrap(a, b, True)
    for paired in (True, False):
        found = crossed_bootstrap(np.repeat(a, 5, axis=0), np.repeat(b, 5, axis=0), paired)
        assert astuple(found) == pytest.approx(astuple(alone))
    permuted = stats.permutation_test(
        (a[0] - b[0],), np.mean, permutation_type="samples", n_resamples=9_999, rng=np.random.default_rng(0)
    )
    assert alone.p_value == pytest.approx(permuted.pvalue, abs=0.01)


def test_answers_of_seeds_to_single_questions_are_not_counted_twice() -> None:
    # No seed is better than another: they only answer to single questions in their own ways.
    rng = np.random.default_rng(2)
    found = [crossed_bootstrap(noisy(rng, 5, 100, 0.0, 1.0, 2.0), np.zeros((5, 100)), True) for _ in range(50)]
    truth = 2 * 1.96 * ((1.0 + 2.0**2 / 5) / 100) ** 0.5  # with each answer three times it would be 1.37 times as wide
    assert 0.95 < np.mean([each.high - each.low for each in found]) / truth < 1.15


def test_interval_is_as_wide_as_students_where_seeds_are_all_that_differs() -> None:
    from scipy import stats

    means = np.array([[0.01], [0.03], [0.02], [0.05], [0.04]])
    d = np.repeat(means, 50, axis=1)
    found = crossed_bootstrap(d, np.zeros_like(d), True)
    half = stats.t.ppf(0.975, 4) * means.std(ddof=1) / 5**0.5
    assert (found.low, found.high) == pytest.approx((0.03 - half, 0.03 + half), abs=0.15 * half)
    assert found.p_value == pytest.approx(stats.ttest_1samp(means[:, 0], 0).pvalue, abs=0.01)


def test_paired_seeds_take_out_what_both_arms_owe_to_a_seed() -> None:
    rng = np.random.default_rng(3)
    shared = rng.normal(0, 0.05, (4, 1))
    a, b = (rng.normal(mean, 0.1, (1, 300)) + shared for mean in (0.53, 0.5))
    paired, own = crossed_bootstrap(a, b, True), crossed_bootstrap(a, b, False)
    assert paired.difference == own.difference
    assert paired.p_value < 0.01 < own.p_value


def test_one_run_is_compared_by_its_questions_and_the_seeds_of_the_other() -> None:
    rng = np.random.default_rng(4)
    students, teacher = noisy(rng, 5, 300, 1.0, 0.2, 0.2) + 0.1, rng.normal(0, 0.2, (1, 300))
    forth, back = crossed_bootstrap(students, teacher, False), crossed_bootstrap(teacher, students, False)
    assert back.difference == pytest.approx(-forth.difference)
    assert back.p_value == pytest.approx(forth.p_value, abs=0.02)
    alone = crossed_bootstrap(students.mean(axis=0, keepdims=True), teacher, False)
    assert forth.high - forth.low > 1.2 * (alone.high - alone.low)


def test_like_arms_do_not_differ() -> None:
    values = np.random.default_rng(0).random((1, 50))
    result = crossed_bootstrap(values + 1e-14, values, True)  # rounding errors
    assert result.p_value == 1.0
    assert (result.difference, result.low, result.high) == pytest.approx((0, 0, 0), abs=1e-12)


def test_p_is_the_share_of_resamples_as_far_from_the_difference_as_zero_is() -> None:
    # Two questions, 1 and 0: resampled means are 0, .5 and 1 with weights 1/4, 1/2, 1/4; zero is .5 away from .5.
    result = crossed_bootstrap(np.array([[1.0, 0.0]]), np.zeros((1, 2)), True)
    assert result.difference == 0.5
    assert result.p_value == pytest.approx(0.5, abs=0.02)
    assert (result.low, result.high) == (0.0, 1.0)
    # All questions differ alike: no resample is ever as far, and p is not 0.
    assert crossed_bootstrap(np.ones((1, 5)), np.zeros((1, 5)), True).p_value == 1 / (RESAMPLES + 1)


def test_one_run_agrees_with_the_normal_approximation() -> None:
    from scipy import stats

    values = np.random.default_rng(2).normal(0.06, 1.0, (1, 1_000))
    result = crossed_bootstrap(values, np.zeros_like(values), True)
    error = values.std() / 1_000**0.5
    assert result.p_value == pytest.approx(2 * stats.norm.sf(abs(values.mean()) / error), abs=0.02)
    assert (result.low, result.high) == pytest.approx(
        (values.mean() - 1.96 * error, values.mean() + 1.96 * error), abs=0.003
    )


def test_arms_exchanged_change_the_sign_alone_and_calls_repeat() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.random((2, 200)) + 0.03, rng.random((2, 200))
    forth, back = crossed_bootstrap(a, b, True), crossed_bootstrap(b, a, True)
    assert forth == crossed_bootstrap(a, b, True)
    assert back.p_value == pytest.approx(forth.p_value)
    assert (back.low, back.high) == pytest.approx((-forth.high, -forth.low))


@pytest.mark.parametrize("other", [np.zeros((2, 5)), np.zeros((3, 4)), np.zeros(5), np.zeros((0, 5))])
def test_other_questions_or_seeds_are_refused(other: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"expected two arms \[seeds, questions\].* but found shapes \(3, 5\)"):
        crossed_bootstrap(np.zeros((3, 5)), other, paired=True)
    if other.shape == (2, 5):
        assert crossed_bootstrap(np.zeros((3, 5)), other, paired=False).p_value == 1.0


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(DataError, match="1 of 2 questions"):
        crossed_bootstrap(np.array([[np.nan, 1.0]]), np.zeros((1, 2)), True)


def test_holm_equals_values_worked_out_by_hand() -> None:
    # Sorted 0.01 0.02 0.03 0.6, times 4 3 2 1: 0.04 0.06 0.06 0.6.
    assert holm([0.6, 0.03, 0.01, 0.02]) == pytest.approx([0.6, 0.06, 0.04, 0.06])
    # 0.02 * 3 = 0.06; 0.021 * 2 = 0.042 may not fall below it.
    assert holm([0.02, 0.021, 0.5]) == pytest.approx([0.06, 0.06, 0.5])
    assert holm([0.4, 0.9]) == pytest.approx([0.8, 0.9])
    assert holm([0.7, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
