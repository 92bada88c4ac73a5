"""Is what 10 million pairs take more than 1 GiB of memory needed, or pages that the kernel takes back under pressure?

The work of ``large_corpus.py``, twice at the same time, each computing in one thread: once in a control group that
holds no more than 1 GiB, the pages of files included, and once without a limit. Linux, and the right to make such a
group (root).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from benchmarks import large_corpus
from benchmarks.common import Bench, Benchmark, Outcome, Run, main, raw

GROUPS = Path("/sys/fs/cgroup")
FREE, LIMITED = "without a limit", "in 1 GiB"
TELL = ("memory.failcnt", "memory.max_usage_in_bytes", "memory.peak", "memory.events")  # of either version of groups
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"), "1")  # torch, Arrow, tokenizers
WITHIN = 1.1  # what counts as the same speed
BENCHMARK = Benchmark(
    name="limited_memory",
    question="Reading, scoring and stage 1 on 10 million pairs in 1 GiB of memory, and without a limit",
    aim="to the end, in at most 1.1 times the time",
    sizes={
        "tiny": {"pairs": 512, "bytes": None, "rounds": 1, "in_process": True},
        "short": {"pairs": 1_000_000, "bytes": 2**30, "rounds": 1},
        "full": {"pairs": 10_000_000, "bytes": 2**30, "rounds": 1},
    },
)


@contextmanager
def limited(most: int) -> Iterator[Path]:
    """Hold this process and its files' pages to ``most`` bytes; SystemExit where that is not allowed."""
    second = (GROUPS / "cgroup.controllers").exists()
    root = GROUPS if second else GROUPS / "memory"
    group, pid = root / f"tmkd-bench-{os.getpid()}", str(os.getpid())
    try:
        group.mkdir()
        (group / ("memory.max" if second else "memory.limit_in_bytes")).write_text(str(most))
        (group / "cgroup.procs").write_text(pid)
    except OSError as error:
        with suppress(OSError):  # where the group could be made but not limited
            group.rmdir()
        raise SystemExit(f"Expected to be allowed to make a control group for memory in {root}: {error}.") from None
    try:
        yield group
    finally:
        (root / "cgroup.procs").write_text(pid)
        group.rmdir()


def run(contender: str, case: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Take the corpus through stage 1; return what ``large_corpus`` does, and how often memory ran into the limit."""
    holds = contender == LIMITED and case["bytes"]
    with limited(case["bytes"]) if holds else nullcontext() as group:
        found = large_corpus.run(str(case["pairs"]), case, folder)
        if group is not None:
            found["group"] = {name: (group / name).read_text() for name in TELL if (group / name).exists()}
    return found


def compare(bench: Bench, case: dict[str, Any]) -> Outcome:
    """Let both work at once, so that the machine is the same to both, and neither's threads take the other's core."""
    os.environ.update(ONE_THREAD)  # libraries read it when they load, in the processes that are started below

    def once(name: str) -> Run:
        folder = bench.folder / name.replace(" ", "-")
        folder.mkdir()
        return bench.once(name, case, folder)

    with ThreadPoolExecutor(1 if case.get("in_process") else 2) as both:
        runs = dict(zip((FREE, LIMITED), both.map(once, (FREE, LIMITED))))
    checked = [f"{name}: {large_corpus.must_be_whole(of, case['pairs'])}" for name, of in runs.items()]
    rows = []
    for phase in large_corpus.PHASES:
        took = [of.answer["phases"][phase] for of in runs.values()]
        rows.append([phase, *(f"{seconds:.3g}" for seconds in took), f"{took[1] / took[0]:.2f}"])
    times = runs[LIMITED].seconds / runs[FREE].seconds
    rows.append(["together", *(f"{of.seconds:.4g}" for of in runs.values()), f"{times:.2f}"])
    rows.append(["peak memory, GB", *(f"{of.peak_bytes / 1e9:.2f}" for of in runs.values()), ""])
    header = ["phase", f"seconds, {FREE}", f"seconds, {LIMITED}", "times"]
    facts = raw({name: [of] for name, of in runs.items()}) | {"answers": {name: of.answer for name, of in runs.items()}}
    return Outcome(f"{times:.2f} times the time, to the end", times <= WITHIN, header, rows, checked, [], facts)


if __name__ == "__main__":
    main(BENCHMARK, run, compare)
