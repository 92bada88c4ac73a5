"""Calibration error, Brier score and the curve, by hand and beside other packages; their diagram and table."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, softmax

from tmkd.errors import DataError
from tmkd.evaluation.reliability import reliability
from tmkd.report.page import to_html
from tmkd.report.reliability_figure import CalibratedTeacher, draw_reliability, reliability_section


def both(p: np.ndarray) -> np.ndarray:
    return np.stack([1 - np.asarray(p), p], axis=1)


def test_two_bins_are_as_by_hand() -> None:
    found = reliability(both([0.1, 0.3, 0.8, 0.8, 0.9]), np.array([0, 1, 1, 1, 0]), bins=2, equal_mass=False)
    assert found.count == [2, 3]
    assert found.confidence == pytest.approx([0.2, 2.5 / 3])
    assert found.observed == pytest.approx([1 / 2, 2 / 3])
    assert found.ece == pytest.approx(0.4 * 0.3 + 0.6 * (2.5 - 2) / 3)
    assert found.brier == pytest.approx((0.01 + 0.49 + 0.04 + 0.04 + 0.81) / 5)


def test_bins_of_equal_mass_hold_equally_many_but_for_ties() -> None:
    p = np.concatenate([np.linspace(0.001, 0.01, 60), np.linspace(0.02, 0.9, 40)])
    assert reliability(both(p), np.arange(100) % 2, bins=5).count == [20] * 5
    assert reliability(both(np.repeat([0.2, 0.7], [90, 10])), np.arange(100) % 2, bins=5).count == [90, 10]


def test_probabilities_that_are_true_have_no_error_and_sure_wrong_ones_have_one() -> None:
    assert reliability(both(np.full(4, 0.25)), np.array([0, 0, 1, 0])).ece == 0
    worst = reliability(both(np.array([0.0, 1.0])), np.array([1, 0]))
    assert worst.ece == worst.brier == 1


def test_several_classes_count_by_what_is_predicted() -> None:
    p = np.array([[0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.3, 0.3, 0.4]])
    found = reliability(p, np.array([0, 2, 2]), bins=1)
    assert found.confidence + found.observed == pytest.approx([0.6, 2 / 3])
    assert found.ece == pytest.approx(2 / 3 - 0.6)
    assert found.brier == pytest.approx((0.14 + 1.34 + 0.54) / 3)


@pytest.mark.parametrize("classes", [2, 5])
def test_equally_wide_bins_give_torchmetrics_error(classes: int) -> None:
    import torch
    from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

    rng = np.random.default_rng(1)
    p = softmax(2 * rng.standard_normal((500, classes)), axis=1)
    labels = rng.integers(0, classes, 500)
    target = torch.tensor(labels)
    if classes == 2:
        reference = binary_calibration_error(torch.tensor(p[:, 1]), target, n_bins=10)
    else:
        reference = multiclass_calibration_error(torch.tensor(p), target, classes, n_bins=10)
    assert reliability(p, labels, bins=10, equal_mass=False).ece == pytest.approx(float(reference), abs=1e-6)


@pytest.mark.parametrize("classes", [2, 5])
def test_brier_score_is_scikit_learns(classes: int) -> None:
    from sklearn.metrics import brier_score_loss

    rng = np.random.default_rng(2)
    p = softmax(rng.standard_normal((200, classes)), axis=1)
    labels = rng.integers(0, classes, 200)
    reference = brier_score_loss(labels, p[:, 1] if classes == 2 else p)
    assert reliability(p, labels).brier == pytest.approx(reference)


def test_result_is_json_and_counts_only_pairs_with_a_probability() -> None:
    p = both(np.array([0.2, np.nan, 0.9]))
    found = reliability(p, np.array([0, 1, 1]))
    assert found.pairs == 2
    assert json.loads(json.dumps(asdict(found), allow_nan=False))["count"] == [1, 1]


@pytest.mark.parametrize(
    ("p", "labels", "expected"),
    [
        (np.ones(3), np.ones(3), "with a label for each pair"),
        (both(np.ones(3)), np.ones(2), "with a label for each pair"),
        (np.array([[-2.0, 2.0]]), np.ones(1), "put logits through a softmax"),
        (np.array([[0.5, 0.6]]), np.ones(1), r"1 of 1 pairs have others, the first \[0.5, 0.6\]"),
        (np.full((2, 2), np.nan), np.ones(2), "no pair has them"),
    ],
)
def test_what_is_no_probability_is_refused(p: np.ndarray, labels: np.ndarray, expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        reliability(p, labels)


@pytest.fixture
def teachers() -> list[CalibratedTeacher]:
    rng = np.random.default_rng(3)
    truth = rng.standard_normal(600)
    labels = (rng.random(600) < expit(truth)).astype(int)
    before, after = (reliability(both(expit(factor * truth)), labels) for factor in (5, 1))
    return [
        CalibratedTeacher("reranker [a|b]", "platt", before, after),
        CalibratedTeacher("BM25", "none", after, after),
    ]


def test_diagram_has_each_teacher_before_and_after_and_is_the_same_each_time(
    teachers: list[CalibratedTeacher], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one.svg", "two.svg"):
        draw_reliability(teachers, tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    saved = []
    monkeypatch.setattr("tmkd.report.reliability_figure.save", lambda figure, _: saved.append(figure))
    draw_reliability(teachers, tmp_path / "figure.png")
    before, after = saved[0].axes
    assert [line.get_xdata().tolist() for line in before.lines[1:]] == [each.before.confidence for each in teachers]
    assert [line.get_ydata().tolist() for line in after.lines[1:]] == [each.after.observed for each in teachers]
    assert [text.get_text() for text in saved[0].legends[0].get_texts()] == ["reranker [a|b]", "BM25"]


def test_section_has_a_line_for_each_teacher_and_an_image_with_its_text(
    teachers: list[CalibratedTeacher], tmp_path: Path
) -> None:
    draw_reliability(teachers, tmp_path / "reliability.png")
    text = reliability_section(teachers, "reliability.png")
    first = teachers[0]
    numbers = f"{first.before.ece:.3f} | {first.after.ece:.3f} | {first.before.brier:.3f} | {first.after.brier:.3f}"
    assert f"| reranker [a\\|b] | platt | 600 | {numbers} |" in text
    page = to_html(text, tmp_path)
    assert "data:image/png;base64," in page
    assert f"ECE of reranker [a|b] from {first.before.ece:.3f} to {first.after.ece:.3f}" in page.partition("alt=")[2]
