"""Teachers' inner states for the losses that look there: computed a window ahead, one teacher in memory at a time.

States are kept in half precision whether they come from here or from the store, so that both train the same student.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
import torch
from datasets import Dataset
from tqdm import tqdm

from tmkd.data.batching import lengths_of
from tmkd.models.classifier import PairClassifier
from tmkd.states import PairStates, State, token_axes
from tmkd.training.predict import batches_of, longest_first
from tmkd.training.runtime import Runtime


@torch.inference_mode()
def read_states(
    model: PairClassifier, tokens: Dataset, wanted: Collection[State], runtime: Runtime, bar: tqdm | None = None
) -> list[PairStates]:
    """Return the wanted states of every pair, float16, without padding, in the order of ``tokens``.

    ``bar`` is moved on by the number of pairs.
    """
    lengths = lengths_of(tokens)
    found: list[PairStates] = [{} for _ in lengths]
    for chosen, batch in longest_first(model, lengths, batches_of(model, tokens), runtime, bar):
        with runtime.scoring():
            states = model(**batch, states=wanted).states
        for state, tensor in states.items():
            values = tensor.float().cpu().numpy().astype(np.float16)
            for row, at in enumerate(chosen):
                axes = token_axes(state[0])
                cut = tuple(slice(lengths[at]) if axis in axes else slice(None) for axis in range(values.ndim - 1))
                found[at][state] = values[(row, *cut)].copy()  # or every row would hold on to its whole batch
    return found


class WindowedStates:
    """States computed as they are needed: a window of the epoch's coming pairs at a time, teacher after teacher.

    Args:
        teachers: for each a function from indices of pairs to their states, which loads it and lets it go again.
        window: pairs whose states are held in memory.
    """

    def __init__(self, teachers: Sequence[Callable[[np.ndarray], list[PairStates]]], window: int) -> None:
        self.teachers = teachers
        self.window = window
        self._order: np.ndarray = np.empty(0, dtype=np.int64)
        self._place: dict[int, int] = {}
        self._held: dict[int, list[PairStates]] = {}

    def plan(self, order: Sequence[int]) -> None:
        """Prepare for an epoch that asks for the pairs in this order."""
        self._order = np.asarray(order)
        self._place = {index: place for place, index in enumerate(order)}
        self._held = {}

    def get(self, index: int) -> list[PairStates]:
        """Return the states of one pair, one dictionary a teacher."""
        if index not in self._held:
            start = self._place[index]
            coming = self._order[start : start + self.window]
            self._held = {}  # before the next window is made: only one is ever held
            each = [states_of(coming) for states_of in self.teachers]
            self._held = {int(at): list(states) for at, *states in zip(coming, *each)}
        return self._held[index]
