"""The mean is over probabilities, which the mean over logits is not."""

import numpy as np
import pytest

from tmkd.ensemble import average_probabilities
from tmkd.errors import DataError


def test_mean_is_of_probabilities_and_not_of_logits() -> None:
    # softmax: (1/2, 1/2) and (9/10, 1/10); the mean of the logits would give 3/4.
    logits = np.array([[[0.0, 0.0]], [[np.log(9.0), 0.0]]])
    assert average_probabilities(logits) == pytest.approx(np.array([[0.7, 0.3]]))


def test_members_of_other_precision_and_large_logits_stay_finite() -> None:
    members = [np.array([[1000.0, 0.0]], dtype=np.float32), np.array([[0.0, 5.0e4]], dtype=np.float16)]
    assert average_probabilities(members) == pytest.approx(np.array([[0.5, 0.5]]))


def test_one_member_is_its_own_softmax() -> None:
    assert average_probabilities(np.log([[[0.2, 0.3, 0.5]]])) == pytest.approx(np.array([[0.2, 0.3, 0.5]]))


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
