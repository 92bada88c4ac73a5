"""Scores pairs by asking: those without an answer, several requests at a time, each answer kept as it arrives."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from filelock import FileLock, Timeout

from tmkd.errors import BudgetSpent, ModelError
from tmkd.progress import done_before
from tmkd.teachers.served.answers import Answers, Budget
from tmkd.teachers.served.api import Api
from tmkd.teachers.served.endpoint import Endpoint
from tmkd.teachers.served.failures import Again, Halted, Spent, TooLong
from tmkd.teachers.served.price import Price, Tariff, tokens_of
from tmkd.teachers.served.request import Request, requests_of
from tmkd.teachers.served.scale import to_margins
from tmkd.teachers.source import margin_logits

if TYPE_CHECKING:
    from datasets import Dataset
    from tqdm import tqdm

log = logging.getLogger(__name__)
REFUSALS = 5  # of single texts in a row, before any was answered or without a word of length: that is not the reason


@dataclass
class Asker:
    """Scores pairs over HTTP (``tmkd.teachers.source.Scorer``).

    Attributes:
        together: pairs of one question in a request, at most.
        concurrency: requests under way at a time, at most.
        prompt_tokens: what a request has beside the pair.
        outputs: of the task: 2 classes, or 1 where its labels are grades or numbers.
    """

    what: str
    api: Api
    endpoint: Endpoint
    answers: Answers
    budget: Budget
    tariff: Tariff
    scale: str
    together: int
    concurrency: int
    prompt_tokens: float = 0.0
    outputs: int = 2
    _refused: dict[str, str] = field(default_factory=dict)  # ids, and why; kept once anything else was answered
    _why: str = ""  # the first of them
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _in_a_row: int = 0  # refused by themselves since the last answer
    _answered: bool = False

    def __call__(self, rows: Dataset, bar: tqdm) -> np.ndarray:
        ids = list(rows["id"])
        times = Counter(ids)
        known = self.answers.found(ids)
        done_before(bar, sum(times[pair] for pair in known))
        if len(known) < len(times):
            with self._alone():
                before, known = known, self.answers.found(ids)  # another process may have asked for them
                done_before(bar, sum(times[pair] for pair in known.keys() - before.keys()))
                try:
                    self._ask(requests_of(rows, known, self.together), times, bar)
                except Spent:
                    raise self._budget_spent(rows) from None
                finally:
                    self._keep_refused()
            known = self.answers.found(ids)
        scores = np.array([known[pair] for pair in ids], dtype=np.float64)
        refused = int(np.isnan(scores).sum())
        if refused:
            why = f" (the first with {self._why})" if self._why else ""
            log.warning("%s: %d of %d pairs have no score: refused as too long%s.", self.what, refused, len(ids), why)
        return margin_logits(to_margins(scores, self.scale, self.what), self.outputs)

    def _ask(self, requests: Sequence[Request], times: Counter[str], bar: tqdm) -> None:
        self._answered = self.answers.any()
        with ThreadPoolExecutor(self.concurrency, thread_name_prefix="served") as pool:
            under_way = {pool.submit(self._score_or_halt, request): request for request in requests}
            try:
                for done in as_completed(under_way):
                    if not isinstance(done.exception(), Halted):  # what halted it comes, too
                        done.result()
                        bar.update(sum(times[pair] for pair in under_way[done].ids))
            except BaseException:
                self.endpoint.halted.set()
                pool.shutdown(cancel_futures=True)
                raise
        if self._refused and not self._answered:
            raise self._all_refused(self._why)

    def _score_or_halt(self, request: Request) -> None:
        """Score; where that fails for good, requests that wait give up, and those that were sent end and are kept."""
        try:
            self._score(request)
        except BaseException:
            self.endpoint.halted.set()
            raise

    def _score(self, request: Request) -> None:
        """Ask until each pair of the request has an answer in the database, or is refused by itself."""
        try:
            self.endpoint.insist(lambda: self._attempt(request))
            self._answered, self._in_a_row = True, 0
        except TooLong as error:
            if len(request.ids) > 1:  # one long text, or too many of them: halves find out in the fewest requests
                for half in request.halves():
                    self._score(half)
                return
            with self._lock:
                self._refused[request.ids[0]] = str(error)
                self._why, self._in_a_row = self._why or str(error), self._in_a_row + 1
                if self._in_a_row >= REFUSALS and not (self._answered and error.said):
                    raise self._all_refused(str(error)) from None

    def _attempt(self, request: Request) -> None:
        self.endpoint.wait_for_turn()
        tokens = self._tokens(request)
        estimate = self.tariff.money(1, tokens)
        self.answers.spend(estimate, self.budget)
        try:
            answer = self.endpoint.post(self.api.body(request.question, request.passages))
        except (Again, TooLong, ModelError) as error:  # the last: a status that says that no request will go well
            if isinstance(error, ModelError) or not error.charged:
                self.answers.keep({}, -estimate)
            raise
        scores = self.api.scores(answer, len(request.ids))
        to_margins(np.array(scores), self.scale, self.what)  # a wrong scale ends the first request, not the last
        self.answers.keep(dict(zip(request.ids, scores)), self.tariff.charged(answer, tokens) - estimate)

    def _tokens(self, request: Request) -> float:
        return self.prompt_tokens + sum(tokens_of(request.question, passage) for passage in request.passages)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock of those who ask this teacher: processes take turns, so that no pair is paid for twice."""
        lock = FileLock(self.answers.path.with_suffix(".asking.lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            log.info("waiting for another process that asks %s", self.what)
            lock.acquire(poll_interval=0.5)
        try:
            yield
        finally:
            lock.release()

    def _keep_refused(self) -> None:
        if self._answered:
            self.answers.keep(dict.fromkeys(self._refused, float("nan")))
            self._refused.clear()

    def _all_refused(self, why: str) -> ModelError:
        self._refused.clear()  # nothing is wrong with these pairs: they are asked for again
        which = f"{REFUSALS} pairs in a row are" if self._answered else "every pair is"
        return ModelError(f"{self.what}: {which} refused, one with {why}; look at url, api and name.")

    def _budget_spent(self, rows: Dataset) -> BudgetSpent:
        known = self.answers.found(list(rows["id"]))
        missing = requests_of(rows, known, self.together)
        tokens = sum(self._tokens(request) for request in missing)
        money = self.tariff.money(len(missing), tokens) if self.tariff.known else None
        requests, paid = self.answers.spent()
        spent = Price(requests, paid if self.tariff.known else None)
        pairs = sum(len(request.ids) for request in missing)
        return BudgetSpent(
            f"{self.what}: the budget is spent after {spent}; {len(known)} of the {len(known) + pairs} pairs asked for "
            f"now have answers, which are kept, and {pairs} have none, which takes {Price(len(missing), money)}; raise "
            "budget_requests or budget_money, and the same command goes on."
        )
