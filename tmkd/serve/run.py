"""Listening on a port until a signal comes, and then answering what was accepted."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Sequence

import uvicorn
from starlette.types import ASGIApp

from tmkd.errors import ConfigError

BACKLOG = 2048
GRACE = 5  # seconds beyond the longest that a request may take


def bind(host: str, port: int) -> socket.socket:
    """Return a socket that has the port, so that one in use is found before a model is loaded (ConfigError).

    It names its protocol: asyncio sends answers at once (TCP_NODELAY) only where a socket does. Else the end of an
    answer waits until the client has acknowledged its beginning, which takes 40 ms on Linux.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _cannot_listen(host, port, error) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise _cannot_listen(host, port, error) from None
    return listener


def key_from(variable: str | None) -> str | None:
    """Return the key in an environment variable; ConfigError where there is none."""
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ConfigError(f"--api-key-env: expected a key in the environment variable {variable}, but it is not set.")
    return key


def listen(app: ASGIApp, listener: socket.socket, seconds: float, ready: Callable[[], None]) -> None:
    """Answer requests until SIGTERM or SIGINT; then accept no more, answer those that are there, and return.

    Args:
        seconds: the longest that a request may take.
        ready: is called once the port is open: who connects from then on is answered.

    Raises:
        KeyboardInterrupt: it was SIGINT.
    """
    grace = int(seconds) + GRACE
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, backlog=BACKLOG,
        timeout_graceful_shutdown=grace, lifespan="on",
    )  # fmt: skip
    # uvicorn raises the signal again at its end: a server that was asked to stop has done well; and it may be asked to
    # before uvicorn listens to signals
    asked: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    host, port = listener.getsockname()[:2]
    try:
        listener.listen(BACKLOG)  # or who reads that the server is ready might connect before uvicorn listens
        ready()
        _Server(config, asked).run(sockets=[listener])
    except OSError as error:
        raise _cannot_listen(host, port, error) from None
    finally:
        signal.signal(signal.SIGTERM, before)
        listener.close()


class _Server(uvicorn.Server):
    """A server that stops as soon as it has started where it was ``asked`` to before."""

    def __init__(self, config: uvicorn.Config, asked: Sequence[int]) -> None:
        super().__init__(config)
        self._asked = asked

    async def main_loop(self) -> None:
        self.should_exit = self.should_exit or bool(self._asked)
        await super().main_loop()


def _cannot_listen(host: str, port: int, error: OSError) -> ConfigError:
    why = error.strerror or str(error)
    return ConfigError(f"--host, --port: cannot listen on {host}:{port} ({why}); name another with --port or --host.")
