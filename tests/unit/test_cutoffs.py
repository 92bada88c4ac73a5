"""Cut-offs and calibrated scores, by hand: what they keep, that order stays, and that nobody judges its own pairs."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.special import expit

from tmkd.errors import DataError
from tmkd.evaluation.cutoffs import Estimate, choose, cutoffs, own_cutoffs
from tmkd.evaluation.score_calibration import ScoreCalibration, Split, calibrate_scores

SCORES, RIGHT = np.array([3.0, 2.0, 1.0, 0.5, 2.5, 0.0]), np.array([1, 1, 1, 1, 0, 0])


def split(seed: int, questions: int = 60, scale: float = 3.0) -> Split:
    """Pairs whose true log-odds are the scores divided by ``scale``; each question has four passages."""
    random = np.random.default_rng(seed)
    odds = random.normal(-0.5, 1.5, 4 * questions)
    labels = (random.random(len(odds)) < expit(odds)).astype(int)
    p = expit(scale * odds)
    return Split(np.stack([1 - p, p], axis=1), labels, np.repeat(np.arange(questions), 4).tolist())


@pytest.mark.parametrize(("target", "score"), [(0.5, 2.0), (0.75, 1.0), (0.76, 0.5), (0.8, 0.5), (0.01, 3.0)])
def test_cutoff_is_the_highest_score_that_keeps_enough_right_answers(target: float, score: float) -> None:
    assert choose(SCORES, RIGHT, target) == score


def test_cutoff_with_four_digits_still_keeps_the_pair_that_it_was_chosen_by() -> None:
    assert choose(np.array([0.123456]), np.array([1]), 1) == 0.1234
    assert choose(np.array([-0.12345]), np.array([1]), 1) == -0.1235
    narrow = np.array([0.50000111, 0.50000222, 0.50000333])
    assert np.count_nonzero(narrow >= choose(narrow, np.ones(3), 0.6)) == 2


def test_what_a_cutoff_keeps_is_counted_on_the_other_split() -> None:
    other = np.array([2.0, 1.5, 4.0, 1.0]), np.array([1, 1, 0, 0]), ["a", "b", "a", "b"]
    [half] = cutoffs((SCORES, RIGHT), other, [0.5])  # chosen: 2.0, which keeps 2.0 and 4.0
    assert (half.target, half.score) == (0.5, 2.0)
    assert (half.recall.value, half.kept.value) == (0.5, 0.5)
    assert half.precision is not None and half.precision.value == 0.5
    # a question each: a keeps all and b nothing, so that draws of two questions keep 0, 1/2 or 1
    assert half.recall == Estimate(0.5, 0.0, 1.0) and half.kept == Estimate(0.5, 0.0, 1.0)
    [none] = cutoffs((np.array([9.0]), np.array([1])), other, [0.9])
    assert none.recall == Estimate(0.0, 0.0, 0.0) and none.precision is None


def test_interval_is_that_of_questions_and_not_of_their_pairs() -> None:
    # 40 questions of 50 equal passages: pairs as independent would make the interval seven times too narrow
    random = np.random.default_rng(3)
    found = np.repeat(random.random(40) < 0.5, 50)
    [only] = cutoffs(
        (np.array([1.0]), np.array([1])), (found.astype(float), np.ones(2000), np.repeat(np.arange(40), 50)), [1]
    )
    share = found.mean()
    assert only.recall.value == share
    assert only.recall.high - only.recall.low == pytest.approx(2 * 1.96 * np.sqrt(share * (1 - share) / 40), rel=0.15)


def test_own_cutoffs_are_judged_by_those_of_other_questions() -> None:
    scores, right = np.array([5.0, 1.0, 3.0, 4.0]), np.array([1, 0, 1, 0])
    [found] = own_cutoffs(scores, right, ["a", "a", "b", "b"], [0.99])
    # a by b's cut-off of 3 keeps its right passage; b by a's of 5 keeps nothing
    assert found.score == 3.0
    assert (found.recall.value, found.kept.value) == (0.5, 0.25)
    assert found.precision is not None and found.precision.value == 1.0


def test_missing_right_answers_and_scores_are_named() -> None:
    with pytest.raises(DataError, match="expected right answers to choose by, but found none"):
        choose(SCORES, RIGHT * 0, 0.9)
    with pytest.raises(DataError, match="1 values that are not finite"):
        choose(np.array([np.nan, 1.0]), np.array([1, 1]), 0.9)
    with pytest.raises(DataError, match="expected right answers to judge them by"):
        cutoffs((SCORES, RIGHT), (SCORES, RIGHT * 0, list("aabbcc")), [0.9])
    with pytest.raises(DataError, match=r"to two questions at least.*but found 1"):
        own_cutoffs(SCORES, RIGHT, ["a", "a", "a", "a", "b", "b"], [0.9])


def test_map_of_scores_three_times_too_sure_is_found_and_keeps_their_order() -> None:
    test = split(2, 400)
    found = calibrate_scores(split(1, 400), test)
    assert found.map.method in ("platt", "temperature") and found.map.slope == pytest.approx(1 / 3, rel=0.15)
    for judged in (found.validation, found.test):
        assert judged.after.ece < judged.before.ece / 2 and judged.after.brier < judged.before.brier
    after = found.apply(test.probabilities)
    assert np.array_equal(np.argsort(after[:, 1], kind="stable"), np.argsort(test.probabilities[:, 1], kind="stable"))
    assert after.sum(axis=1) == pytest.approx(1)
    # a cut-off in probabilities keeps the same pairs as in scores
    scores = np.log(test.probabilities[:, 1]) - np.log(test.probabilities[:, 0])
    for each, probability in zip(found.cutoffs, found.probabilities, strict=True):
        assert np.array_equal(scores >= each.score, after[:, 1] >= probability)
        assert each.recall.value == pytest.approx(each.target, abs=0.05)
    assert ScoreCalibration.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_validation_quality_is_not_that_of_the_pairs_that_a_map_was_fitted_on() -> None:
    # labels by the question alone, and a score that names the question: a map that saw a question knows its labels
    random = np.random.default_rng(0)
    p = np.repeat((1 + np.arange(40)) / 42, 4)
    labels = np.repeat(random.random(40) < p[::4], 4).astype(int)
    given = Split(np.stack([1 - p, p], axis=1), labels, np.repeat(np.arange(40), 4).tolist())
    found = calibrate_scores(given, given)  # the "test" of it is what the map was fitted on
    assert found.validation.after.brier > found.test.after.brier


def test_more_than_two_classes_have_a_temperature_and_no_cutoffs() -> None:
    random = np.random.default_rng(0)
    logits, labels = random.normal(size=(300, 3)), random.integers(3, size=300)
    logits[np.arange(300), labels] += 1.5
    p = np.exp(3 * logits) / np.exp(3 * logits).sum(axis=1, keepdims=True)
    given = Split(p, labels, list(range(300)))
    found = calibrate_scores(given, given)
    assert found.map.method == "temperature" and not found.cutoffs
    assert found.validation.after.brier < found.validation.before.brier
    assert ScoreCalibration.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_scores_that_fall_where_right_answers_are_cannot_be_calibrated() -> None:
    given = split(1)
    with pytest.raises(DataError, match="fall where the right answers are"):
        calibrate_scores(Split(given.probabilities[:, ::-1], given.labels, given.question_ids), given)


def test_too_few_pairs_of_a_student_are_counted_in_the_part_that_has_them() -> None:
    # what helps a teacher, to do without a map, is nothing that a student could set
    given = split(7, 6)
    said = (
        r"this student on a part of the questions: expected at least 5 .* found \[\d+, \d\]; give the validation split"
    )
    with pytest.raises(DataError, match=said):
        calibrate_scores(given, given)
