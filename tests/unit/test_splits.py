import numpy as np
import pytest
from datasets import Dataset

from tmkd.data.rows import repeats
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


def test_question_with_several_wordings_is_on_one_side():
    worded = rows(100).map(lambda row, at: {"question": f"{row['question']}, wording {at}"}, with_indices=True)
    train, validation = draw_validation(worded, 0.2, seed=1)
    assert len(train) + len(validation) == 300 and 20 < len(validation) < 120
    assert not set(train["question_id"]) & set(validation["question_id"])


def test_question_with_several_ids_is_on_one_side():
    named = rows(100).map(lambda row, at: {"question_id": f"row {at}"}, with_indices=True)
    assert draw_validation(named, 0.2, seed=1)[1]["id"][:] == draw_validation(rows(100), 0.2, seed=1)[1]["id"][:]


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


@pytest.mark.parametrize("pairs", [1, 2, 75, 149])
def test_pairs_that_are_drawn_are_those_with_the_smallest_ids(pairs):
    whole = rows(50)
    assert sorted(draw_pairs(whole, pairs)["id"][:]) == sorted(whole["id"])[:pairs]


def test_ids_with_the_same_first_bits_are_still_told_apart_by_a_draw():
    whole = Dataset.from_dict({"id": [f"7fff{number:012x}" for number in (5, 3, 9, 1, 7)] + ["0" * 16, "f" * 16]})
    assert draw_pairs(whole, 3)["id"][:] == [whole["id"][1], whole["id"][3], "0" * 16]


def test_a_number_repeats_wherever_it_comes_again_and_not_where_it_comes_first(tmp_path):
    rng = np.random.default_rng(0)
    known, expected, batches = set(), [], []
    for size in (1, 5, 40, 3, 400, 7, 7, 90):
        # equal last bits, equal first bits, and neither: what is put together must not depend on them
        numbers = rng.integers(0, 60, size).astype(np.uint64) << rng.choice([0, 40, 58], size).astype(np.uint64)
        batches.append(numbers)
        for number in numbers.tolist():
            expected.append(number in known)
            known.add(number)
    assert repeats(iter(batches), tmp_path).tolist() == expected
    assert not list(tmp_path.iterdir())


def test_no_numbers_do_not_repeat():
    assert repeats([], None).tolist() == []
