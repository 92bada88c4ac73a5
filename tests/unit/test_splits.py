import numpy as np
from datasets import Dataset

from tmkd.data.rows import Seen
from tmkd.data.schema import pair_id
from tmkd.data.splits import draw_pairs, draw_validation, rankable


def rows(questions, each=3):
    pairs = [(f"question {n}", f"passage {m}", m == 0) for n in range(questions) for m in range(each)]
    return Dataset.from_list(
        [
            {"id": pair_id(asked, said), "question_id": asked, "question": asked, "passage": said, "label": int(right)}
            for asked, said, right in pairs
        ]
    )


def test_no_question_is_on_both_sides_and_a_smaller_share_is_part_of_a_larger():
    train, few = draw_validation(rows(300), 0.1, seed=1)
    _, more = draw_validation(rows(300), 0.3, seed=1)
    assert not set(train["question"]) & set(few["question"])
    assert len(train) + len(few) == 900
    assert 45 < len(few) < 150
    assert set(few["question"]) < set(more["question"])


def test_draw_of_validation_follows_the_seed_and_not_the_order():
    shuffled = rows(100).shuffle(seed=3)
    drawn = set(draw_validation(rows(100), 0.2, seed=1)[1]["id"])
    assert drawn == set(draw_validation(shuffled, 0.2, seed=1)[1]["id"])
    assert drawn != set(draw_validation(shuffled, 0.2, seed=2)[1]["id"])


def test_questions_with_one_label_are_not_rankable():
    one_sided = rows(4).filter(lambda row: row["question"] != "question 1" or row["label"] == 0)
    kept = rankable(one_sided, "test")
    assert set(kept["question"]) == {"question 0", "question 2", "question 3"}
    assert len(kept) == 9


def test_drawn_pairs_keep_their_order_and_fewer_are_part_of_more():
    whole = rows(50)
    few, more = (draw_pairs(whole, pairs)["id"][:] for pairs in (20, 70))
    assert [len(few), len(more), len(draw_pairs(whole, 151))] == [20, 70, 150]
    assert set(few) < set(more)
    assert more == [name for name in whole["id"] if name in set(more)]
    assert sorted(few) == sorted(whole["id"])[:20]  # the draw that results on disk were made with


def test_seen_numbers_are_new_once_and_at_their_first_place():
    rng = np.random.default_rng(0)
    seen, known = Seen(), set()
    for size in (1, 5, 40, 3, 400, 7, 7, 90):
        numbers = rng.integers(0, 300, size).astype(np.uint64) + np.uint64(2**63)
        expected = []
        for number in numbers.tolist():
            expected.append(number not in known)
            known.add(number)
        assert seen.add(numbers).tolist() == expected
