"""Which questions a dear teacher is asked for, worked out by hand, and when that ends."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from tmkd.choices import SELECTIONS
from tmkd.evaluation.selection import SELECT, agreement, disagreement, divide, enough, gain, random
from tmkd.report.learning_curve import Point, verdict, write_curve

# Two questions with two pairs each. Ranks of the first teacher: 0, 1/3, 2/3, 1; of the second: 0, 2/3, 1/3, 1.
MARGINS = np.array([[-5.0, 10.0], [-1.0, 30.0], [0.0, 20.0], [7.0, 40.0]])


def test_every_name_of_the_settings_has_its_function() -> None:
    assert tuple(SELECT) == SELECTIONS


def test_disagreement_is_the_variance_of_ranks_over_teachers() -> None:
    # pairs 1 and 2 differ by 1/3: variance 1/36; each is one of two pairs of its question
    np.testing.assert_allclose(disagreement(MARGINS, np.array([0, 0, 1, 1])), [1 / 72, 1 / 72])
    np.testing.assert_allclose(disagreement(MARGINS, np.array([0, 1, 1, 0])), [0, 1 / 36])


def test_disagreement_knows_no_scale() -> None:
    question = np.array([0, 1, 1, 0])
    stretched = np.stack([np.exp(MARGINS[:, 0]), 1000 * MARGINS[:, 1] - 7], axis=1)
    np.testing.assert_allclose(disagreement(stretched, question), disagreement(MARGINS, question))


def test_equal_margins_have_one_rank() -> None:
    # the second teacher tells nothing apart: 1/2 everywhere, so that the ends differ from it most
    found = disagreement(np.array([[0.0, 3.0], [1.0, 3.0], [2.0, 3.0]]), np.array([0, 1, 2]))
    np.testing.assert_allclose(found, [1 / 16, 0, 1 / 16])


def test_parts_are_whole_questions_in_the_order_of_their_worth() -> None:
    worth, sizes = np.arange(10.0), np.full(10, 4)
    held_out, first, second = divide(worth, sizes, held_out=9, pairs=8, rounds=2, seed=3)
    assert len(held_out) == 3 and len(first) == len(second) == 2, "12 pairs for 9, 8 for 8"
    left = sorted(set(range(10)) - set(held_out.tolist()), reverse=True)
    assert [*first, *second] == left[:4]


def test_seed_decides_what_is_held_out_and_the_order_of_equals() -> None:
    worth, sizes = random(MARGINS, np.arange(20)), np.full(20, 1)

    def drawn(seed: int) -> list[list[int]]:
        return [part.tolist() for part in divide(worth, sizes, 4, 8, 5, seed)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert [len(part) for part in drawn(1)] == [4, 8, 8], "no round is empty"
    assert sorted(each for part in drawn(1) for each in part) == list(range(20))
    chosen = divide(np.arange(20.0), sizes, 4, 8, 5, 1)
    assert chosen[0].tolist() == drawn(1)[0] and chosen[1].tolist() != drawn(1)[1]


@pytest.mark.parametrize(
    ("agreements", "gained"),
    [
        ([0.1, 0.2], None),
        ([0.1, 0.2, 0.5], 0.4),
        # a round that falls back is no loss, and one that recovers from it no gain
        ([0.6, 0.2, 0.61], 0.01),
        ([0.6, 0.5, 0.4], 0),
    ],
)
def test_gain_is_of_two_rounds_over_the_best_before(agreements: list[float], gained: float | None) -> None:
    assert gain(agreements) == (None if gained is None else pytest.approx(gained))
    assert enough(agreements, 0.05) == (gained is not None and gained < 0.05)
    assert not enough(agreements, None)


def test_agreement_is_that_of_ranks() -> None:
    assert agreement(np.array([0.1, 0.2, 0.9]), np.array([-7.0, 0.0, 0.1])) == pytest.approx(1)
    assert agreement(np.array([0.9, 0.1, 0.2]), np.array([1.0, 2.0, 3.0])) == pytest.approx(-0.5)
    assert agreement(np.full(3, 0.5), np.array([1.0, 2.0, 3.0])) == 0, "no NaN, which no gain could be told from"


def points(*agreements: float) -> list[Point]:
    return [
        Point(number, 100 * number, 50 + 100 * number, None, None, each, None, 0.5)
        for number, each in enumerate(agreements, start=1)
    ]


def test_verdict_says_what_the_last_rounds_brought() -> None:
    assert verdict(points(0.5), 0.005) == "1 round is too few to tell what further pairs would bring"
    assert verdict(points(0.5, 0.6, 0.603), 0.2) == (
        "the last 2 rounds (200 pairs) added 10.3 points of agreement, less than 20.0: stop"
    )
    assert verdict(points(0.5, 0.6, 0.603), 0.005).endswith(
        "10.3 points of agreement: further pairs are likely to help"
    )
    assert verdict(points(0.5, 0.6, 0.603), None).endswith("10.3 points of agreement")


def test_curve_is_a_row_a_round(tmp_path: Path) -> None:
    priced = Point(2, 200, 250, 30, 1.5, 0.61234, 0.01, 0.7)
    write_curve([*points(0.5), priced], tmp_path, "map", "a title")
    rows = list(csv.reader((tmp_path / "curve.csv").open()))
    assert rows == [
        ["round", "pairs", "asked", "requests", "money", "agreement", "std", "map"],
        ["1", "100", "150", "", "", "0.5000", "", "0.5000"],
        ["2", "200", "250", "30", "1.5000", "0.6123", "0.0100", "0.7000"],
    ]
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
