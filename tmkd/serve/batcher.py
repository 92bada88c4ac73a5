"""Dynamic batches: one thread computes, and whatever waits when it is free goes into the next batch.

Nothing waits for company: a request that comes alone is computed at once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future

import numpy as np

from tmkd.serve.batches import Chosen, Request, take
from tmkd.serve.engine import Pair
from tmkd.serve.metrics import Metrics

log = logging.getLogger(__name__)


class Batcher:
    """Computes pairs of many requests in one thread, until it is closed.

    Args:
        compute: pairs to ``[pairs, classes]``.
        classes: how many.
        most_pairs, most_tokens: of a batch.
        first: batches that the thread computes before all requests; they are not counted.

    Attributes:
        warm: is done once these are computed; has their error where they cannot be, and then nothing else is computed.
    """

    def __init__(
        self,
        compute: Callable[[Sequence[Pair]], np.ndarray],
        classes: int,
        most_pairs: int,
        most_tokens: int,
        metrics: Metrics,
        first: Sequence[Sequence[Pair]] = (),
    ) -> None:
        self._compute, self._classes, self._metrics = compute, classes, metrics
        self._most = most_pairs, most_tokens
        self._requests: deque[Request] = deque()
        self._there = threading.Condition()
        self._closed = False
        self._first, self.warm, self._works = first, Future[None](), True
        self._thread = threading.Thread(target=self._work, name="batches", daemon=True)
        self._thread.start()

    @property
    def works(self) -> bool:
        """Whether pairs can still be computed: after a fatal error of a GPU none can, until the server is restarted."""
        return self._works and self._thread.is_alive()

    def put(self, pairs: Sequence[Pair]) -> Future[np.ndarray]:
        """Queue pairs; return what will be ``[pairs, classes]``."""
        request = Request(pairs, self._classes)
        with self._there:
            self._requests.append(request)
            self._there.notify()
        return request.found

    def close(self) -> None:
        """Compute what waits, then end."""
        with self._there:
            self._closed = True
            self._there.notify()
        self._thread.join()

    def _work(self) -> None:
        try:
            for pairs in self._first:
                self._compute(pairs)
        except Exception as error:
            self.warm.set_exception(error)
            return
        self.warm.set_result(None)
        while chosen := self._next():
            try:
                self._finish(chosen, self._compute([request.pairs[at] for request, at in chosen]))
            except Exception:
                log.exception("A batch of %d pairs failed; its requests are computed one by one.", len(chosen))
                self._one_by_one(chosen)

    def _next(self) -> Chosen:
        with self._there:
            while True:
                for request in [each for each in self._requests if each.found.done()]:
                    self._requests.remove(request)  # the client has gone, or another batch of it failed
                if self._requests:
                    break
                if self._closed:
                    return []
                self._there.wait()
            chosen = take(self._requests, *self._most)
        now = time.perf_counter()
        self._metrics.batch(len(chosen), [now - request.since for request in {request for request, _ in chosen}])
        return chosen

    def _one_by_one(self, chosen: Chosen) -> None:
        """So that what is wrong with one request fails no other."""
        for request in dict.fromkeys(request for request, _ in chosen):
            own = [each for each in chosen if each[0] is request]
            try:
                self._finish(own, self._compute([request.pairs[at] for _, at in own]))
            except Exception as error:
                self._try_first()  # before the client has its answer, so that /health knows what it knows
                if request.found.set_running_or_notify_cancel():
                    request.found.set_exception(error)

    def _try_first(self) -> None:
        """Is it the request that cannot be computed, or anything at all?"""
        try:
            for pairs in self._first[:1]:
                self._compute(pairs)
        except Exception:
            if self._works:
                log.error("The pair that was scored at the start cannot be scored any more: start the server again.")
            self._works = False
        else:
            self._works = True

    def _finish(self, chosen: Chosen, probabilities: np.ndarray) -> None:
        self._works = True
        for (request, at), row in zip(chosen, probabilities, strict=True):
            request.probabilities[at] = row
            request.left -= 1
            if not request.left and request.found.set_running_or_notify_cancel():
                request.found.set_result(request.probabilities)
