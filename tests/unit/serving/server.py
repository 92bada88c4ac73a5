"""The real server on loopback, in a thread, with whatever limits a test needs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import uvicorn

from tmkd.reranker import Reranker
from tmkd.serve.app import make_app
from tmkd.serve.limits import Limits
from tmkd.serve.metrics import Metrics
from tmkd.serve.run import bind
from tmkd.serve.service import Service

NAME = "stage2-0123456789ab"


class Gate:
    """Stands before an engine: batches wait while it is shut."""

    def __init__(self, engine: Any) -> None:
        self.engine, self.sizes, self.open = engine, [], threading.Event()
        self.open.set()

    def __call__(self, pairs: Any) -> Any:
        self.sizes.append(len(pairs))
        self.open.wait(20)
        return self.engine.probabilities(pairs)

    @contextmanager
    def shut(self) -> Iterator[None]:
        self.open.clear()
        try:
            yield
        finally:
            self.open.set()


@dataclass
class Served:
    url: str
    service: Service
    client: httpx2.Client
    gate: Gate

    def post(self, path: str, body: Any, **more: Any) -> httpx2.Response:
        return self.client.post(path, json=body, **more)

    def until(self, line: str, value: float) -> None:
        """Wait until a line of /metrics has reached a value."""
        for _ in range(500):
            if self.metric(line) >= value:
                return
            time.sleep(0.01)
        raise AssertionError(f"{line} is {self.metric(line)}, not {value}")

    def metric(self, line: str) -> float:
        """Return the value of one line of /metrics; a counter that has counted nothing yet is not there."""
        found = [row for row in self.client.get("/metrics").text.splitlines() if row.startswith(f"{line} ")]
        return float(found[0].rpartition(" ")[2]) if found else 0.0


@contextmanager
def serving(
    reranker: Reranker, key: str | None = None, beside: Reranker | None = None, **limits: Any
) -> Iterator[Served]:
    """Serve until the block ends."""
    metrics = Metrics()
    service = Service(NAME, reranker, Limits(**limits), metrics)
    service._batcher._compute = gate = Gate(service.engine)
    other = beside and Service("teacher", beside, Limits(**limits), metrics)
    server = uvicorn.Server(uvicorn.Config(make_app(service, metrics, other, key), log_level="critical", lifespan="on"))
    listener = bind("127.0.0.1", 0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.005)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        with httpx2.Client(base_url=url, timeout=30) as client:
            yield Served(url, service, client, gate)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
