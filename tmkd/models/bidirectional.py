"""A layer of Bi-LSTM over padded sequences, by the kernels that are quick on the device."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


def read_both_ways(layer: nn.LSTM, words: Tensor, mask: Tensor) -> Tensor:
    """Return what ``layer`` has read up to each word from either side, ``[batch, tokens, 2 * units]``, 0 at padding.

    Args:
        layer: bidirectional, ``batch_first``.
        words: ``[batch, tokens, width]``, padded right.
        mask: ``[batch, tokens]``, 1 at words and 0 at padding.
    """
    learns_on_cpu = torch.is_grad_enabled() and words.device.type == "cpu"
    return (_apart if learns_on_cpu else _packed)(layer, words, mask)


def _packed(layer: nn.LSTM, words: Tensor, mask: Tensor) -> Tensor:
    """Packed, as cuDNN wants it, or the backward direction would begin with the padding."""
    packed = pack_padded_sequence(words, mask.sum(dim=1).cpu(), batch_first=True, enforce_sorted=False)
    return pad_packed_sequence(layer(packed)[0], batch_first=True, total_length=words.shape[1])[0]


def _apart(layer: nn.LSTM, words: Tensor, mask: Tensor) -> Tensor:
    """Each direction alone, the backward one over sequences that are turned round: oneDNN takes none that are packed.
    A step of training takes half as long; scoring would take a tenth more."""
    places = torch.arange(words.shape[1], device=words.device)
    last = mask.sum(dim=1, keepdim=True) - 1
    turned = torch.where(places <= last, last - places, places).unsqueeze(-1)

    def turn(states: Tensor) -> Tensor:
        return states.gather(1, turned.expand_as(states))

    start = words.new_zeros(1, len(words), layer.hidden_size)
    forward, backward = (
        torch.lstm(read, [start, start], [*weights], layer.bias, 1, 0.0, layer.training, False, True)[0]
        for read, weights in zip((words, turn(words)), layer.all_weights, strict=True)
    )
    return torch.cat([forward, turn(backward)], dim=-1) * mask.unsqueeze(-1)
