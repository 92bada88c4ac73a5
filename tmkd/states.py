"""What the inner states of a model are called, wherever they are computed, kept, put into batches or learnt from.

A state is named (kind, layer). Layers count from 1; layer 0 is what the embeddings give out. Kinds:

    first   [batch, width]                         the first token's hidden state
    mean    [batch, width]                         the mean of the real tokens' hidden states
    last    [batch, width]                         the last real token's hidden state
    hidden  [batch, tokens, width]
    scores  [batch, heads, tokens, tokens]         q kᵀ / √d before mask and softmax (queries, then keys)
    queries, keys, values   [batch, heads, tokens, head width]
    exit    [batch, width]                         the feature of the student's exit after that layer
"""

from __future__ import annotations

import numpy as np

State = tuple[str, int]
PairStates = dict[State, np.ndarray]  # of one pair: no batch axis, no padding
_TOKEN_AXES = {"hidden": (0,), "queries": (1,), "keys": (1,), "values": (1,), "scores": (1, 2)}


def token_axes(kind: str) -> tuple[int, ...]:
    """Return which axes of a pair's states are as long as the pair; none where there is one vector a pair."""
    return _TOKEN_AXES.get(kind, ())
