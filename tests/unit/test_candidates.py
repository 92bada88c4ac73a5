import numpy as np
import pytest

from tmkd.data.candidates import top_candidates
from tmkd.errors import DataError

PASSAGES = ["the cat sleeps on the mat", "a dog barks at night", "cats and dogs", "the dog sleeps at night"]


def test_best_passage_comes_first():
    found = top_candidates(["which dog sleeps", "who barks at night"], PASSAGES, 2)
    assert found.shape == (2, 2)
    assert found[:, 0].tolist() == [3, 1]


def test_equal_passages_come_in_their_order():
    found = top_candidates(["dog"], ["dog barks"] * 300 + ["cat sleeps"], 7)
    assert found.tolist() == [list(range(7))]


def test_question_without_known_words_gets_the_first_passages_and_that_is_said(caplog):
    found = top_candidates(["", "zebra", "the", "barks"], PASSAGES, 3)
    assert found[:3].tolist() == [[0, 1, 2]] * 3
    assert "3 of 4 questions share no word" in caplog.text


@pytest.mark.parametrize("passages", [["猫在睡觉", "狗在叫"], ["the", "of the"]])
def test_search_that_finds_nothing_for_anybody_is_refused(passages):
    with pytest.raises(DataError, match="2 of 2 questions share no word with any passage"):
        top_candidates(["谁在睡觉", "什么"], passages, 1)


def test_fewer_passages_than_asked_are_all_returned():
    assert sorted(top_candidates(["dog"], PASSAGES, 20)[0].tolist()) == [0, 1, 2, 3]


def test_order_agrees_with_a_full_sort():
    rng = np.random.default_rng(0)
    words = np.array([f"word{i}" for i in range(40)])
    passages = [" ".join(rng.choice(words, 8)) for _ in range(200)]
    everything = top_candidates(passages[:10], passages, 200)
    assert (top_candidates(passages[:10], passages, 5) == everything[:, :5]).all()
    assert (everything[:, 0] == np.arange(10)).all()
    assert (np.sort(everything) == np.arange(200)).all()
