"""Ten minutes at a server's knee and ten at twice as many clients: speed, memory, errors.

``tmkd serve`` and sentence-transformers' CrossEncoder as in ``serving.py``, with the same model in fp32. wrk (Debian's
package) asks: each client again as soon as it has its answer. The knee is the fewest clients with 95 % of the highest
throughput. The peer gets as many clients for two minutes each. Memory is the server process's own.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import psutil

from benchmarks import serving
from benchmarks.common import ROOT, TINY, Bench, Benchmark, Outcome, Run, main, must_agree

ENOUGH = 0.95  # of the highest throughput
GROWS = 1.05  # memory at the end against that after a tenth of the time: more is not flat
HEADER = ["contender", "clients", "minutes", "requests/s", "p50, ms", "p99, ms", "not 200", "GB early", "GB at the end"]
BENCHMARK = Benchmark(
    name="endurance",
    question="Ranking over HTTP for ten minutes, at the knee and with twice as many clients",
    aim="no error but 429, memory flat within 5 %",
    sizes={
        "tiny": {
            "encoder": "tiny",
            "pairs": 40,
            "passages": 4,
            "search": [1, 2],
            "look": 1,
            "long": 2,
            "peer": 1,
            **TINY,
        },
        "short": {
            "encoder": "minilm",
            "pairs": 800,
            "passages": 8,
            "search": [1, 2, 4, 8],
            "look": 5,
            "long": 30,
            "peer": 10,
        },
        "full": {
            "encoder": "minilm",
            "pairs": 2000,
            "passages": 8,
            "search": [1, 2, 4, 8, 16, 32, 64],
            "look": 10,
            "long": 600,
            "peer": 120,
        },
    },
)


def ask(url: str, bodies: Path, clients: int, seconds: float) -> dict[str, Any]:
    """Let wrk ask; return what it saw, and this process's memory in bytes after a tenth of the time and at the end."""
    script = Path(__file__).with_suffix(".lua")
    command = [
        "wrk",
        "-t1",
        f"-c{clients}",
        f"-d{seconds:g}s",
        "--timeout",
        "120s",
        "-s",
        str(script),
        url,
        "--",
        str(bodies),
    ]
    early: list[int] = []
    look = threading.Timer(seconds / 10, lambda: early.append(psutil.Process().memory_info().rss))
    look.start()
    said = subprocess.check_output(command, cwd=ROOT, text=True)
    look.join()
    found: dict[str, Any] = json.loads(said.strip().splitlines()[-1])
    return {**found, "clients": clients, "early": early[0], "late_bytes": psutil.Process().memory_info().rss}


def rate(seen: dict[str, Any]) -> float:
    """Return requests that were answered with 200 a second."""
    return float(seen["statuses"].get("200", 0) / seen["seconds"])


def run(contender: str, case: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Serve; find the knee, unless the case names it; then ask for long."""
    bodies = serving.requests(folder, case["passages"])
    lines = folder / "bodies.jsonl"
    lines.write_text("".join(json.dumps(body) + "\n" for body in bodies))
    ours = contender == serving.OURS
    with serving.served(serving.our_app(folder) if ours else serving.their_app(folder)) as url:
        scores = serving.first_scores(url, bodies[0])
        search = [ask(url, lines, clients, case["look"]) for clients in case["search"]]
        knee = next(seen["clients"] for seen in search if rate(seen) >= ENOUGH * max(map(rate, search)))
        long = [ask(url, lines, clients, case["long" if ours else "peer"]) for clients in (knee, 2 * knee)]
    return {"seconds": sum(seen["seconds"] for seen in long), "scores": scores, "search": search, "long": long}


def compare(bench: Bench, case: dict[str, Any]) -> Outcome:
    """Measure both, each to its end, one after the other."""
    from benchmarks import material

    if not shutil.which("wrk"):
        raise SystemExit("Expected the program wrk (apt install wrk), which sends the requests.")
    material.make(case | {"teachers": 1}, bench.folder)
    runs: dict[str, Run] = {name: bench.once(name, case) for name in (serving.OURS, serving.THEIRS)}
    one, other = (of.answer["scores"] for of in runs.values())
    rows = [line(name, seen) for name, of in runs.items() for seen in of.answer["long"]]
    ours = runs[serving.OURS].answer["long"]
    wrong = sum(count for seen in ours for status, count in seen["statuses"].items() if status not in ("200", "429"))
    wrong += sum(seen["cut"] + seen["late"] for seen in ours)
    grew = max(seen["late_bytes"] / seen["early"] for seen in ours)
    return Outcome(
        f"{wrong} errors in {sum(seen['requests'] for seen in ours):,} requests, memory {grew:.2f} times",
        wrong == 0 and grew <= GROWS,
        HEADER,
        rows,
        [must_agree(f"scores of {serving.OURS} and {serving.THEIRS}", one, other, 1e-4)],
        [searched(name, of.answer["search"]) for name, of in runs.items()],
        {name: of.answer for name, of in runs.items()},
    )


def line(name: str, seen: dict[str, Any]) -> list[str]:
    """Return a row of the table."""
    others = seen["requests"] - seen["statuses"].get("200", 0) + seen["cut"] + seen["late"]
    speeds = [f"{value:.3g}" for value in (rate(seen), seen["p50"], seen["p99"])]
    memory = [f"{seen[when] / 1e9:.3f}" for when in ("early", "late_bytes")]
    return [name, str(seen["clients"]), f"{seen['seconds'] / 60:.2g}", *speeds, str(others), *memory]


def searched(name: str, search: list[dict[str, Any]]) -> str:
    """Return a sentence with the throughput of each number of clients."""
    rates = ", ".join(f"{seen['clients']}: {rate(seen):.3g}" for seen in search)
    return f"Requests a second of {name} by clients, while the knee was looked for: {rates}."


if __name__ == "__main__":
    main(BENCHMARK, run, compare)
