"""Batches of whole questions: who is in them, in which epoch, and what each process gets of them."""

import itertools

import numpy as np
import pytest
from datasets import Dataset

from tmkd.data.question_batch_sampler import QuestionBatches
from tmkd.data.questions import Groups, Questions, any_group, number_questions, numbers_of

# question 0: pairs 0 (right), 2, 5; question 1: pairs 3 and 9 (right), 1, 4, 6; question 2: 7 and 8 (right)
NUMBERS = np.array([0, 1, 0, 1, 1, 0, 1, 2, 2, 1])
RIGHT = np.isin(np.arange(10), [0, 3, 9, 7, 8])
OF = {0: {0, 2, 5}, 1: {1, 3, 4, 6, 9}, 2: {7, 8}}


def groups_of(limit, seed=0, right=RIGHT):
    groups = Groups(Questions(NUMBERS, right), limit)
    rows = groups.draw(np.random.default_rng(seed)).tolist()
    return [rows[start : start + size] for start, size in zip(groups.starts, groups.sizes)]


# -- which pairs of a question


def test_without_a_limit_a_question_has_all_its_pairs_the_right_ones_first():
    assert groups_of(0) == [[0, 2, 5], [3, 9, 1, 4, 6], [7, 8]]


@pytest.mark.parametrize(
    ("limit", "right", "wrong"),
    [
        (2, [1, 1, 1], [1, 1, 0]),  # of two right ones there is one, or no wrong one would fit
        (3, [1, 2, 2], [2, 1, 0]),
        (4, [1, 2, 2], [2, 2, 0]),
        (9, [1, 2, 2], [2, 3, 0]),
    ],
)
def test_right_pairs_have_their_places_before_wrong_ones(limit, right, wrong):
    for seed in range(20):
        found = groups_of(limit, seed)
        assert [int(RIGHT[group].sum()) for group in found] == right
        assert [int((~RIGHT[group]).sum()) for group in found] == wrong
        assert all(len(set(group)) == len(group) and set(group) <= OF[number] for number, group in enumerate(found))


def test_every_pair_has_its_turn_about_as_often_as_others_of_its_question():
    counts = np.bincount([row for seed in range(300) for group in groups_of(2, seed) for row in group], minlength=10)
    assert counts[0] == 300  # the only right one
    assert all(110 < counts[row] < 190 for row in (2, 5, 3, 9, 7, 8))  # one of two
    assert all(70 < counts[row] < 130 for row in (1, 4, 6))  # one of three


def test_without_labels_any_pairs_of_a_question_are_drawn():
    found = [groups_of(2, seed, right=None) for seed in range(40)]
    assert all([len(group) for group in groups] == [2, 2, 2] for groups in found)
    assert {row for groups in found for group in groups for row in group} == set(range(10))


# -- batches


def batches(epoch=0, group_size=3, rank=0, count=1, questions=41, seed=5, plan=None, **how):
    rows = questions * 4
    numbers = np.random.default_rng(1).permutation(np.repeat(np.arange(questions) * 3, 4))
    right = np.random.default_rng(2).random(rows) < 0.3
    sampler = QuestionBatches(
        Questions(numbers, right), np.arange(rows) % 50 + 5, seed,
        group_size=group_size, batch_size=16, rank=rank, count=count, **how,
    )  # fmt: skip
    sampler.set_epoch(epoch)
    if plan:
        sampler.before_epoch(plan)
    return numbers, sampler


@pytest.mark.parametrize(("group_size", "how", "sizes"), [
    (0, {}, [4] * 10 + [1]),  # 16 pairs are four questions of four
    (2, {"batch_questions": 10}, [10] * 4 + [1]),
    (3, {"batch_questions": 50}, [41]),
])  # fmt: skip
def test_every_question_comes_once_an_epoch_in_one_batch(group_size, how, sizes):
    numbers, sampler = batches(group_size=group_size, **how)
    asked = [sorted(set(numbers[batch])) for batch in sampler]
    assert len(sampler) == len(asked)
    assert [len(questions) for questions in asked] == sizes
    assert sorted(itertools.chain(*asked)) == sorted(set(numbers))


