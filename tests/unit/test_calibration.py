"""Maps to one scale: a teacher's order stays, its probabilities come to mean what they say."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, softmax

from tmkd import choices
from tmkd.errors import DataError
from tmkd.evaluation.calibration import Calibration
from tmkd.evaluation.calibration_fits import FITS, KNOTS, TILT, isotonic, smoothed_labels
from tmkd.evaluation.reliability import reliability

METHODS = list(FITS)
HUGE = float(np.finfo(np.float32).max)


def logits_of(margins: np.ndarray) -> np.ndarray:
    margins = np.asarray(margins, dtype=np.float64)
    return np.stack([-margins / 2, margins / 2], axis=1)


def margins_of(logits: np.ndarray) -> np.ndarray:
    return logits[:, 1].astype(np.float64) - logits[:, 0]


def drawn(pairs: int, seed: int, shift: float = -1.0) -> tuple[np.ndarray, np.ndarray]:
    """Return true log-odds and labels that are drawn from them."""
    rng = np.random.default_rng(seed)
    truth = 2 * rng.standard_normal(pairs) + shift
    return truth, (rng.random(pairs) < expit(truth)).astype(int)


DISTORTED = {
    "logits": lambda z: 3 * z + 1,
    "0 to 100": lambda z: np.round(100 * expit(z / 2)),
    "probabilities": lambda z: expit(z) ** 2,
    "tiny": lambda z: z * 1e-30,
    "heavy tails": lambda z: np.sinh(10 * z),
}


def test_names_that_settings_may_have_are_the_registrys() -> None:
    assert set(FITS) == set(choices.CALIBRATIONS)


def test_smoothed_labels_are_platts() -> None:
    # Three pairs of class 1: (3 + 1) / (3 + 2); one of class 0: 1 / (1 + 2).
    found = smoothed_labels(np.array([1, 1, 0, 1]), 2)
    assert found[:, 1] == pytest.approx([4 / 5, 4 / 5, 1 / 3, 4 / 5])
    assert found.sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("scale", DISTORTED)
def test_order_of_a_teacher_is_never_changed(method: str, seed: int, scale: str) -> None:
    truth, labels = drawn(300, seed, shift=0.0)
    scores = DISTORTED[scale](truth)
    scores = scores - np.median(scores)  # temperature has no intercept
    new = np.concatenate([scores, DISTORTED[scale](drawn(500, seed + 100)[0]) - 1, [-1e30, -50.0, 0.0, 50.0, 1e30]])
    new = np.sort(new)
    found = margins_of(Calibration.fit(method, logits_of(scores), labels).apply(logits_of(new)))
    assert np.isfinite(found).all()
    assert (np.diff(found) >= 0).all()
    far_apart = np.diff(new) > 1e-3 * np.ptp(scores)
    if method == "isotonic":  # on a step, float32 tells pairs apart that have validation pairs between them
        far_apart = np.diff(np.searchsorted(np.sort(scores), new)) > 1
    assert (np.diff(found)[far_apart] > 0).all()


@pytest.mark.parametrize("method", ["isotonic", "rank"])
def test_pairs_on_one_step_keep_the_teachers_order(method: str) -> None:
    """Ties would be broken against the teacher by MAP, in silence."""
    scores = np.arange(40.0)
    labels = np.repeat([0, 1], 20)  # two steps
    found = margins_of(Calibration.fit(method, logits_of(scores), labels).apply(logits_of(scores)))
    assert (np.diff(found) > 0).all()
    assert found[19] - found[0] < TILT or method == "rank"


@pytest.mark.parametrize("method", METHODS)
def test_equal_scores_stay_equal_whatever_the_row_has_besides_its_margin(method: str) -> None:
    truth, labels = drawn(200, 1)
    fitted = Calibration.fit(method, logits_of(truth), labels)
    logits = np.array([[0.0, 1.5], [10.0, 11.5], [-0.75, 0.75]])
    found = fitted.apply(logits)
    assert found.dtype == np.float32 and found.shape == (3, 2)
    assert (found == found[0]).all()
    assert (found.sum(axis=1) == 0).all()


def test_platt_gives_back_what_the_scores_were_made_with() -> None:
    truth, labels = drawn(50_000, 2)
    fitted = Calibration.fit("platt", logits_of(7 * truth + 30), labels)
    assert fitted.slope == pytest.approx(1 / 7, rel=0.03)
    assert -fitted.intercept / fitted.slope == pytest.approx(30, rel=0.03)
    assert margins_of(fitted.apply(logits_of(7 * truth + 30))) == pytest.approx(truth, rel=0.05, abs=0.05)


def test_platt_finds_the_slope_and_intercept_of_the_least_cross_entropy() -> None:
    truth, labels = drawn(60, 3)
    fitted = Calibration.fit("platt", logits_of(100 * truth), labels)
    residual = expit(fitted.slope * 100 * truth + fitted.intercept) - smoothed_labels(labels, 2)[:, 1]
    assert residual.sum() == pytest.approx(0, abs=1e-6)
    assert (residual * truth).sum() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("classes", [2, 4])
def test_temperature_gives_back_what_the_logits_were_multiplied_by(classes: int) -> None:
    rng = np.random.default_rng(4)
    truth = 1.5 * rng.standard_normal((30_000, classes))
    labels = (truth + rng.gumbel(size=truth.shape)).argmax(axis=1)  # a draw from the softmax
    fitted = Calibration.fit("temperature", 5 * truth + 3, labels)
    assert fitted.slope == pytest.approx(1 / 5, rel=0.03)
    found = fitted.apply(5 * truth + 3)
    assert (found.argmax(axis=1) == truth.argmax(axis=1)).all()
    assert found.mean(axis=1) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("method", ["temperature", "platt"])
def test_scores_that_are_all_right_do_not_become_infinitely_sure(method: str) -> None:
    labels = np.tile([0, 1], 10)
    found = margins_of(Calibration.fit(method, logits_of(2.0 * labels - 1), labels).apply(logits_of(2.0 * labels - 1)))
    assert np.abs(found) == pytest.approx(np.log(11))  # 11 to 1, as Laplace's rule has it of ten pairs


def test_isotonic_steps_are_as_by_hand() -> None:
    # Shares 0, 0, (1 + 0) / 2 twice, 1, 1; 0 and 1 are kept within 1/8 and 7/8.
    labels = np.array([0, 0, 1, 0, 1, 1])
    fitted = isotonic(logits_of(np.arange(6.0)), labels)
    assert fitted["knots"] == tuple(range(6))
    assert expit(np.array(fitted["heights"])) == pytest.approx([1 / 8, 1 / 8, 1 / 2, 1 / 2, 7 / 8, 7 / 8], abs=TILT / 8)


def test_isotonic_agrees_with_scikit_learns_on_the_pairs_it_was_fitted_on() -> None:
    from sklearn.isotonic import IsotonicRegression

    truth, labels = drawn(3 * KNOTS, 5)
    found = expit(margins_of(Calibration.fit("isotonic", logits_of(truth), labels).apply(logits_of(truth))))
    reference = IsotonicRegression(y_min=1 / 3002, y_max=3001 / 3002).fit_transform(truth, labels)
    assert found == pytest.approx(reference, abs=TILT / 8)


def test_rank_is_the_quantile_among_validation_margins() -> None:
    margins = np.array([-5.0, 1.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 1000.0])
    labels = np.repeat([0, 1], 5)
    found = margins_of(Calibration.fit("rank", logits_of(margins), labels).apply(logits_of(margins)))
    assert expit(found) == pytest.approx([0.05, 0.2, 0.2, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95])


@pytest.mark.parametrize(
    ("method", "scale"),
    [("platt", "logits"), ("platt", "0 to 100"), *(("isotonic", scale) for scale in DISTORTED)],
)
def test_calibration_error_falls_on_pairs_that_were_not_seen(method: str, scale: str) -> None:
    (truth, labels), (new, new_labels) = drawn(3000, 6), drawn(20_000, 7)
    raw = logits_of(DISTORTED[scale](new))
    fitted = Calibration.fit(method, logits_of(DISTORTED[scale](truth)), labels)
    before = reliability(softmax(raw, axis=1), new_labels)
    after = reliability(softmax(fitted.apply(raw).astype(np.float64), axis=1), new_labels)
    assert after.ece < 0.03 < before.ece
    assert after.brier < before.brier


@pytest.mark.parametrize("method", METHODS)
def test_map_comes_back_from_json_bit_by_bit(method: str) -> None:
    truth, labels = drawn(500, 8)
    fitted = Calibration.fit(method, logits_of(truth * np.pi), labels)
    again = Calibration.from_json(json.loads(json.dumps(fitted.to_json(), allow_nan=False)))
    assert again == fitted
    assert {type(value) for value in fitted.to_json().values()} <= {str, int, float, tuple}
    assert hash(again) == hash(fitted)
    assert (again.apply(logits_of(truth)) == fitted.apply(logits_of(truth))).all()


@pytest.mark.parametrize("method", METHODS)
def test_pairs_without_a_score_are_left_out_and_stay_without(method: str) -> None:
    truth, labels = drawn(100, 9)
    logits = logits_of(truth)
    holes = np.insert(logits, [0, 50], np.nan, axis=0)
    fitted = Calibration.fit(method, holes, np.insert(labels, [0, 50], 1))
    assert fitted == Calibration.fit(method, logits, labels)
    assert fitted.pairs == 100
    found = fitted.apply(holes)
    assert np.flatnonzero(np.isnan(found).all(axis=1)).tolist() == [0, 51]
    assert (np.delete(found, [0, 51], axis=0) == fitted.apply(logits)).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.filterwarnings("error")
def test_extreme_scores_stay_finite_and_in_order(method: str) -> None:
    truth, labels = drawn(200, 10, shift=0.0)
    new = np.array([-HUGE, -1e20, -1e3, 0.0, 1e3, 1e20, HUGE])
    found = Calibration.fit(method, logits_of(truth), labels).apply(np.stack([-new, new], axis=1))
    assert np.isfinite(found).all()
    assert (np.diff(found[:, 1]) > 0).all()
    outlier = Calibration.fit(method, logits_of(np.append(truth, HUGE)), np.append(labels, 1))
    assert np.isfinite(outlier.apply(logits_of(truth))).all()


def test_temperature_of_several_classes_keeps_extreme_logits_finite() -> None:
    fitted = Calibration("temperature", 3, 100, slope=1e10)
    found = fitted.apply(np.array([[HUGE, 0.0, -HUGE], [1.0, 1.0, 1.0]]))
    assert np.isfinite(found).all()
    assert found[0].argmax() == 0 and found[0].argmin() == 2
    assert (found[1] == 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_teacher_that_is_wrong_more_often_than_right_is_refused(method: str) -> None:
    truth, labels = drawn(300, 11)
    with pytest.raises(DataError, match=r"Calibration of BM25: .*its scores fall where the right answers are"):
        Calibration.fit(method, logits_of(-truth), labels, what="BM25")


def test_platt_refuses_a_line_that_falls_though_the_order_is_right() -> None:
    # Most right pairs are just above the wrong ones, and one far below: the line falls, the order is mostly right.
    margins = np.concatenate([np.zeros(20) + np.arange(20) / 100, np.ones(19), [-1e4]])
    labels = np.repeat([0, 1], 20)
    with pytest.raises(DataError, match="no rising platt map"):
        Calibration.fit("platt", logits_of(margins), labels)


def test_temperature_refuses_scores_that_need_an_intercept() -> None:
    # Marks out of 100, of which most are of wrong pairs: no temperature is better than calling all alike.
    truth, labels = drawn(300, 12, shift=-3.0)
    marks = 100 * expit(truth)
    with pytest.raises(DataError, match="no rising temperature map"):
        Calibration.fit("temperature", logits_of(marks + 50), labels)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda z, y: (z[:, 0], y), r"expected logits \[pairs, classes\]"),
        (lambda z, y: (z, y[1:]), "expected a label from 0 to 1 for each of 100 pairs"),
        (lambda z, y: (z, y * 2), r"labels of shape \(100,\) with values \[0, 2\]"),
        (lambda z, y: (np.where(np.arange(2) == 1, np.nan, z), y), "NaN in all classes of a pair without a score"),
        (lambda z, y: (np.where(z > 2, np.inf, z), y), "expected numbers that float32 holds"),
        (lambda z, y: (z, (np.arange(100) < 4).astype(int)), r"at least 5 scored validation pairs .* found \[96, 4\]"),
        (lambda z, y: (z * 0 + 1, y), "all 100 validation pairs have the same"),
    ],
)
def test_what_cannot_be_fitted_is_refused(change, expected: str) -> None:
    truth, labels = drawn(100, 13)
    with pytest.raises(DataError, match=expected):
        Calibration.fit("platt", *change(3 * logits_of(truth), labels))


@pytest.mark.parametrize("method", ["platt", "isotonic", "rank"])
def test_more_than_two_classes_are_refused_but_for_temperature(method: str) -> None:
    with pytest.raises(DataError, match=f"two classes for {method}, but the task has 3; take temperature"):
        Calibration.fit(method, np.eye(3), np.arange(3))


def test_map_refuses_another_number_of_classes_and_an_unknown_method() -> None:
    truth, labels = drawn(100, 14)
    fitted = Calibration.fit("platt", logits_of(truth), labels)
    with pytest.raises(DataError, match="expected logits of 2 classes, as it was fitted on, but found 3"):
        fitted.apply(np.eye(3))
    with pytest.raises(ValueError, match="temperature, platt, isotonic, rank"):
        Calibration.fit("sigmoid", logits_of(truth), labels)
    assert replace(fitted, pairs=1).apply(np.empty((0, 2))).shape == (0, 2)
