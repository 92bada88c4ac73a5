"""The mean is over probabilities, which the mean over logits is not; and how near to it others are."""

import numpy as np
import pytest

from tmkd.errors import DataError
from tmkd.evaluation.ensemble import average_probabilities, fidelity, teaching_logits


def test_mean_is_of_probabilities_and_not_of_logits() -> None:
    # softmax: (1/2, 1/2) and (9/10, 1/10); the mean of the logits would give 3/4.
    logits = np.array([[[0.0, 0.0]], [[np.log(9.0), 0.0]]])
    assert average_probabilities(logits) == pytest.approx(np.array([[0.7, 0.3]]))


def test_members_of_other_precision_and_large_logits_stay_finite() -> None:
    members = [np.array([[1000.0, 0.0]], dtype=np.float32), np.array([[0.0, 5.0e4]], dtype=np.float16)]
    assert average_probabilities(members) == pytest.approx(np.array([[0.5, 0.5]]))


def test_one_member_is_its_own_softmax() -> None:
    assert average_probabilities(np.log([[[0.2, 0.3, 0.5]]])) == pytest.approx(np.array([[0.2, 0.3, 0.5]]))


def test_what_several_heads_teach_is_the_mean_of_their_probabilities() -> None:
    # or a student of two heads would teach something else than it predicts: the mean of the logits is (3/4, 1/4)
    logits = np.array([[[0.0, 0.0], [np.log(9.0), 0.0]]], dtype=np.float32)  # one pair, two heads
    taught = teaching_logits(logits)
    assert taught.dtype == np.float32
    assert np.exp(taught) == pytest.approx(np.array([[0.7, 0.3]]))


def test_one_head_teaches_its_logits_themselves() -> None:
    # a squared error of logits sees the constant that a softmax does not
    logits = np.array([[[3.0, 1.0]], [[-2.0, 5.0]]], dtype=np.float32)
    np.testing.assert_array_equal(teaching_logits(logits), logits[:, 0])


def test_heads_that_are_sure_of_a_class_teach_finite_logits() -> None:
    logits = np.array([[[1e4, 0.0], [1e4, 0.0]]], dtype=np.float32)
    assert np.isfinite(teaching_logits(logits)).all()


@pytest.mark.parametrize(
    ("logits", "found"),
    [
        ([np.zeros((4, 2)), np.zeros((3, 2))], r"found shapes \[\(4, 2\), \(3, 2\)\]"),
        ([np.zeros((1, 2)), np.zeros((4, 2))], r"found shapes \[\(1, 2\), \(4, 2\)\]"),  # would broadcast
        (np.zeros((4, 2)), r"found shapes \[\(2,\)"),
        ([], r"found shapes \[\]"),
    ],
)
def test_members_of_other_shapes_are_refused(logits: list[np.ndarray], found: str) -> None:
    with pytest.raises(DataError, match=rf"expected one or more members .* but {found}"):
        average_probabilities(logits)


def test_fidelity_by_hand() -> None:
    reference, student = np.array([[0.5, 0.5], [0.2, 0.8]]), np.array([[0.75, 0.25], [0.6, 0.4]])
    first = 0.5 * np.log(0.5 / 0.75) + 0.5 * np.log(0.5 / 0.25)
    second = 0.2 * np.log(0.2 / 0.6) + 0.8 * np.log(0.8 / 0.4)
    assert fidelity(student, reference) == pytest.approx({"agreement": 0.5, "divergence": (first + second) / 2})


def test_the_ensemble_is_at_no_distance_from_itself() -> None:
    reference = average_probabilities(np.random.default_rng(0).normal(size=(3, 9, 4)))
    assert fidelity(reference, reference) == {"agreement": 1.0, "divergence": 0.0}


def test_class_that_a_student_rules_out_leaves_the_divergence_finite() -> None:
    found = fidelity(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]))
    assert found["agreement"] == 0.0
    assert 700 < found["divergence"] < 710  # −ln of the smallest float64


def test_predictions_of_other_pairs_are_refused() -> None:
    with pytest.raises(DataError, match=r"Fidelity: .* found shapes \(1, 2\) and \(4, 2\)"):  # would broadcast
        fidelity(np.full((1, 2), 0.5), np.full((4, 2), 0.5))
