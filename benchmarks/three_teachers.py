"""Three teachers, one student, three epochs: how long from teachers on disk to a student on disk?

Equal: the tokenised pairs (read from disk by all), their batches and the order of these, padding, the teachers'
weights, the student's first weights, AdamW (fused) with its learning rates and decay, clipping, epochs, threads, the
attention kernel (the peers are handed tmkd's model classes), and numerics: fp32, or autocast to bf16, apart.
Checked first: the losses of two epochs of 20 steps agree with tmkd's, to 1e-4 in fp32 and 2e-2 in bf16. TextBrewer
shuffles cached batches anew each epoch; for the check alone they are held still, and the first epoch is compared.
Not equal, as it is the question: tmkd scores each pair once a teacher (128 pairs a batch, longest first), writes the
logits to disk and reads them back. In memory, tmkd has one teacher at a time. One row, which judges nothing, has
TextBrewer with batches as they are drawn, of any length: what its user would have.
"""

from __future__ import annotations

from typing import Any

from benchmarks import material
from benchmarks.common import HEADER, TINY, Bench, Benchmark, Outcome, main, middle, raw, row
from benchmarks.distillations import CACHED, LIVE, OWN, TMKD, TORCHDISTILL, TRAINER, check, run

CASE: dict[str, Any] = {"encoder": "minilm", "teachers": 3, "batch_size": 32, "epochs": 3, "seeds": [1]}
BENCHMARK = Benchmark(
    name="three_teachers",
    question="Three teachers, one student, three epochs, everything included",
    aim="at most half of TextBrewer's time with live teachers, and less than its time with cached logits",
    sizes={
        "tiny": CASE | {"encoder": "tiny", "pairs": 96, "batch_size": 8, **TINY},
        "short": CASE | {"pairs": 320, "rounds": 1},
        "full": CASE | {"pairs": 480, "rounds": 3},
    },
)
GROUPS = {"average": [TMKD, LIVE, CACHED, OWN], "heads": [TMKD, LIVE, CACHED, TRAINER, TORCHDISTILL]}


def compare(bench: Bench, case: dict[str, Any]) -> Outcome:
    """Measure both kinds of targets in both precisions."""
    material.make(case, bench.folder)
    rows: list[list[str]] = []
    found = Outcome("", None, HEADER, rows)
    live, cached = [], []
    for precision in ("fp32", "bf16"):
        for targets, contenders in GROUPS.items():
            this = case | {"precision": precision, "arms": [[targets, 0.9]]}
            found.checked += check(bench, this, [name for name in contenders if name != OWN])
            runs = bench.measure(contenders, this)
            what = f"{targets}, {precision}"
            rows += [row(f"{name} ({what})", runs[name], runs[TMKD]) for name in contenders]
            found.raw[what] = raw(runs)
            live.append(middle(runs[TMKD]) / middle(runs[LIVE]))
            cached.append(middle(runs[TMKD]) / middle(runs[CACHED]))
    found.measured = (
        f"{min(live):.2f}–{max(live):.2f} of TextBrewer's time with live teachers, "
        f"{min(cached):.2f}–{max(cached):.2f} of that with cached logits"
    )
    found.met = max(live) <= 0.5 and max(cached) < 1
    found.notes.append("Each contender is compared with tmkd at the same targets and numerics, named in brackets.")
    return found


if __name__ == "__main__":
    main(BENCHMARK, run, compare)
