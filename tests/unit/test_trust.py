"""Weights of teachers by group: as by hand, near each other where little is known, and judged by question."""

import json

import numpy as np
import pytest
from scipy.special import expit, softmax

from tmkd.errors import DataError
from tmkd.evaluation.stacking import STRENGTHS, mixture, stack
from tmkd.evaluation.trust import Trust
from tmkd.report.trust_section import trust_section

EQUAL = np.array([0.5, 0.5])


def simulated(pairs: int, seed: int, share: float = 0.5) -> tuple[np.ndarray, np.ndarray, list[str], list[int]]:
    """Return logits, labels, groups and questions (5 pairs each): the first teacher knows "code", the second "law"."""
    rng = np.random.default_rng(seed)
    questions = np.arange(pairs) // 5
    code = (rng.random(pairs // 5 + 1) < share)[questions]
    truth = 2 * rng.standard_normal(pairs)
    labels = (rng.random(pairs) < expit(truth)).astype(int)
    noise = 2 * rng.standard_normal((2, pairs))
    margins = np.where(np.stack([code, ~code]), truth, noise)
    return np.stack([-margins / 2, margins / 2], axis=-1), labels, np.where(code, "code", "law").tolist(), [*questions]


def test_weights_of_teachers_that_are_never_both_right_are_as_by_hand() -> None:
    # Three pairs are the first teacher's, one the second's; λ = 4 pairs of equal weights: (3 + 2) / 8.
    likelihoods = np.array([[1.0, 0.0]] * 3 + [[0.0, 1.0]])
    assert mixture(likelihoods, EQUAL, 4.0) == pytest.approx([5 / 8, 3 / 8])
    assert mixture(likelihoods, np.array([0.9, 0.1]), 4.0) == pytest.approx([6.6 / 8, 1.4 / 8])


def test_weights_are_the_highest_point_of_the_penalised_likelihood() -> None:
    likelihoods = np.random.default_rng(1).random((50, 2))
    found = mixture(likelihoods, EQUAL, 2.0)[0]

    def objective(first: np.ndarray) -> np.ndarray:
        mixed = np.log(first * likelihoods[:, :1] + (1 - first) * likelihoods[:, 1:]).sum(axis=0)
        return mixed + np.log(first) + np.log(1 - first)

    grid = np.linspace(0.001, 0.999, 9_999)
    assert found == pytest.approx(grid[objective(grid).argmax()], abs=1e-3)


def test_weights_have_settled_where_one_teacher_is_a_little_better_than_like_ones() -> None:
    """A search that stops on the way would give the others too much."""
    truth = np.random.default_rng(12).uniform(0.05, 0.95, (20_000, 1))
    noise = np.random.default_rng(13).normal(0, [0.05, 0.2, 0.3], (20_000, 3))
    likelihoods = expit(np.log(truth / (1 - truth)) + noise)
    weights = mixture(likelihoods, np.full(3, 1 / 3), 1.0)
    claimed = (weights * likelihoods / (likelihoods @ weights)[:, None]).sum(axis=0)
    assert weights == pytest.approx((claimed + 1 / 3) / 20_001, abs=1e-6)  # the gradient is 0


def test_teachers_that_are_equally_good_have_equal_weights() -> None:
    assert mixture(np.full((20, 4), 0.3), np.full(4, 0.25), 1.0) == pytest.approx([0.25] * 4)


def test_each_group_trusts_the_teacher_that_knows_it() -> None:
    trust = Trust.fit(*simulated(2000, 2))
    found = trust.weights(["code", "law", "code"])
    assert trust.groups == ("code", "law")
    assert found.dtype == np.float32 and found.shape == (3, 2)
    assert found[0, 0] > 0.8 and found[1, 1] > 0.8
    assert trust.overall == pytest.approx([0.5, 0.5], abs=0.1)
    assert found.sum(axis=1) == pytest.approx(1) and (found >= 0).all()


def test_labels_of_other_questions_are_likelier_than_under_equal_weights() -> None:
    trust = Trust.fit(*simulated(2000, 2))
    logits, labels, groups, _ = simulated(2000, 20)
    gold = softmax(logits, axis=-1)[:, np.arange(2000), labels].T  # [pairs, teachers]
    learnt = np.log((trust.weights(groups) * gold).sum(axis=1)).mean()
    assert learnt > np.log(gold.mean(axis=1)).mean() + 0.1


def test_group_with_few_pairs_stays_near_the_overall_weights() -> None:
    logits, labels, groups, questions = simulated(2000, 3, share=1.0)
    groups[:10] = ["rare"] * 10
    trust = Trust.fit(logits, labels, groups, questions)
    assert trust.weights(["rare"])[0] == pytest.approx(trust.overall, abs=0.05)
    assert trust.overall[0] > 0.8


def test_groups_that_mean_nothing_have_nearly_one_set_of_weights() -> None:
    logits, labels, _, questions = simulated(2000, 4, share=1.0)
    groups = ["even" if question % 2 else "odd" for question in questions]
    trust = Trust.fit(logits, labels, groups, questions)
    assert np.array(trust.by_group) == pytest.approx(np.tile(trust.overall, (2, 1)), abs=0.05)


def test_pairs_of_one_question_do_not_judge_each_other() -> None:
    """With folds by pair, copies of a few questions would be learnt by heart: weak shrinkage would look best."""
    rng = np.random.default_rng(5)
    likelihoods = np.repeat(rng.uniform(0.1, 1.0, (10, 4)), 50, axis=0)
    question = np.repeat(np.arange(10), 50)
    nothing = np.zeros(500, dtype=int)
    _, _, by_question = stack(likelihoods, nothing, question)
    _, _, by_pair = stack(likelihoods, nothing, rng.permutation(500))
    assert by_question[0] > by_pair[0] == min(STRENGTHS)


def test_group_that_validation_does_not_have_gets_the_overall_weights() -> None:
    trust = Trust.fit(*simulated(500, 6))
    assert trust.weights(["medicine"])[0] == pytest.approx(trust.overall)
    assert trust.weights([]).shape == (0, 2)


def test_pairs_without_a_group_count_for_the_overall_weights_alone() -> None:
    logits, labels, groups, questions = simulated(1000, 11)
    trust = Trust.fit(logits, labels, [group.replace("law", "") for group in groups], questions)
    assert trust.groups == ("code",) and trust.sizes == (groups.count("code"),) and trust.pairs == 1000
    assert trust.overall == Trust.fit(logits, labels, groups, questions).overall
    assert trust.weights(["", "law"])[0] == pytest.approx(trust.overall)


def test_weights_that_earlier_versions_learnt_are_read() -> None:
    fields = Trust.fit(*simulated(500, 7)).to_json()
    del fields["sizes"]
    assert Trust.from_json(fields).sizes == ()


def test_weights_come_back_from_json_bit_by_bit() -> None:
    trust = Trust.fit(*simulated(500, 7))
    assert Trust.from_json(json.loads(json.dumps(trust.to_json(), allow_nan=False))) == trust


def test_pairs_that_a_teacher_has_not_scored_are_left_out() -> None:
    logits, labels, groups, questions = simulated(500, 8)
    missing = logits.copy()
    missing[1, ::7] = np.nan
    kept = np.arange(500) % 7 != 0
    found = Trust.fit(missing, labels, groups, questions)
    names, asked = np.array(groups)[kept].tolist(), np.array(questions)[kept].tolist()
    assert found == Trust.fit(logits[:, kept], labels[kept], names, asked)
    assert found.pairs == kept.sum()


def test_questions_may_be_called_anything() -> None:
    logits, labels, groups, questions = simulated(500, 9)
    mixed = [question if question % 2 else f"question {question}" for question in questions]
    assert Trust.fit(logits, labels, groups, mixed) == Trust.fit(logits, labels, groups, questions)


def test_what_cannot_be_learnt_from_is_refused() -> None:
    logits, labels, groups, questions = simulated(100, 10)
    with pytest.raises(DataError, match=r"logits \[teachers, pairs, classes\] with a label, a group and a question"):
        Trust.fit(logits[0], labels, groups, questions)
    with pytest.raises(DataError, match="from the same split"):
        Trust.fit(logits, labels, groups[1:], questions)
    with pytest.raises(DataError, match="labels from 0 to 1, but found -1 to 0"):
        Trust.fit(logits, labels - 1, groups, questions)
    with pytest.raises(DataError, match=r"at least 5 validation questions .* but found 4"):
        Trust.fit(logits, labels, groups, np.array(questions) % 4)


def test_report_shows_the_weights_and_pairs_of_each_group_and_reports_of_earlier_versions_are_read() -> None:
    trust = Trust.fit(*simulated(500, 7)).to_json() | {"teachers": ["a", "b"]}
    text = trust_section({"MKD": trust | {"by": "source"}})
    assert "MKD, by `source`:" in text and "| group | validation pairs | a | b |" in text
    code = f"| code | {trust['sizes'][0]} | {trust['by_group'][0][0]:.2f} |"
    assert "| all | 500 | " in text and code in text
    assert "MKD, by the first word of the question:" in trust_section({"MKD": trust | {"sizes": []}})
