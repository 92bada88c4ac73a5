"""Clients of a reranking server, in a process of their own: each asks again as soon as it has its answer."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from itertools import cycle
from statistics import quantiles
from typing import Any

import httpx2


async def load(url: str, bodies: list[Any], clients: int, seconds: float) -> dict[str, float]:
    """Return requests per second, and p50 and p99 of their time in milliseconds."""
    times: list[float] = []
    turns = cycle(bodies)
    until = time.perf_counter() + seconds

    async def one() -> None:
        async with httpx2.AsyncClient(base_url=url, timeout=120) as client:
            while (started := time.perf_counter()) < until:
                (await client.post("/rerank", json=next(turns))).raise_for_status()
                times.append(1000 * (time.perf_counter() - started))

    started = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(clients)))
    took = time.perf_counter() - started
    cuts = quantiles(times, n=100) if len(times) > 1 else times * 99
    return {"requests_per_second": len(times) / took, "p50": cuts[49], "p99": cuts[98], "seconds": took}


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    print(json.dumps(asyncio.run(load(**asked))))
