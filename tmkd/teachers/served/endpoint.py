"""One URL that requests are posted to: time-outs, retries, the pace, and a key that no message shows."""

from __future__ import annotations

import datetime
import email.utils
import functools
import logging
import re
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx2
from tenacity import RetryCallState, Retrying, retry_if_exception_type, sleep_using_event, wait_exponential_jitter

from tmkd.errors import ModelError
from tmkd.teachers.served.api import shown
from tmkd.teachers.served.failures import Again, Halted, StrangeAnswer, TooLong

TRANSIENT = {408, 429, 500, 502, 503, 504}
TOO_LONG, NOT_PROCESSED = 413, 422  # the second is also what servers say of a body that they do not understand
# with 400 and 422
TOO_LONG_WORDS = re.compile(r"context.length|too long|too many tokens|maximum.{0,40}tokens", re.IGNORECASE)
STRANGE_RETRIES = 2  # an answer that makes no sense is paid for, and seldom makes more sense later
BACK_OFF = 1.0  # seconds before the first retry; doubled each time
LONGEST_BACK_OFF = 60.0
LONGEST_WAIT = 600.0  # seconds that a server may ask for
Answer = TypeVar("Answer")


class Endpoint:
    """Posts JSON to one URL. Threads may share it.

    Args:
        key: is sent as a bearer token.
        timeout: seconds for the connection, and for each wait for data.
        retries: after the first attempt.
        rate: requests a second at most.
    """

    def __init__(
        self, url: str, key: str | None, *, timeout: float, retries: int, rate: float | None, connections: int
    ) -> None:
        logging.getLogger("httpx2").setLevel(logging.WARNING)  # it has a line for each request
        self.url = url
        self.halted = threading.Event()
        self._key = key
        self._timeout = timeout
        self._retries = retries
        self._gap = 1 / rate if rate else 0.0
        self._next = 0.0
        self._lock = threading.Lock()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        limits = httpx2.Limits(max_connections=connections)
        self._client = httpx2.Client(headers=headers, timeout=timeout, limits=limits, verify=_certificates())

    def close(self) -> None:
        self._client.close()

    def wait_for_turn(self) -> None:
        """Return when a request may be sent; Halted where none may be any more."""
        with self._lock:
            turn = max(self._next, time.monotonic())
            self._next = turn + self._gap
        if self.halted.wait(turn - time.monotonic()):
            raise Halted

    def insist(self, ask: Callable[[], Answer]) -> Answer:
        """Return what ``ask`` returns, calling it again where it raises Again; ModelError when that is of no use."""

        strange = 0

        def enough(state: RetryCallState) -> bool:
            nonlocal strange
            strange += isinstance(_failure(state), StrangeAnswer)
            return self.halted.is_set() or state.attempt_number > self._retries or strange > STRANGE_RETRIES

        retrying = Retrying(
            retry=retry_if_exception_type(Again),
            stop=enough,
            wait=_pause,
            sleep=sleep_using_event(self.halted),
            reraise=True,
        )
        try:
            return retrying(ask)
        except Again as error:
            asked = retrying.statistics["attempt_number"]
            raise ModelError(
                f"{self.url}: no answer that can be used in {asked} attempts, the last: {error}; the answers that came "
                "are kept, and the same command goes on from there."
            ) from None

    def post(self, body: dict[str, Any]) -> Any:
        """Return the answer's JSON.

        Raises:
            Again, TooLong: there is none.
            ModelError: there will be none.
        """
        try:
            response = self._client.post(self.url, json=body)
        except httpx2.TimeoutException:
            raise Again(f"nothing came within {self._timeout:g} s (timeout)") from None
        except httpx2.RequestError as error:
            never_sent = isinstance(error, httpx2.ConnectError)
            raise Again(self._without_key(f"{type(error).__name__} ({error})"), charged=not never_sent) from None
        if response.is_success:
            try:
                return response.json()
            except (ValueError, RecursionError):
                raise StrangeAnswer(self._without_key(f"expected JSON, got {shown(response.text)}")) from None
        return self._refused(response)

    def _refused(self, response: httpx2.Response) -> None:
        status = response.status_code
        words = self._without_key(shown(_message(response)))
        if status in TRANSIENT:
            raise Again(f"status {status} ({words})", charged=False, wait=self._asked_to_wait(response))
        said = status == TOO_LONG or bool(TOO_LONG_WORDS.search(words))
        if status in (TOO_LONG, NOT_PROCESSED) or (status == 400 and said):
            raise TooLong(f"status {status} ({words})", charged=False, said=said)
        remedy = {
            401: "; look at the key in the environment variable that api_key names",
            403: "; look at the key in the environment variable that api_key names",
            404: "; look at url, api and name",
        }.get(status, "")
        raise ModelError(f"{self.url} answered with status {status} ({words}){remedy}.")

    def _asked_to_wait(self, response: httpx2.Response) -> float | None:
        """Return the seconds of Retry-After, which is a number or a date (RFC 9110, 10.2.3)."""
        asked = response.headers.get("Retry-After", "")
        try:
            seconds = float(asked)
        except ValueError:
            try:
                then = email.utils.parsedate_to_datetime(asked)
            except ValueError:
                return None
            then = then if then.tzinfo else then.replace(tzinfo=datetime.UTC)
            seconds = (then - datetime.datetime.now(datetime.UTC)).total_seconds()
        if seconds > LONGEST_WAIT:
            raise ModelError(
                f"{self.url} asks to wait for {seconds:.0f} s (status {response.status_code}); run the same command "
                "again then, the answers that came are kept."
            )
        return max(0.0, seconds)

    def _without_key(self, text: str) -> str:
        """Return what a server or a library wrote, without the key, which some of them repeat."""
        return text.replace(self._key, "***") if self._key else text


@functools.cache
def _certificates() -> ssl.SSLContext:
    return httpx2.create_ssl_context()  # it reads a file for a tenth of a second, and a scorer is opened many times


def _failure(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _pause(state: RetryCallState) -> float:
    """Return the seconds before the next attempt: what the server asks for, else more each time; and a random bit."""
    failure = _failure(state)
    if isinstance(failure, Again) and failure.wait is not None:
        return failure.wait + wait_exponential_jitter(initial=0, jitter=BACK_OFF / 10)(state)
    return wait_exponential_jitter(initial=BACK_OFF, max=LONGEST_BACK_OFF, jitter=BACK_OFF)(state)


def _message(response: httpx2.Response) -> str:
    """Return the words of an error: TEI's ``error``, OpenAI's ``error.message``, ``detail`` or ``message``."""
    try:
        answer = response.json()
    except (ValueError, RecursionError):
        return response.text
    for name in ("error", "detail", "message"):
        found = answer.get(name) if isinstance(answer, dict) else None
        found = found.get("message", found) if isinstance(found, dict) else found
        if found:
            return str(found)
    return response.text
