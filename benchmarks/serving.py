"""Ranking over HTTP: ``tmkd serve`` beside sentence-transformers' CrossEncoder behind the same route.

Equal: the encoder, pooling, head and their weights, cutting at 64 tokens, fp32, the attention kernel, pairs in a batch,
threads, FastAPI, uvicorn, the requests and the process that sends them. The peer computes one request at a time, in a
thread of FastAPI's pool, which is what a route around ``CrossEncoder.predict`` does. infinity, where it is installed
(``contenders/with_infinity.py``), is a server of its own: another transformers, the attention kernel it takes.
Checked first: the scores of one request agree to 1e-4. Each number of clients has its own time on the clock, after one
request to warm up; a client asks again as soon as it has its answer.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.common import ROOT, TINY, Bench, Benchmark, Outcome, main, must_agree
from benchmarks.contenders import with_infinity
from tmkd.serve.shapes import TeiRerank  # FastAPI finds it here

OURS, THEIRS, INFINITY = "tmkd serve", "CrossEncoder behind FastAPI", "infinity"
HEADER = ["contender", "clients", "requests/s", "p50, ms", "p99, ms"]
BENCHMARK = Benchmark(
    name="serving",
    question="Ranking passages over HTTP, for one client and for many",
    aim="no slower than CrossEncoder behind the same route for one client, more requests a second for 32",
    sizes={
        "tiny": {"encoder": "tiny", "pairs": 40, "passages": 4, "clients": [1, 2], "each": 0.3, **TINY},
        "short": {"encoder": "minilm", "pairs": 800, "passages": 8, "clients": [1, 8, 32], "each": 8, "rounds": 1},
        "full": {"encoder": "minilm", "pairs": 2000, "passages": 8, "clients": [1, 8, 32], "each": 30, "rounds": 3},
    },
)


def our_app(folder: Path) -> Any:
    """Return tmkd's application."""
    from benchmarks import material
    from tmkd.models.classifier import PairClassifier
    from tmkd.reranker import Reranker
    from tmkd.serve.app import make_app
    from tmkd.serve.limits import Limits
    from tmkd.serve.metrics import Metrics
    from tmkd.serve.service import Service

    model = PairClassifier.load(folder / "teacher-1", attention="eager")
    metrics = Metrics()
    service = Service("teacher-1", Reranker(model, material.runtime({"precision": "fp32"})), Limits(), metrics)
    return make_app(service, metrics)


def their_app(folder: Path) -> Any:
    """Return the peer's: one route, which takes and gives what /rerank does."""
    import numpy as np
    from fastapi import FastAPI

    from benchmarks.contenders.with_sentence_transformers import cross_encoder
    from tmkd.evaluation.ensemble import average_probabilities
    from tmkd.models.classifier import PairClassifier
    from tmkd.training.runtime import CPU_SCORE_BATCH

    model = cross_encoder(PairClassifier.load(folder / "teacher-1", attention="eager"), folder, "eager")
    turn = threading.Lock()
    app = FastAPI()

    @app.post("/rerank")
    def rerank(body: TeiRerank) -> list[dict[str, Any]]:
        pairs = [(body.query, text) for text in body.texts]
        with turn:
            logits = model.predict(pairs, batch_size=CPU_SCORE_BATCH, show_progress_bar=False)
        scores = average_probabilities(np.asarray(logits)[None])[:, -1]
        return [{"index": int(at), "score": float(scores[at])} for at in np.argsort(-scores, kind="stable")]

    return app


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Serve an application in a thread; yields its address."""
    import uvicorn

    from tmkd.serve.run import bind

    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False))
    listener = bind("127.0.0.1", 0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def requests(folder: Path, size: int) -> list[dict[str, Any]]:
    """Return the bodies of requests with ``size`` passages each."""
    from datasets import load_from_disk

    rows = load_from_disk(str(folder / "rows"))
    starts = range(0, len(rows) - size + 1, size)
    return [{"query": rows[at]["question"], "texts": rows[at : at + size]["passage"]} for at in starts]


def served_by(contender: str, folder: Path) -> AbstractContextManager[str]:
    """Return what serves, and gives its address."""
    if contender == INFINITY:
        return with_infinity.infinity(folder)
    return served(our_app(folder) if contender == OURS else their_app(folder))


def first_scores(url: str, body: dict[str, Any]) -> list[float]:
    """Return the scores of one request, in the order of its texts."""
    import httpx2

    found = httpx2.post(f"{url}/rerank", json=body, timeout=60).raise_for_status().json()
    if isinstance(found, dict):
        return with_infinity.scores(found)
    return [each["score"] for each in sorted(found, key=lambda each: each["index"])]


def run(contender: str, case: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Serve, and let another process ask; return what each number of clients saw, and the scores of one request."""
    bodies, seen = requests(folder, case["passages"]), {}
    if contender == INFINITY:
        bodies = [with_infinity.body(body) for body in bodies]
    with served_by(contender, folder) as url:
        scores = first_scores(url, bodies[0])
        for clients in case["clients"]:
            asked = {"url": url, "bodies": bodies, "clients": clients, "seconds": case["each"]}
            command = [sys.executable, "-m", "benchmarks.load"]
            found = subprocess.check_output(command, cwd=ROOT, input=json.dumps(asked), text=True)
            seen[str(clients)] = json.loads(found)
    seconds = sum(each["seconds"] for each in seen.values())
    return {"seconds": seconds, "scores": scores, "clients": seen}


def compare(bench: Bench, case: dict[str, Any]) -> Outcome:
    """Measure all, and check their scores."""
    from statistics import median

    from benchmarks import material

    material.make(case | {"teachers": 1}, bench.folder)
    peers = [THEIRS]
    if with_infinity.program():
        with_infinity.export(bench.folder)
        peers.append(INFINITY)
    runs = bench.measure([OURS, *peers], case)
    found = Outcome("", None, HEADER, [])
    scores = {name: of[0].answer["scores"] for name, of in runs.items()}
    for peer in peers:
        found.checked.append(must_agree(f"scores of {OURS} and {peer}", scores[OURS], scores[peer], 1e-4))
    seen = {name: [each.answer["clients"] for each in of] for name, of in runs.items()}

    def middle(name: str, clients: int, figure: str) -> float:
        return median(each[str(clients)][figure] for each in seen[name])

    figures = ("requests_per_second", "p50", "p99")
    found.rows = [
        [name, str(clients), *(f"{middle(name, clients, figure):.3g}" for figure in figures)]
        for clients in case["clients"]
        for name in (OURS, *peers)
    ]
    fewest, most = case["clients"][0], case["clients"][-1]
    alone = middle(THEIRS, fewest, "p50") / middle(OURS, fewest, "p50")
    many = middle(OURS, most, "requests_per_second") / middle(THEIRS, most, "requests_per_second")
    found.measured = f"{alone:.2f} times its speed for one client, {many:.2f} times its throughput for {most}"
    found.met = alone >= 1 and many > 1
    found.raw = seen
    return found


if __name__ == "__main__":
    main(BENCHMARK, run, compare)
