"""Three teachers, one student, three epochs: how long from teachers on disk to a student on disk?

Equal: the tokenised pairs (read from disk by all), batch size, padding, the teachers' weights, the student's first
weights, AdamW (fused) with its learning rates and decay, clipping, epochs, threads, the attention kernel (the peers are
handed tmkd's model classes), and numerics: fp32, or autocast to bf16, apart. Batches, and their order, are tmkd's,
except where a row says "its own batches": as a shuffling DataLoader draws them, of any length, padded to the longest.
That is what a user of TextBrewer has; the aim is judged by the same batches for all.
Checked first, on the same batches: the losses of two epochs of 20 steps agree with tmkd's, to 1e-4 in fp32 and 2e-2 in
bf16. TextBrewer shuffles cached batches anew each epoch; for the check alone they are held still, and the first epoch
is compared.
Not equal, as it is the question: tmkd scores each pair once a teacher (longest first), writes the logits to disk and
reads them back. In memory, tmkd has one teacher at a time.
Size ``base``: two of the teachers are as large as MPNet and BERT-base, 12 layers of 768, as in practice, with random
weights and MiniLM's tokenizer; the third is MiniLM. To end in minutes it has the average in bf16 alone, and 10 steps
for 20 in the check.
"""

from __future__ import annotations

from typing import Any

from benchmarks import material
from benchmarks.common import HEADER, TINY, Bench, Benchmark, Outcome, main, middle, raw, row
from benchmarks.distillations import (
    CACHED,
    CACHED_OWN,
    LIVE,
    LIVE_OWN,
    OWN,
    SHAPES,
    TMKD,
    TORCHDISTILL,
    TRAINER,
    check,
    run,
)

CASE: dict[str, Any] = {"encoder": "minilm", "teachers": 3, "batch_size": 32, "epochs": 3, "seeds": [1]}
BENCHMARK = Benchmark(
    name="three_teachers",
    question="Three teachers, one student, three epochs, everything included",
    aim="at most half of TextBrewer's time with live teachers, and less than its time with cached logits",
    sizes={
        "tiny": CASE | {"encoder": "tiny", "pairs": 96, "batch_size": 8, **TINY},
        "short": CASE | {"pairs": 320, "rounds": 1},
        "full": CASE | {"pairs": 320, "rounds": 3},
        "base": CASE | {"shapes": SHAPES, "groups": ["average, bf16"], "check_steps": 10, "pairs": 320, "rounds": 3},
    },
)
AVERAGE = [TMKD, LIVE, CACHED, LIVE_OWN, CACHED_OWN]
HEADS = [TMKD, LIVE, CACHED, TRAINER, TORCHDISTILL]
GROUPS = {"average, fp32": AVERAGE, "average, bf16": AVERAGE, "heads, bf16": HEADS}


def compare(bench: Bench, case: dict[str, Any]) -> Outcome:
    """Measure the teachers' average in both precisions and a head a teacher in bf16, or the case's ``groups`` alone."""
    material.make(case, bench.folder)
    rows: list[list[str]] = []
    found = Outcome("", None, HEADER, rows)
    shares: dict[str, list[float]] = {}
    for what in case.get("groups", GROUPS):
        contenders, (targets, precision) = GROUPS[what], what.split(", ")
        this = case | {"precision": precision, "arms": [[targets, 0.9]]}
        found.checked += check(bench, this, [name for name in contenders if OWN not in name])
        runs = bench.measure(contenders, this)
        rows += [row(f"{name} ({what})", runs[name], runs[TMKD]) for name in contenders]
        found.raw[what] = raw(runs)
        for name in contenders:
            shares.setdefault(name, []).append(middle(runs[TMKD]) / middle(runs[name]))
    found.measured = (
        f"{_span(shares[LIVE])} of TextBrewer's time with live teachers, {_span(shares[CACHED])} of that with cached "
        f"logits; beside its own batches {_span(shares[LIVE_OWN])} and {_span(shares[CACHED_OWN])}"
    )
    found.met = max(shares[LIVE]) <= 0.5 and max(shares[CACHED]) < 1
    found.notes.append("Each contender is compared with tmkd at the same targets and numerics, named in brackets.")
    return found


def _span(values: list[float]) -> str:
    return "–".join(dict.fromkeys(f"{value:.2f}" for value in (min(values), max(values))))


if __name__ == "__main__":
    main(BENCHMARK, run, compare)
