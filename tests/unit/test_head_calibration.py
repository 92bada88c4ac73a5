"""Heads that rank become heads that predict: the line of a margin, and its place in the weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import expit

from tmkd.evaluation.head_calibration import Line
from tmkd.models.heads import GOLD, Heads


@pytest.fixture(scope="module")
def drawn() -> tuple[np.ndarray, np.ndarray]:
    """Margins, and labels that are 1 as often as the margins' log-odds, 3 m − 1, say."""
    random = np.random.default_rng(1)
    margins = random.normal(size=20_000)
    return margins, (random.random(20_000) < expit(3 * margins - 1)).astype(int)


def two(margins: np.ndarray) -> np.ndarray:
    """Logits of two classes, each pair with a constant of its own."""
    constant = np.random.default_rng(2).normal(size=len(margins))
    return np.stack([constant, constant + margins], axis=1)


def test_line_of_known_log_odds_is_found(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    margins, labels = drawn
    line = Line.fit(two(margins), labels)
    assert line is not None and (line.slope, line.intercept) == pytest.approx((3, -1), abs=0.15)
    moved = line.apply(two(margins))
    assert moved[:, 1] - moved[:, 0] == pytest.approx(line.slope * margins + line.intercept, abs=1e-4)


def test_scores_of_grades_get_the_line_of_least_squares() -> None:
    scores = np.array([[-1.0], [0.0], [1.0], [2.0]])
    line = Line.fit(scores, np.array([0.0, 2.0, 2.0, 4.0]))
    assert line is not None and (line.slope, line.intercept) == pytest.approx((1.2, 1.4))
    assert line.apply(scores)[:, 0] == pytest.approx([0.2, 1.4, 2.6, 3.8])
    assert Line.fit(-scores, np.arange(4.0)) is None and Line.fit(scores, np.ones(4)) is None


def test_pairs_that_show_no_rising_line_give_none(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    margins, labels = drawn
    assert Line.fit(two(-margins), labels) is None
    assert Line.fit(two(margins), np.ones_like(labels)) is None
    assert Line.fit(np.zeros((4, 2)), np.array([0, 1, 0, 1])) is None
    with pytest.raises(ValueError, match="3 classes"):
        Line.fit(np.zeros((4, 3)), np.array([0, 1, 0, 1]))


@pytest.mark.parametrize("classes", [1, 2])
def test_line_in_the_weights_is_the_line_on_the_logits_and_leaves_other_heads_alone(classes: int) -> None:
    heads, line = Heads([GOLD, "a", "b"], 6, classes, alike=False), Line(2.5, -0.75)
    h1 = torch.randn(9, 6, generator=torch.Generator().manual_seed(1))
    before = heads(h1).detach().numpy()
    heads.move(1, line.slope, line.shift(classes).tolist())
    after = heads(h1).detach().numpy()
    assert after[:, 1] == pytest.approx(line.apply(before[:, 1]), abs=1e-6)
    assert (after[:, [0, 2]] == before[:, [0, 2]]).all()
    margins = [each[:, 1, -1] - (each[:, 1, 0] if classes == 2 else 0) for each in (before, after)]
    assert margins[1] == pytest.approx(2.5 * margins[0] - 0.75, abs=1e-5)
