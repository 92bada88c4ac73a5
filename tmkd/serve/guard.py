"""What happens before a request is read and after it is answered: key, size, time, clients that leave, counters."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Callable, Collection

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tmkd.serve.limits import Limits
from tmkd.serve.metrics import Metrics
from tmkd.serve.refusals import OVERLOADED, UNAUTHORIZED, VALIDATION, Refusal, refusal

OPEN = ("/", "/health")  # need no key; the page asks for it


class Guard:
    """Wraps the application, as ASGI.

    Args:
        paths: endpoints that are counted by name; any other is "other".
        key: what clients must send as ``Authorization: Bearer KEY``; None: nothing.
    """

    def __init__(
        self, app: ASGIApp, limits: Limits, metrics: Metrics, paths: Collection[str], key: str | None = None
    ) -> None:
        self.app, self.limits, self.metrics, self.paths, self.key = app, limits, metrics, paths, key
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status, ended = time.perf_counter(), 0, False
        counts = scope["method"] == "POST"  # metrics and health are answered at any time

        def end() -> None:
            nonlocal ended
            if ended:
                return
            ended = True
            self._running -= counts
            if status:
                known = scope["path"] if scope["path"] in self.paths else "other"
                self.metrics.request(known, status, time.perf_counter() - started)
            else:
                self.metrics.gone()

        async def sending(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                end()  # before the last bytes go: a client that has its answer may send its next request at once
            await send(message)

        self._running += counts
        try:
            self._admit(scope)
            body = await self._read(receive)
            if body is not None:
                await self._answer(scope, body, receive, sending, lambda: bool(status))
        except Refusal as error:
            self.metrics.error(error.kind)
            await refusal(scope["path"], error.status_code, error.kind, error.detail)(scope, receive, sending)
        finally:
            end()

    def _admit(self, scope: Scope) -> None:
        headers = dict(scope["headers"])
        if self.key is not None and scope["path"] not in OPEN:
            given = headers.get(b"authorization", b"")
            if not hmac.compare_digest(given, b"Bearer " + self.key.encode()):
                raise Refusal(UNAUTHORIZED, "Expected the header Authorization: Bearer KEY with the server's key.")
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length[:20]) > self.limits.body:
            raise self._too_large()
        if scope["method"] == "POST" and self._running > self.limits.requests:
            raise Refusal(OVERLOADED, "The server answers as many requests as it can; try again later.")

    def _too_large(self) -> Refusal:
        return Refusal(VALIDATION, f"The body is larger than the {self.limits.body} bytes of one request.")

    async def _read(self, receive: Receive) -> bytes | None:
        """Return the body; None where the client has left."""
        parts, size, more = [], 0, True
        try:
            async with asyncio.timeout(self.limits.seconds):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    more = message.get("more_body", False)
                    if size > self.limits.body:
                        raise self._too_large()
        except TimeoutError:
            sentence = f"The request did not arrive within {self.limits.seconds:g} seconds."
            raise Refusal(VALIDATION, sentence, 408) from None
        return b"".join(parts)

    async def _answer(self, scope: Scope, body: bytes, receive: Receive, send: Send, begun: Callable[[], bool]) -> None:
        """Let the application answer; stop it where the client leaves or the time is over."""
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def replay() -> Message:
            return next(messages, None) or {"type": "http.disconnect"}

        work = asyncio.ensure_future(self.app(scope, replay, send))
        gone = asyncio.ensure_future(receive())  # nothing but the end of the connection can come now
        try:
            await asyncio.wait({work, gone}, timeout=self.limits.seconds, return_when=asyncio.FIRST_COMPLETED)
            if not work.done() and not begun():
                work.cancel()
                if not gone.done():
                    await asyncio.wait({work})
                    sentence = f"The request could not be answered within {self.limits.seconds:g} seconds."
                    raise Refusal(OVERLOADED, sentence)
            await asyncio.wait({work})
            if not work.cancelled():
                work.result()
        finally:
            work.cancel()
            gone.cancel()
