"""Killing the scoring of a corpus at 60 %: how much of the work does the next run repeat?

The process gets SIGKILL when the model has answered for 60 % of the pairs; the same command is then run again. Repeated
are the pairs that the model answered for in both runs together beyond the corpus. The model is simulated
(``simulated.py``); ``runtime.shard_size`` is its default, so the most that can be repeated is one part of 1,024 pairs.
Checked: the soft labels are, bit for bit, those of a run that was left alone.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.common import Bench, Benchmark, Outcome, main, middle, spread, timed

ALONE, KILLED, PREPARE = "left alone", "killed at 60 %", "prepare"
AT = 0.6
BENCHMARK = Benchmark(
    name="killed_scoring",
    question="Killing the scoring at 60 %",
    aim="under 2 % of the work repeated",
    sizes={
        "tiny": {"pairs": 12_000, "rounds": 1},
        "short": {"pairs": 100_000, "rounds": 1},
        "full": {"pairs": 100_000, "rounds": 5},
    },
)


def run(contender: str, case: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Score the corpus; return ``seconds`` and the checksum of what was published."""
    from benchmarks import simulated
    from tmkd.models.classifier import PairClassifier
    from tmkd.results.soft_labels import SoftLabels
    from tmkd.store.artifacts import MODEL

    experiment = simulated.experiment(folder, folder / "corpus.jsonl")
    context, corpus = experiment.context, experiment.corpus.rows()
    [teacher] = experiment.teachers()
    trained = teacher.build(context)
    if contender == PREPARE:
        corpus.read_by(context, PairClassifier.load(trained.folder(MODEL)))
        return {}
    simulated.simulate(folder / "progress")
    started = time.perf_counter()
    published = SoftLabels.of(teacher, corpus).build(context)
    digest = hashlib.sha256()
    for part in sorted(published.folder().glob("part-*")):
        digest.update(part.name.encode() + part.read_bytes())
    return {"seconds": time.perf_counter() - started, "sha256": digest.hexdigest()}


def compare(bench: Bench, case: dict[str, Any]) -> Outcome:
    """Score the corpus undisturbed and with a kill in turn; count what was done twice."""
    from benchmarks.simulated import write_corpus

    write_corpus(bench.folder / "corpus.jsonl", case["pairs"])
    bench.once(PREPARE, case)
    runs: dict[str, list] = {ALONE: [], KILLED: []}
    repeated = []
    for _ in range(case["rounds"]):
        _forget(bench)
        runs[ALONE].append(bench.once(ALONE, case))
        _forget(bench)
        first = _kill(bench, case)
        (bench.folder / "progress").unlink()
        runs[KILLED].append(bench.once(KILLED, case))
        repeated.append((first + _progress(bench) - case["pairs"]) / case["pairs"])
    sums = {run.answer["sha256"] for of in runs.values() for run in of}
    if len(sums) != 1:
        raise SystemExit("Not equal work: the soft labels differ after a kill.")
    share = spread(repeated)
    rows = [
        ["share of the pairs scored twice", f"{share['median']:.2%} ({share['min']:.2%}–{share['max']:.2%})"],
        ["seconds, left alone", f"{middle(runs[ALONE]):.3g}"],
        ["seconds of the second run, after a kill at 60 %", f"{middle(runs[KILLED]):.3g}"],
    ]
    return Outcome(
        f"{share['median']:.2%} of the pairs scored twice, {share['max']:.2%} at most",
        share["max"] < 0.02,
        ["what", "median (min–max)"],
        rows,
        ["the soft labels after a kill are those of an undisturbed run, bit for bit"],
        [f"At most one part is repeated, here {1024 / case['pairs']:.1%} of the corpus; see `runtime.shard_size`."],
        {"repeated": repeated},
    )


def _kill(bench: Bench, case: dict[str, Any]) -> int:
    """Run the scoring until it is at 60 %, kill it, and return how many pairs it had scored."""
    command = [sys.executable, "-m", bench.module, "--contender", KILLED, "--case", json.dumps(case)]
    enough = AT * case["pairs"]
    _, _, _, killed = timed([*command, "--folder", str(bench.folder)], lambda: _progress(bench) >= enough, every=0.005)
    if not killed:
        raise SystemExit("The scoring ended before it could be killed; give it more pairs.")
    return _progress(bench)


def _progress(bench: Bench) -> int:
    file = bench.folder / "progress"
    return int(file.read_text() or 0) if file.exists() else 0


def _forget(bench: Bench) -> None:
    """Remove the soft labels, published or under way, and the count of pairs."""
    artifacts = bench.folder / "artifacts"
    for made in [*artifacts.glob("soft_labels-*"), *(artifacts / ".building").glob("soft_labels-*")]:
        shutil.rmtree(made)
    (bench.folder / "progress").unlink(missing_ok=True)


if __name__ == "__main__":
    main(BENCHMARK, run, compare)
