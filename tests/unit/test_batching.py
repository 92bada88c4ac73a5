import numpy as np
import pytest

from tmkd.data.batching import LengthBuckets, PairDataset, tokenise


def test_every_pair_comes_once_an_epoch():
    order = list(LengthBuckets(np.random.default_rng(0).integers(5, 60, 503), batch_size=8, seed=1))
    assert sorted(order) == list(range(503))


def test_batches_hold_similar_lengths_and_only_the_last_is_short():
    lengths = np.random.default_rng(0).integers(5, 60, 1003)
    order = np.array(list(LengthBuckets(lengths, batch_size=8, seed=1)))
    spread = [np.ptp(lengths[order[at : at + 8]]) for at in range(0, 1000, 8)]
    assert np.mean(spread) < 4 < np.ptp(lengths)


def test_order_depends_on_seed_and_epoch_and_on_nothing_else():
    lengths = np.arange(100) % 7
    first, again, other = (LengthBuckets(lengths, 8, seed) for seed in (1, 1, 2))
    assert list(first) == list(again) != list(other)
    again.set_epoch(1)
    assert list(first) != list(again)


def test_soft_targets_of_other_pairs_are_refused(pairs, encoder):
    tokens = tokenise(pairs, encoder.tokenizer, 32)
    with pytest.raises(ValueError, match="expected soft targets for 48 pairs, but found 47"):
        PairDataset(tokens, np.zeros((47, 1, 2), dtype=np.float32))


def test_long_pairs_are_cut_to_max_length(pairs, encoder):
    tokens = tokenise(pairs, encoder.tokenizer, 16)
    assert max(tokens["length"]) == 16
    assert all(len(ids) == length for ids, length in zip(tokens["input_ids"], tokens["length"]))
