"""Which mistakes are the worst, and how often scorers agree, by hand."""

import numpy as np
import pytest
from datasets import Dataset

from tmkd.evaluation.agreement import agreement, kappa
from tmkd.evaluation.mistakes import wrong_classes, wrong_orders
from tmkd.results.mistakes import worst_mistakes
from tmkd.store import provenance


def both(right: list[float]) -> np.ndarray:
    p = np.array(right)
    return np.stack([1 - p, p], axis=1)


# a: right passage third of three; b: right first; c: second of two; d: no right passage, so that it cannot be ranked
QUESTIONS = ["a", "a", "a", "b", "b", "c", "c", "d"]
LABELS = np.array([0, 1, 0, 1, 0, 0, 1, 0])
SCORES = both([0.5, 0.1, 0.9, 0.8, 0.2, 0.7, 0.6, 0.9])


def test_worst_question_is_first_with_its_best_right_and_best_wrong_passage() -> None:
    found, judged = wrong_orders([SCORES], LABELS, QUESTIONS, "map")
    assert [(one.question, one.right, one.preferred) for one in found] == [("a", 1, 2), ("c", 6, 5)]
    assert [one.value for one in found] == pytest.approx([1 / 3, 1 / 2])
    assert judged == 3


def test_among_equal_values_the_wrong_passage_that_leads_by_more_is_worse() -> None:
    scores = both([0.5, 0.1, 0.05, 0.8, 0.2, 0.99, 0.2, 0.9])  # a: right second, behind by 0.4; c by 0.79
    found, _ = wrong_orders([scores], LABELS, QUESTIONS, "map")
    assert [one.question for one in found] == ["c", "a"]


def test_preferred_passage_is_the_first_one_though_probabilities_are_all_1() -> None:
    scores = np.array([[1e-20, 1], [1e-18, 1], [1e-30, 1]])  # of which the right passage is the second
    found, _ = wrong_orders([scores], np.array([0, 1, 0]), ["a"] * 3, "map")
    assert [(one.right, one.preferred) for one in found] == [(1, 2)]


def test_question_whose_metric_cannot_be_higher_is_no_mistake() -> None:
    # two right passages lead: recall at rank 1 is a half at best
    found, _ = wrong_orders([both([0.9, 0.8, 0.1])], np.array([1, 1, 0]), ["a"] * 3, "r@1")
    assert found == []


def test_pairs_in_the_wrong_class_are_ordered_by_the_mean_probability_of_their_own() -> None:
    seeds = [both([0.9, 0.2, 0.4, 0.6]), both([0.9, 0.2, 0.2, 0.6])]
    found = wrong_classes(seeds, np.array([0, 1, 1, 1]))
    assert [(one.pair, one.answer) for one in found] == [(0, 1), (1, 0), (2, 0)]
    assert [one.value for one in found] == pytest.approx([0.1, 0.2, 0.3])


def test_mistakes_have_texts_and_what_each_teacher_says_of_both_passages() -> None:
    # the same ids in two parts are other questions
    test = Dataset.from_dict(
        {
            "question_id": ["a"] * 4,
            "question": ["one?", "one?", "two?", "two?"],
            "passage": ["p", "q", "r", "s"],
            "label": [1, 0, 1, 0],
            "part": ["x", "x", "y", "y"],
        }
    )
    scores = {"KD": [both([0.1, 0.7, 0.9, 0.2])], "teacher 1": [both([0.4, 0.6, float("nan"), 0.1])]}
    found = worst_mistakes("KD", scores, test, ["wrong", "right"], True, "accuracy")
    assert (found.metric, found.wrong, found.judged) == ("map", 1, 2)
    (one,) = found.worst
    assert (one.question, one.right, one.preferred, one.label) == ("one?", "p", "q", None)
    assert one.probabilities == {"KD": pytest.approx((0.1, 0.7)), "teacher 1": pytest.approx((0.4, 0.6))}
    found = worst_mistakes("KD", scores, test, ["no", "yes"], False, "accuracy")
    assert (found.metric, found.wrong, found.judged) == ("probability", 2, 4)
    assert [(each.right, each.label, each.answer) for each in found.worst] == [("p", "yes", "no"), ("q", "no", "yes")]
    assert found.worst[0].probabilities["KD"] == pytest.approx((0.1, 0.9))


def test_agreement_and_kappa_by_hand() -> None:
    one, other = both([0.9, 0.9, 0.1, 0.1]), both([0.9, 0.1, 0.1, 0.1])
    assert agreement([one, other]).tolist() == [[1, 0.75], [0.75, 1]]
    # by chance: a half of a quarter and a half of three quarters
    assert kappa([one, other])[0] == pytest.approx([1.0, 0.25 / 0.5])
    assert kappa([both([0.1, 0.1])] * 2)[0] == [None, None]  # one class alone: nothing is beyond chance


def test_command_of_a_stage_leaves_out_where_results_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["tmkd stage3", "paths.artifacts=/home/me", "method=[kd,mkd]", "runtime.threads=2"])
    monkeypatch.setenv("TMKD_STAGE", "stage3")
    assert provenance.command() == "tmkd stage3 'method=[kd,mkd]'"
    monkeypatch.delenv("TMKD_STAGE")
    assert provenance.command() is None
