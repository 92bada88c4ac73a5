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


@dataclass
class Served:
    url: str
    service: Service
    client: httpx2.Client

    def post(self, path: str, body: Any, **more: Any) -> httpx2.Response:
        return self.client.post(path, json=body, **more)

    def metric(self, line: str) -> float:
        """Return the value of one line of /metrics."""
        found = [row for row in self.client.get("/metrics").text.splitlines() if row.startswith(f"{line} ")]
        return float(found[0].rpartition(" ")[2])


class Slow:
    """Stands before an engine and makes every batch take a while."""

    def __init__(self, engine: Any, seconds: float) -> None:
        self.engine, self.seconds, self.sizes = engine, seconds, []

    def __call__(self, pairs: Any) -> Any:
        self.sizes.append(len(pairs))
        time.sleep(self.seconds)
        return self.engine.probabilities(pairs)


@contextmanager
def serving(
    reranker: Reranker, batch_seconds: float = 0, key: str | None = None, beside: Reranker | None = None, **limits: Any
) -> Iterator[Served]:
    """Serve until the block ends; ``batch_seconds`` is what every batch takes beside its computation."""
    metrics = Metrics()
    service = Service(NAME, reranker, Limits(**limits), metrics)
    service._batcher._compute = Slow(service.engine, batch_seconds)
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
            yield Served(url, service, client)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
