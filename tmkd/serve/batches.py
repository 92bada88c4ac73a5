"""Which pairs are computed together: those whose turn it is, and others of their length."""

from __future__ import annotations

import heapq
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future

import numpy as np

from tmkd.serve.engine import Pair

SLACK = 16  # tokens by which pairs of other requests may be longer than those whose turn it is


class Request:
    """Pairs of one request. ``found`` is ``[pairs, classes]`` once all of them are computed; cancel it to drop them."""

    def __init__(self, pairs: Sequence[Pair], classes: int) -> None:
        self.pairs = pairs
        self.waiting = sorted(range(len(pairs)), key=lambda at: -pairs[at].tokens)
        self.left = len(pairs)
        self.probabilities = np.empty((len(pairs), classes))
        self.found: Future[np.ndarray] = Future()
        self.since = time.perf_counter()


Chosen = list[tuple[Request, int]]  # a request, and the place of a pair in it


def take(requests: deque[Request], most_pairs: int, most_tokens: int) -> Chosen:
    """Take the next batch out of what waits.

    The first request's longest pairs go first. Room that is left goes to pairs of other requests, nearest in length and
    hardly longer. A request with pairs left goes to the end of the queue, so that a large one holds up no small one.

    Args:
        requests: each with something waiting; those without are taken out.
        most_tokens: with padding; a pair that is longer by itself is computed alone.
    """
    first = requests.popleft()
    longest = first.pairs[first.waiting[0]].tokens
    room = max(1, min(most_pairs, most_tokens // (longest + SLACK)))
    chosen = [(first, at) for at in first.waiting[:room]]
    del first.waiting[:room]
    near = (
        (abs(request.pairs[at].tokens - longest), number, at)
        for number, request in enumerate(requests)
        for at in request.waiting
        if request.pairs[at].tokens <= longest + SLACK
    )
    for _, number, at in heapq.nsmallest(room - len(chosen), near):
        chosen.append((requests[number], at))
        requests[number].waiting.remove(at)
    left = [request for request in (*requests, first) if request.waiting]
    requests.clear()
    requests.extend(left)
    return chosen
