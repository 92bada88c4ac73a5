"""A corpus of 10 million pairs beside one of 100 thousand: is memory the same, and time in proportion?

The pairs are made on the spot. Reading, tokenising, writing and reading soft labels, batches, the trainer, its
checkpoints and the artifacts are real, with their defaults; the model alone is simulated (``simulated.py``), so that
what is left is what grows with the corpus. Checked: every pair is read, has soft labels, and was met once in stage 1.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.common import Bench, Benchmark, Outcome, Run, main, middle

PHASES = ("read", "tokenise", "score", "stage 1")
WITHIN = 1.1  # what counts as the same memory, and as in proportion
BENCHMARK = Benchmark(
    name="large_corpus",
    question="Reading, scoring and stage 1 on 10 million pairs against 100 thousand, the model's cost simulated",
    aim="memory as for 100 thousand, time in proportion (each within 10 %)",
    sizes={
        "tiny": {"pairs": [512, 2048], "rounds": 1},
        "short": {"pairs": [10_000, 100_000], "rounds": 1},
        "full": {"pairs": [100_000, 10_000_000], "rounds": 1},
    },
)


def run(contender: str, case: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Take a corpus through stage 1; return the seconds, and the peak memory so far, of each phase."""
    import shutil

    from benchmarks import simulated
    from tmkd.models.classifier import PairClassifier
    from tmkd.pipelines import stage1
    from tmkd.results.soft_labels import SoftLabels
    from tmkd.store.artifacts import MODEL

    here, corpus = folder / f"run-{contender}", folder / f"{contender}.jsonl"
    shutil.rmtree(here, ignore_errors=True)
    if not corpus.exists():
        simulated.write_corpus(corpus, int(contender))
    experiment = simulated.experiment(here, corpus)
    context, [teacher] = experiment.context, experiment.teachers()
    made = PairClassifier.load(teacher.build(context).folder(MODEL))  # which needs no corpus
    simulated.simulate()
    seconds, peaks = {}, {}
    work: dict[str, Callable[[], Any]] = {
        "read": lambda: experiment.corpus.build(context),
        "tokenise": lambda: len(experiment.corpus.rows().read_by(context, made)),
        "score": lambda: SoftLabels.of(teacher, experiment.corpus.rows()).build(context),
        "stage 1": lambda: stage1.run(experiment.config),
    }
    results = {}
    if list((here / "artifacts").glob("corpus-*")):
        raise SystemExit("The corpus was read before the clock started.")
    for phase in PHASES:
        started = time.perf_counter()
        results[phase] = work[phase]()
        seconds[phase] = time.perf_counter() - started
        peaks[phase] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    steps = results["stage 1"][0].details["training"]["steps"]
    counts = [results["tokenise"], results["score"].details["pairs"]]
    batch = experiment.config.stage1.batch_size
    shutil.rmtree(here)
    found = {"phases": seconds, "peaks": peaks, "pairs": counts, "steps": [steps, batch]}
    return {"seconds": sum(seconds.values()), **found}


def must_be_whole(run: Run, pairs: int) -> str:
    """Return a sentence that all pairs were read, scored and learnt; SystemExit where they were not."""
    steps, batch = run.answer["steps"]
    if run.answer["pairs"] != [pairs] * 2 or steps != -(-pairs // batch):
        raise SystemExit(f"Not equal work: of {pairs} pairs {run.answer}.")
    return f"all of {pairs:,} pairs were read and scored, and met once in {steps} steps of stage 1"


def compare(bench: Bench, case: dict[str, Any]) -> Outcome:
    """Measure both sizes, each phase apart."""
    small, large = map(str, case["pairs"])
    runs = bench.measure([small, large], case)
    checked = [must_be_whole(of[0], int(name)) for name, of in runs.items()]
    times = int(large) / int(small)
    rows, slower, larger = [], [], []
    for phase in PHASES:
        took = {name: sorted(run.answer["phases"][phase] for run in of)[len(of) // 2] for name, of in runs.items()}
        peak = {name: max(run.answer["peaks"][phase] for run in of) for name, of in runs.items()}
        slower.append(took[large] / took[small] / times)
        larger.append(peak[large] / peak[small])
        seconds, memory = ([f"{took[name]:.3g}" for name in runs], [f"{peak[name] / 1e9:.2f}" for name in runs])
        rows.append([phase, *seconds, f"{slower[-1]:.2f}", *memory, f"{larger[-1]:.2f}"])
    header = ["phase", f"seconds, {int(small):,}", f"seconds, {int(large):,}", "time a pair, large to small"]
    header += [f"peak GB so far, {int(small):,}", f"peak GB so far, {int(large):,}", "memory, large to small"]
    total = middle(runs[large]) / middle(runs[small]) / times
    measured = f"memory {larger[-1]:.2f} times, time a pair {total:.2f} times"
    facts = {name: [run.answer for run in of] for name, of in runs.items()}
    return Outcome(measured, larger[-1] <= WITHIN and total <= WITHIN, header, rows, checked, [], facts)


if __name__ == "__main__":
    main(BENCHMARK, run, compare)
