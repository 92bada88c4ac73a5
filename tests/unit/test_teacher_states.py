"""Teachers' states: stored or computed ahead they are the same, each pair gets its own, and padding is added once."""

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from tmkd.data.batching import Collator, LengthBuckets, PairDataset, tokenise
from tmkd.errors import DamagedArtifact
from tmkd.models.classifier import PairClassifier
from tmkd.models.encoder import load_encoder
from tmkd.store.teacher_states import StoredStates, bytes_needed, write_states
from tmkd.training.teacher_states import WindowedStates, read_states

WANTED = [("hidden", 1), ("first", 2), ("mean", 1), ("last", 2), ("scores", 2), ("queries", 2), ("values", 1)]


@pytest.fixture
def model():
    torch.manual_seed(0)
    encoder = load_encoder(source="tiny", layers=2, width=16, dropout=0.0, attention="eager")
    return PairClassifier(encoder, ["gold"], ["wrong", "right"], max_length=48)


@pytest.fixture
def tokens(pairs, model):
    return tokenise(pairs, model.tokenizer, 48)


def store(folder, tokens, model, runtime, shard=4):
    folder.mkdir(exist_ok=True)
    return write_states(folder, tokens, lambda part: read_states(model, part, WANTED, runtime), shard, lambda _: None)


def equal(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[state], other[state]) for state in one)


def test_stored_states_are_those_that_were_computed(tmp_path, tokens, model, runtime):
    store(tmp_path / "a", tokens, model, runtime)
    reader = StoredStates([tmp_path / "a"], [WANTED], tokens["id"])
    computed = read_states(model, tokens, WANTED, runtime)
    for index, states in enumerate(computed):
        (stored,) = reader.get(index)
        assert {state: values.shape for state, values in stored.items()} == {
            state: values.shape for state, values in states.items()
        }
        for state in states:  # not bit for bit: pairs are computed in other batches
            np.testing.assert_allclose(stored[state], states[state], atol=2e-3)


def test_pairs_are_found_by_id_and_never_by_place(tmp_path, tokens, model, runtime):
    store(tmp_path / "a", tokens, model, runtime)
    straight = StoredStates([tmp_path / "a"], [WANTED], tokens["id"])
    turned = StoredStates([tmp_path / "a"], [WANTED], tokens["id"][::-1])
    assert equal(straight.get(0)[0], turned.get(len(tokens) - 1)[0])
    assert not equal(straight.get(0)[0], turned.get(0)[0])
    with pytest.raises(DamagedArtifact, match="no states for 1 of 1 pairs"):
        StoredStates([tmp_path / "a"], [WANTED], ["0" * 16])


def test_half_written_part_is_made_again_and_whole_ones_are_not(tmp_path, tokens, model, runtime):
    assert store(tmp_path / "a", tokens, model, runtime) == len(tokens)
    next((tmp_path / "a").glob("part-000000004-*")).rename(tmp_path / "a" / "part-000000004-000000008.writing")
    assert store(tmp_path / "a", tokens, model, runtime) == 4
    assert store(tmp_path / "a", tokens, model, runtime) == 0


def test_size_told_beforehand_is_the_size_on_the_disk(tmp_path, tokens, model, runtime):
    store(tmp_path / "a", tokens, model, runtime)
    arrays = [load_file(path) for path in (tmp_path / "a").glob("part-*")]
    there = sum(values.nbytes for part in arrays for name, values in part.items() if "." in name)
    assert bytes_needed(np.asarray(tokens["length"]), WANTED, width=16, heads=2) == there


def test_windows_load_each_teacher_once_a_window_and_give_every_pair_its_own(tokens, model, runtime):
    calls = []

    def teacher(number):
        def states_of(indices):
            calls.append((number, len(indices)))
            return [{("first", 2): np.array([number, index], dtype=np.float16)} for index in indices]

        return states_of

    states = WindowedStates([teacher(0), teacher(1)], window=8)
    sampler = LengthBuckets(np.asarray(tokens["length"]), 4, seed=1)
    sampler.on_order = states.plan
    pairs = PairDataset(tokens, states=states)
    for _ in range(2):
        for index in sampler:
            found = [teacher["first", 2].tolist() for teacher in pairs[index]["teacher_states"]]
            assert found == [[0, index], [1, index]]
    windows = -(-len(tokens) // 8)
    assert [number for number, _ in calls] == [0, 1] * (2 * windows), "teachers take turns, once a window"
    assert max(size for _, size in calls) == 8


def test_batches_hold_the_states_of_their_pairs_padded_with_zeros(tokens, model, runtime):
    computed = read_states(model, tokens, WANTED, runtime)
    states = WindowedStates([lambda indices: [computed[index] for index in indices]], window=4)
    states.plan(range(len(tokens)))
    pairs = PairDataset(tokens, states=states)
    batch = Collator(0)([pairs[index] for index in range(3)])
    width = batch["input_ids"].shape[1]
    (teacher,) = batch["teacher_states"]
    assert teacher["hidden", 1].shape == (3, width, 16)
    assert teacher["scores", 2].shape == (3, 2, width, width)
    assert teacher["values", 1].shape == (3, 2, width, 8)
    assert teacher["first", 2].shape == (3, 16)
    for row in range(3):
        length = tokens["length"][row]
        assert torch.equal(teacher["hidden", 1][row, :length], torch.from_numpy(computed[row]["hidden", 1]))
        assert teacher["hidden", 1][row, length:].abs().sum() == 0
        assert teacher["scores", 2][row, :, length:].abs().sum() == 0
