import numpy as np

from tmkd.data.candidates import top_candidates

PASSAGES = ["the cat sleeps on the mat", "a dog barks at night", "cats and dogs", "the dog sleeps at night"]


def test_best_passage_comes_first():
    found = top_candidates(["which dog sleeps", "who barks at night"], PASSAGES, 2)
    assert found.shape == (2, 2)
    assert found[:, 0].tolist() == [3, 1]


def test_equal_passages_come_in_their_order():
    found = top_candidates(["dog"], ["dog barks"] * 300 + ["cat sleeps"], 7)
    assert found.tolist() == [list(range(7))]


def test_question_without_known_words_gets_the_first_passages():
    assert top_candidates(["", "zebra", "the"], PASSAGES, 3).tolist() == [[0, 1, 2]] * 3


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
