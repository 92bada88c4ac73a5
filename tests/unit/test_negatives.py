"""Positive-aware mining: values worked out by hand."""

import numpy as np

from tmkd.evaluation.negatives import hardest

RIGHT = np.array([0.9, 0.8])  # the lower one is the anchor
CANDIDATES = np.array([0.1, 0.76, 0.79, 0.5, 0.75, 0.5])


def judged(keep=10, below=None, margin=None):
    found = hardest(RIGHT, CANDIDATES, keep=keep, below=below, margin=margin)
    return found.kept, found.dropped


def test_share_of_the_lowest_right_passage_is_the_limit_and_the_limit_itself_is_dropped():
    assert judged(below=0.95) == ([4, 3, 5, 0], [1, 2])  # 0.95 · 0.8 = 0.76
    assert hardest(np.array([0.5]), np.array([0.5]), keep=1, below=1.0, margin=None).dropped == [0]


def test_margin_is_a_difference_and_the_stricter_limit_holds():
    assert judged(margin=0.1) == ([3, 5, 0], [1, 2, 4])
    assert judged(below=0.95, margin=0.1) == judged(margin=0.1)
    assert judged(below=0.5, margin=0.1) == ([0], [1, 2, 3, 4, 5])


def test_hardest_come_first_and_of_equal_ones_the_first():
    assert judged(keep=2, below=0.95) == ([4, 3], [1, 2])


def test_without_limits_nothing_is_dropped():
    assert judged() == ([2, 1, 4, 3, 5, 0], [])


def test_question_without_candidates_keeps_nothing():
    found = hardest(RIGHT, np.array([]), keep=3, below=0.95, margin=None)
    assert (found.kept, found.dropped) == ([], [])
