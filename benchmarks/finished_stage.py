"""A stage whose result exists, and ``--help``: how long until they have answered, imports included?

The stages are run once on the smoke experiment, then again and again, in turn. Checked: the second time makes no
artifact and changes none (names, sizes, times of change). "python -c pass" is what Python itself takes here.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from benchmarks.common import Bench, Benchmark, Outcome, main, spread, timed

STAGES = ("teachers", "stage1", "stage2", "stage3")
BENCHMARK = Benchmark(
    name="finished_stage",
    question="A stage whose result exists, and --help, imports included",
    aim="under 3 s, and under 1 s",
    sizes={"tiny": {"rounds": 1}, "short": {"rounds": 3}, "full": {"rounds": 9}},
)


def run(contender: str, case: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Contenders are commands here; none runs as a function."""
    raise NotImplementedError(contender)


def compare(bench: Bench, case: dict[str, Any]) -> Outcome:
    """Make the results, then measure how long each command needs to find them again."""
    paths = [f"paths.{name}={bench.folder / name}" for name in ("artifacts", "reports", "runs")]
    commands = {"python -c pass": [sys.executable, "-c", "pass"]}
    for stage in STAGES:
        command = [sys.executable, "-m", f"stages.{stage}"]
        commands[f"{stage} --help"] = [*command, "--help"]
        commands[stage] = [*command, "experiment=smoke", *paths]
    for stage in STAGES:
        _answered(timed(commands[stage]), stage)
    before = _state(bench.folder / "artifacts")
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    peaks = dict.fromkeys(commands, 0)
    for _ in range(case["rounds"]):
        for name, command in commands.items():
            took, peak = _answered(timed(command, every=0.05), name)
            seconds[name].append(took)
            peaks[name] = max(peaks[name], peak)
    if _state(bench.folder / "artifacts") != before:
        raise SystemExit("Not equal work: a stage whose result exists wrote artifacts.")
    found = {name: spread(of) for name, of in seconds.items()}
    rows = [
        [name, f"{of['median']:.2f} ({of['min']:.2f}–{of['max']:.2f})", f"{peaks[name] / 1e9:.2f}"]
        for name, of in found.items()
    ]
    slowest = max(found[name]["median"] for name in STAGES)
    helped = max(found[f"{name} --help"]["median"] for name in STAGES)
    return Outcome(
        f"{slowest:.2f} s, --help {helped:.2f} s (the slowest stage's median)",
        slowest < 3 and helped < 1,
        ["command", "seconds: median (min–max)", "peak memory, GB"],
        rows,
        [f"{len(before)} files of artifacts are the same before and after"],
        [],
        found,
    )


def _answered(found: tuple[int, float, int, bool], name: str) -> tuple[float, int]:
    code, seconds, peak, _ = found
    if code:
        raise SystemExit(f"{name} ended with code {code}.")
    return seconds, peak


def _state(folder: Path) -> list[tuple[str, int, int]]:
    """Return every file of every result; locks come and go."""
    files = [path for path in folder.rglob("*") if path.is_file() and ".locks" not in path.parts]
    return sorted((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files)


if __name__ == "__main__":
    main(BENCHMARK, run, compare)
