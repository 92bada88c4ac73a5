"""Exact p-values where signs can be counted by hand."""

import numpy as np
import pytest

from tmkd.errors import DataError
from tmkd.significance import RESAMPLES, holm, paired_bootstrap, paired_test


def test_identical_arms_do_not_differ() -> None:
    values = np.random.default_rng(0).random((3, 50))
    result = paired_test(values, values[::-1])  # seeds in another order leave rounding errors
    assert result.p_value == 1.0
    assert result.difference == pytest.approx(0, abs=1e-12)
    assert (result.low, result.high) == pytest.approx((0, 0), abs=1e-12)


def test_p_value_is_the_share_of_sign_flips_at_least_as_extreme() -> None:
    # Five differences of one sign: only all + and all - of the 2^5 flips are as extreme.
    result = paired_test(np.array([[0.1, 0.2, 0.3, 0.4, 0.5]]), np.zeros((1, 5)))
    assert result.p_value == pytest.approx(2 / 2**5)
    assert result.difference == pytest.approx(0.3)
    # Differences 3 and -1 sum to 2; the flips sum to 4, 2, -2 and -4: half are as high, doubled for two sides.
    assert paired_test(np.array([[3.0, 0.0]]), np.array([[0.0, 1.0]])).p_value == 1.0


def test_questions_on_which_arms_tie_do_not_change_p() -> None:
    a = np.array([[0.1, 0.2, 0.3, 0.4, 0.5, *[0.7] * 100]])
    b = np.array([[0.0] * 5 + [0.7] * 100])
    assert paired_test(a, b).p_value == pytest.approx(2 / 2**5)


def test_seeds_are_averaged_within_an_arm_and_need_not_be_as_many() -> None:
    a = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    b = np.array([[0.5, 0.5, 0.25]])
    assert paired_test(a, b).difference == pytest.approx(0.25)
    assert paired_test(a, b).p_value == 1.0  # one question differs: either sign is as extreme


def test_arms_exchanged_change_the_sign_alone_and_calls_repeat() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.random((2, 200)) + 0.03, rng.random((3, 200))
    forth, back = paired_test(a, b), paired_test(b, a)
    assert forth == paired_test(a, b)
    assert back.difference == pytest.approx(-forth.difference)
    assert back.p_value == pytest.approx(forth.p_value, abs=0.02)
    assert forth.low < forth.difference < forth.high


def test_interval_has_the_width_of_the_standard_error() -> None:
    differences = np.random.default_rng(2).normal(0.1, 1.0, (1, 1_000))
    result = paired_test(differences, np.zeros_like(differences))
    assert result.high - result.low == pytest.approx(2 * 1.96 * differences.std(ddof=1) / 1_000**0.5, rel=0.05)


def test_a_clear_difference_is_found_and_noise_is_not() -> None:
    rng = np.random.default_rng(3)
    noise, other = rng.normal(0, 1, (1, 300)), rng.normal(0, 1, (1, 300))
    assert paired_test(noise + 0.5, other).p_value < 0.001
    assert paired_test(noise, other).p_value > 0.01


@pytest.mark.parametrize("other", [np.zeros((1, 4)), np.zeros(5), np.zeros((0, 5))])
def test_arms_with_other_questions_are_refused(other: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"expected two arms \[seeds, questions\]"):
        paired_test(np.zeros((1, 5)), other)


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(DataError, match="1 of 2 questions"):
        paired_test(np.array([[np.nan, 1.0]]), np.zeros((1, 2)))


def test_bootstrap_of_like_arms_finds_nothing() -> None:
    values = np.random.default_rng(0).random((3, 50))
    result = paired_bootstrap(values, values[::-1])  # seeds in another order leave rounding errors
    assert result.p_value == 1.0
    assert (result.difference, result.low, result.high) == pytest.approx((0, 0, 0), abs=1e-12)


def test_bootstrap_p_is_the_share_of_resamples_as_far_from_the_difference_as_zero_is() -> None:
    # Two questions, 1 and 0: resampled means are 0, .5 and 1 with weights 1/4, 1/2, 1/4; zero is .5 away from .5.
    result = paired_bootstrap(np.array([[1.0, 0.0]]), np.zeros((1, 2)))
    assert result.difference == 0.5
    assert result.p_value == pytest.approx(0.5, abs=0.02)
    assert (result.low, result.high) == (0.0, 1.0)
    # All questions differ alike: no resample is ever as far, and p is not 0.
    assert paired_bootstrap(np.ones((1, 5)), np.zeros((1, 5))).p_value == 1 / (RESAMPLES + 1)


def test_bootstrap_agrees_with_the_normal_approximation() -> None:
    from scipy import stats

    values = np.random.default_rng(2).normal(0.04, 1.0, (2, 1_000)) + 0.02
    result = paired_bootstrap(values, np.zeros_like(values))
    means = values.mean(axis=0)
    error = means.std() / 1_000**0.5
    assert result.p_value == pytest.approx(2 * stats.norm.sf(means.mean() / error), abs=0.02)
    assert (result.low, result.high) == pytest.approx(
        (means.mean() - 1.96 * error, means.mean() + 1.96 * error), abs=0.003
    )


def test_bootstrap_pairs_seeds_and_sets_a_lone_one_beside_all() -> None:
    rng = np.random.default_rng(3)
    a, alone = rng.random((3, 40)), rng.random((1, 40))
    assert paired_bootstrap(a, alone) == paired_bootstrap(a, np.repeat(alone, 3, axis=0))
    assert paired_bootstrap(alone, a).difference == pytest.approx(-paired_bootstrap(a, alone).difference)


def test_bootstrap_of_arms_exchanged_changes_the_sign_alone() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.random((2, 200)) + 0.03, rng.random((2, 200))
    forth, back = paired_bootstrap(a, b), paired_bootstrap(b, a)
    assert back.p_value == pytest.approx(forth.p_value)
    assert (back.low, back.high) == pytest.approx((-forth.high, -forth.low))


@pytest.mark.parametrize("other", [np.zeros((2, 5)), np.zeros((3, 4)), np.zeros(5), np.zeros((0, 5))])
def test_bootstrap_refuses_other_questions_or_seeds(other: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"the same\s+seeds \(or one\), but found shapes \(3, 5\)"):
        paired_bootstrap(np.zeros((3, 5)), other)


def test_bootstrap_refuses_values_that_are_not_finite() -> None:
    with pytest.raises(DataError, match="1 of 2 questions"):
        paired_bootstrap(np.array([[np.nan, 1.0]]), np.zeros((1, 2)))


def test_holm_equals_values_worked_out_by_hand() -> None:
    # Sorted 0.01 0.02 0.03 0.6, times 4 3 2 1: 0.04 0.06 0.06 0.6.
    assert holm([0.6, 0.03, 0.01, 0.02]) == pytest.approx([0.6, 0.06, 0.04, 0.06])
    # 0.02 * 3 = 0.06; 0.021 * 2 = 0.042 may not fall below it.
    assert holm([0.02, 0.021, 0.5]) == pytest.approx([0.06, 0.06, 0.5])
    assert holm([0.4, 0.9]) == pytest.approx([0.8, 0.9])
    assert holm([0.7, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
