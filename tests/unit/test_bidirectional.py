"""A layer of Bi-LSTM reads the same by either way, whatever the lengths of the sequences."""

import pytest
import torch
from torch import nn

from tmkd.models.bidirectional import _apart, _packed, read_both_ways

MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 0, 0, 0, 0], [1, 1, 1, 0, 0]])


@pytest.fixture
def layer():
    torch.manual_seed(0)
    return nn.LSTM(4, 3, batch_first=True, bidirectional=True)


def test_directions_apart_give_the_states_and_gradients_of_the_packed_layer(layer):
    words = torch.randn(3, 5, 4, requires_grad=True)
    parts = [words, *layer.parameters()]
    pull = torch.randn(3, 5, 6)
    apart, packed = _apart(layer, words, MASK), _packed(layer, words, MASK)
    assert apart.abs().sum() > 1  # or two zeros would be compared
    torch.testing.assert_close(apart, packed)
    learnt, expected = (torch.autograd.grad((states * pull).sum(), parts) for states in (apart, packed))
    torch.testing.assert_close(learnt, expected)


def test_state_of_a_single_word_is_that_of_the_word_alone(layer):
    words = torch.randn(3, 5, 4)
    states = read_both_ways(layer, words, MASK)
    torch.testing.assert_close(states[1, :1], layer(words[1:2, :1])[0][0])
    assert not states[1, 1:].any()
