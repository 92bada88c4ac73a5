"""What the benchmarks share: a process for every run, interleaving, medians, peak memory, checks of equality.

A benchmark is a module with ``main(BENCHMARK, run, compare)`` at its end. ``run`` is one contender's work and happens
in a process of its own; ``compare`` checks that the work is equal, has the contenders measured, and says what came out.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from benchmarks.document import write_result
from benchmarks.outcome import Benchmark, Case, Outcome, Run

ROOT = Path(__file__).resolve().parent.parent
SAMPLED_EVERY = 0.5  # seconds between looks at the memory of a process tree; a look costs milliseconds
TINY = {"rounds": 1, "in_process": True}  # settings of the size that only proves that all runs and is equal


class Bench:
    """Runs contenders of one benchmark, each in a fresh process, on what lies in ``folder``."""

    def __init__(self, name: str, folder: Path, run: Callable[[str, Case, Path], dict[str, Any]]) -> None:
        self.module = f"benchmarks.{name}"
        self.folder = folder
        self.run = run

    def once(self, contender: str, case: Case, folder: Path | None = None) -> Run:
        """Let one contender do its work; SystemExit where it fails.

        With ``case["in_process"]`` it happens here: nothing that is timed so counts, but it takes a tenth of the time.
        """
        folder = folder or self.folder
        if case.get("in_process"):
            found = self.run(contender, case, folder)
            return Run(found.pop("seconds"), tree_bytes(psutil.Process()), found)
        answer = folder / "answer.json"
        answer.unlink(missing_ok=True)
        command = [sys.executable, "-m", self.module, "--contender", contender, "--case", json.dumps(case)]
        code, seconds, peak, _ = timed([*command, "--folder", str(folder)])
        if code:
            raise SystemExit(f"{self.module}: {contender} ended with code {code}.")
        found = json.loads(answer.read_text())
        return Run(found.pop("seconds", seconds), max(peak, found.pop("peak_bytes")), found)

    def measure(self, contenders: Sequence[str], case: Case) -> dict[str, list[Run]]:
        """Let all contenders work ``case["rounds"]`` times, in turn; who begins changes from round to round."""
        runs: dict[str, list[Run]] = {name: [] for name in contenders}
        for turn in range(case["rounds"]):
            shift = turn % len(contenders)
            for name in [*contenders[shift:], *contenders[:shift]]:
                runs[name].append(self.once(name, case))
                print(f"  round {turn + 1}, {name}: {runs[name][-1].seconds:.2f} s", file=sys.stderr, flush=True)
        return runs


def timed(
    command: Sequence[str], until: Callable[[], bool] | None = None, every: float = SAMPLED_EVERY
) -> tuple[int, float, int, bool]:
    """Run a command; return exit code, wall time in seconds, peak memory of its process tree in bytes, killed or not.

    With ``until``, the command is killed (SIGKILL) as soon as that is true; it is asked ``every`` so many seconds.
    """
    started = time.perf_counter()
    process = psutil.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, env={**os.environ, "TQDM_DISABLE": "1"})
    peak, killed = 0, False
    while True:
        try:
            code = process.wait(every)
            return code, time.perf_counter() - started, peak, killed
        except psutil.TimeoutExpired:
            peak = max(peak, tree_bytes(process))
        if until is not None and until():
            for one in [process, *process.children(recursive=True)]:
                one.kill()
            killed = True


def tree_bytes(process: psutil.Process) -> int:
    """Return the resident memory of a process and all that it started, in bytes."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return min, median and max."""
    return {"min": min(values), "median": median(values), "max": max(values)}


def middle(runs: Sequence[Run]) -> float:
    """Return the median time in seconds."""
    return median(run.seconds for run in runs)


def row(name: str, runs: Sequence[Run], against: Sequence[Run]) -> list[str]:
    """Return a line of ``HEADER``: median time with its spread, how it compares, peak memory."""
    took = spread([run.seconds for run in runs])
    times = middle(runs) / middle(against)
    peak = max(run.peak_bytes for run in runs) / 1e9
    return [name, f"{took['median']:.3g} ({took['min']:.3g}–{took['max']:.3g})", f"{times:.2f}", f"{peak:.2f}"]


HEADER = ["contender", "seconds: median (min–max)", "times the first", "peak memory, GB"]


def raw(runs: Mapping[str, Sequence[Run]]) -> dict[str, Any]:
    """Return all that was measured, for the JSON file."""
    return {
        name: {
            "seconds": spread([run.seconds for run in of]) | {"all": [run.seconds for run in of]},
            "peak_bytes": max(run.peak_bytes for run in of),
        }
        for name, of in runs.items()
    }


def must_agree(what: str, ours: Sequence[float], theirs: Sequence[float], tolerance: float) -> str:
    """Return a sentence that says how well two series agree; SystemExit where they do not."""
    if len(ours) != len(theirs) or not ours:
        raise SystemExit(f"Not equal work: {what}: {len(ours)} values against {len(theirs)}.")
    apart = max((abs(one - other) for one, other in zip(ours, theirs)), key=lambda gap: (math.isnan(gap), gap))
    if not apart <= tolerance:  # also where it is not a number
        raise SystemExit(f"Not equal work: {what}: {apart:.2g} apart, {tolerance:g} allowed ({ours} and {theirs}).")
    return f"{what}: {len(ours)} values, {apart:.1g} apart at most ({tolerance:g} allowed)"


def main(
    benchmark: Benchmark, run: Callable[[str, Case, Path], dict[str, Any]], compare: Callable[[Bench, Case], Outcome]
) -> None:
    """Be either the process of one contender, or the one that measures them all and writes the result."""
    parser = argparse.ArgumentParser(description=benchmark.question)
    parser.add_argument("--size", default="short", choices=sorted(benchmark.sizes))
    parser.add_argument("--into", type=Path, default=ROOT / "reports" / "speed", help="folder of speed.md and its JSON")
    for hidden in ("--contender", "--case", "--folder"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.contender:
        answer = run(asked.contender, json.loads(asked.case), Path(asked.folder))
        own = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        answer["peak_bytes"] = own * (1 if sys.platform == "darwin" else 1024)
        (Path(asked.folder) / "answer.json").write_text(json.dumps(answer))
        return
    print(f"{benchmark.name} ({asked.size}): {benchmark.question}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="tmkd-bench-") as folder:
        outcome = compare(Bench(benchmark.name, Path(folder), run), dict(benchmark.sizes[asked.size]))
    write_result(asked.into, benchmark, asked.size, outcome)
    print(f"  {outcome.measured} (aim: {benchmark.aim})", file=sys.stderr, flush=True)
