import itertools
import math

import numpy as np
import pytest
from datasets import Dataset
from transformers import GPT2Tokenizer

from tmkd.data.batching import (
    IN_BATCH,
    MEGABATCH,
    MEGABATCHES,
    MULTIPLE,
    LengthBuckets,
    PairDataset,
    lengths_of,
    tokenise,
)


@pytest.mark.parametrize(
    ("question", "passage", "kept"),
    [
        ("abc", "xyz", "abc|xyz|"),
        ("abcdefghijk", "xyz", "abcde|xyz|"),  # a long premise does not push its hypothesis out
        ("abc", "stuvwxyz", "abc|stuvw|"),
        ("abcdefghijk", "pqrstuvwxyz", "abcd|pqrs|"),
    ],
)
def test_longer_text_is_cut_first_where_the_tokenizer_has_no_separator(question, passage, kept):
    letters = {chr(code): code - 97 for code in range(97, 123)} | {"<|endoftext|>": 26}
    tokenizer = GPT2Tokenizer(vocab=letters, merges=[])
    tokens = tokenise(Dataset.from_dict({"question": [question], "passage": [passage]}), tokenizer, max_length=10)
    assert tokenizer.decode(tokens["input_ids"][0]).replace("<|endoftext|>", "|") == kept
    assert tokens["length"][0] == len(kept)


def test_every_pair_comes_once_an_epoch():
    order = list(LengthBuckets(np.random.default_rng(0).integers(5, 60, 503), batch_size=8, seed=1))
    assert sorted(order) == list(range(503))


def test_batches_hold_similar_lengths_and_only_the_last_is_short():
    lengths = np.random.default_rng(0).integers(5, 60, 1003)
    order = np.array(list(LengthBuckets(lengths, batch_size=8, seed=1)))
    widths = -(-lengths // MULTIPLE)
    spread = [np.ptp(widths[order[at : at + 8]]) for at in range(0, 1000, 8)]
    assert np.mean(spread) < 1 < np.ptp(widths)


def together_again(lengths, batch_size, epochs=(0, 1)):
    """Return the share of the pairs of rows of one batch that share one in the other epoch, too."""
    batches = []
    for epoch in epochs:
        buckets = LengthBuckets(lengths, batch_size, seed=1)
        buckets.set_epoch(epoch)
        place = np.empty(len(lengths), dtype=int)
        place[list(buckets)] = np.arange(len(lengths)) // batch_size
        batches.append(place[:, None] == place[None, :])
    others = ~np.eye(len(lengths), dtype=bool)
    return (batches[0] & batches[1] & others).sum() / (batches[0] & others).sum()


def test_neighbours_of_a_small_set_do_not_meet_again_in_every_epoch():
    # A fourth of them did where all pairs were sorted together; without lengths it is 0.015.
    lengths = np.clip(np.random.default_rng(0).gamma(4, 10, 1000) + 10, 8, 64).astype(int)
    assert together_again(lengths, 16) < 0.06


def test_short_batch_is_not_always_of_the_shortest_pairs():
    lengths = np.arange(1, 60)
    last = []
    for epoch in range(40):
        buckets = LengthBuckets(lengths, 16, seed=1)
        buckets.set_epoch(epoch)
        last += lengths[list(buckets)[48:]].tolist()
    assert len(set(last)) > 50 and abs(np.mean(last) - lengths.mean()) < 5


def test_order_depends_on_seed_and_epoch_and_on_nothing_else():
    lengths = np.arange(100) % 7
    first, again, other = (LengthBuckets(lengths, 8, seed) for seed in (1, 1, 2))
    assert list(first) == list(again) != list(other)
    again.set_epoch(1)
    assert list(first) != list(again)


def plain_order(lengths, batch_size, seed, epoch):
    """The order that results on disk were trained in."""
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(lengths)).tolist()
    count = len(order) // batch_size
    spans = max(math.ceil(count / MEGABATCH), min(count, MEGABATCHES))
    edges = [round(count * at / spans) * batch_size for at in range(spans + 1)] if spans else [0]
    rows = []
    for start, end in itertools.pairwise(edges):
        rows += sorted(order[start:end], key=lambda row: -math.ceil(lengths[row] / MULTIPLE))
    batches = [rows[at : at + batch_size] for at in range(0, len(rows), batch_size)]
    return [row for turn in random.permutation(count) for row in batches[turn]] + order[count * batch_size :]


@pytest.mark.parametrize(
    "count", [0, 1, 7, 8, 127, 128, 129, 400, 401, 800, 40_003]
)  # to 127, and to 32767: other types
@pytest.mark.parametrize(("batch_size", "dtype"), [(8, np.int8), (16, np.uint8), (7, np.int64)])
def test_order_is_the_one_that_results_on_disk_were_trained_in(count, batch_size, dtype):
    lengths = np.random.default_rng(count).integers(1, 60, count).astype(dtype)
    for seed, epoch in ((1, 0), (3, 2)):
        buckets = LengthBuckets(lengths, batch_size, seed)
        buckets.set_epoch(epoch)
        told = []
        buckets.on_order = told.append
        expected = plain_order(lengths, batch_size, seed, epoch)
        assert list(buckets) == expected
        assert [order.tolist() for order in told] == [expected]


@pytest.mark.parametrize(("longest", "dtype"), [(127, np.int8), (128, np.int16), (40_000, np.int32)])
def test_lengths_keep_their_values_in_few_bytes_and_can_be_negated(longest, dtype, monkeypatch):
    monkeypatch.setattr("tmkd.data.batching.ROWS", 2)
    lengths = lengths_of(Dataset.from_dict({"length": [5, 3, 9, longest, 4], "id": list("abcde")}))
    assert lengths.dtype == dtype
    assert (-lengths).tolist() == [-5, -3, -9, -longest, -4]


def test_soft_targets_of_other_pairs_are_refused(pairs, encoder):
    tokens = tokenise(pairs, encoder.tokenizer, 32)
    with pytest.raises(ValueError, match="expected soft targets for 48 pairs, but found 47"):
        PairDataset(tokens, np.zeros((47, 1, 2), dtype=np.float32))


def test_rows_of_a_batch_are_those_that_come_one_by_one(pairs, encoder):
    tokens = tokenise(pairs, encoder.tokenizer, 32)
    soft, weights = (np.random.default_rng(0).normal(size=(48, *shape)).astype(np.float32) for shape in ((2, 2), (2,)))
    dataset = PairDataset(tokens, soft, weights)
    for index, row in zip([5, 0, 47, 5], dataset.__getitems__([5, 0, 47, 5]), strict=True):
        alone = dataset[index]
        assert row.keys() == alone.keys() == {*IN_BATCH, "soft_targets", "teacher_weights"}
        assert all(np.array_equal(row[name], alone[name]) for name in row)
        assert {name: tokens[index][name] for name in IN_BATCH} == {name: row[name] for name in IN_BATCH}
        assert np.array_equal(row["soft_targets"], soft[index])
        assert np.array_equal(row["teacher_weights"], weights[index])


def test_long_pairs_are_cut_to_max_length(pairs, encoder):
    tokens = tokenise(pairs, encoder.tokenizer, 16)
    assert max(tokens["length"]) == 16
    assert all(len(ids) == length for ids, length in zip(tokens["input_ids"], tokens["length"]))