def test_batches_are_of_seed_and_epoch_and_of_nothing_else():
    first = list(batches()[1])
    assert list(batches()[1]) == first
    assert list(batches(epoch=1)[1]) != first != list(batches(seed=6)[1])
    sampler = batches(epoch=1)[1]
    list(sampler)
    sampler.set_epoch(0)
    assert list(sampler) == first


def test_wrong_passages_are_others_in_another_epoch():
    assert {row for batch in batches()[1] for row in batch} != {row for batch in batches(epoch=1)[1] for row in batch}


def test_questions_of_a_batch_are_padded_to_similar_lengths():
    questions = 2000
    lengths = np.random.default_rng(0).integers(5, 200, questions * 2)
    numbers = np.arange(questions * 2) // 2
    sampler = QuestionBatches(Questions(numbers), lengths, 1, group_size=0, batch_size=16)
    spread = [np.ptp(lengths.reshape(-1, 2).max(axis=1)[numbers[batch]]) for batch in sampler]
    assert np.mean(spread) < 60 < 150 < np.ptp(lengths)


@pytest.mark.parametrize("count", [2, 3])
def test_processes_share_a_batch_by_questions_and_their_means_over_pairs_add_up(count):
    numbers, whole = batches(group_size=0, questions=26, batch_questions=5)
    told = [[] for _ in range(count)]
    each = [
        batches(group_size=0, questions=26, batch_questions=5, rank=rank, count=count, plan=told[rank].extend)[1]
        for rank in range(count)
    ]
    shared = [list(sampler) for sampler in each]
    assert told == [list(itertools.chain(*mine)) for mine in shared]
    values = np.random.default_rng(0).normal(size=len(numbers))

    def mean(batch):
        return values[batch].mean()

    for step, batch in enumerate(whole):
        weights = [sampler.weight(step) for sampler in each]
        counted = [mine[step] for mine, weight in zip(shared, weights) if weight]
        assert sorted(itertools.chain(*counted)) == sorted(batch)
        assert len({question for mine in counted for question in set(numbers[mine])}) == sum(
            len(set(numbers[mine])) for mine in counted
        )
        means = [weight * mean(mine[step]) for mine, weight in zip(shared, weights)]
        assert sum(means) / count == pytest.approx(mean(batch))
    assert [len(set(numbers[batch])) for batch in whole][-1] == 1  # where all but one process have nothing of their own


def test_a_step_has_a_question_at_least():
    numbers = np.zeros(100, dtype=int)
    sampler = QuestionBatches(Questions(numbers), np.full(100, 9), 1, group_size=0, batch_size=8)
    assert [sorted(batch) for batch in sampler] == [list(range(100))]


# -- numbers


def rows_of(ids):
    return Dataset.from_dict({"question_id": ids, "id": [f"{at:016x}" for at in range(len(ids))]})


@pytest.mark.parametrize("chunk", [2, 3, 10_000])
def test_a_question_has_one_number_wherever_its_rows_are_read(monkeypatch, chunk):
    monkeypatch.setattr("tmkd.data.questions.ROWS", chunk)
    rows = rows_of(["b", "a", "b", "c", "a", "d", "b"])
    assert number_questions(rows).tolist() == [0, 1, 0, 2, 1, 3, 0]
    assert number_questions(rows.select([])).tolist() == []
    some = rows.select([1, 2, 4, 6])
    assert numbers_of(rows, some).tolist() == [1, 0, 1, 0]
    with pytest.raises(ValueError, match="expected 2 pairs to be among the rows once each, but found 0"):
        numbers_of(rows, Dataset.from_dict({"id": ["f" * 16, "e" * 16]}))


@pytest.mark.parametrize(("ids", "found"), [("abc", False), ("abca", True), ("aabc", True), ("", False)])
def test_a_file_of_single_passages_has_no_group(monkeypatch, ids, found):
    monkeypatch.setattr("tmkd.data.questions.ROWS", 2)
    assert any_group(rows_of(list(ids)) if ids else rows_of(["a"]).select([])) is found
