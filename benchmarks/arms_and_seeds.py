"""Four arms, three seeds each, from the same three teachers: how long for all twelve students?

Equal, and checked, as in ``three_teachers``, for each arm: the losses of two epochs of 20 steps. The arms are the
teachers' average and a head a teacher, each at α 0.9 and 0.5. All twelve trainings happen in one process. The full size
is measured in bf16 alone: in fp32, of which ``three_teachers`` says how it compares, it takes twice as long.
Size ``base``: two of the teachers are as large as MPNet and BERT-base, as in ``three_teachers``, and the check has 10
steps for 20.
"""

from __future__ import annotations

from typing import Any

from benchmarks import material
from benchmarks.common import HEADER, TINY, Bench, Benchmark, Outcome, main, middle, raw, row
from benchmarks.distillations import CACHED, LIVE, SHAPES, TMKD, check, run

ARMS = [["average", 0.9], ["average", 0.5], ["heads", 0.9], ["heads", 0.5]]
SEEDS = [1, 2, 3]
CASE: dict[str, Any] = {"encoder": "minilm", "teachers": 3, "batch_size": 32, "epochs": 3, "arms": ARMS, "seeds": SEEDS}
BOTH = {"precisions": ["fp32", "bf16"]}
BENCHMARK = Benchmark(
    name="arms_and_seeds",
    question="Four arms, three seeds each, from the same three teachers",
    aim="at most a fifth of TextBrewer's time with live teachers",
    sizes={
        "tiny": CASE | {"encoder": "tiny", "pairs": 64, "batch_size": 8, "epochs": 1, **BOTH, **TINY},
        "short": CASE | {"pairs": 96, "epochs": 1, "rounds": 1, **BOTH},
        "full": CASE | {"pairs": 320, "precisions": ["bf16"], "rounds": 3},
        "base": CASE | {"shapes": SHAPES, "check_steps": 10, "pairs": 128, "precisions": ["bf16"], "rounds": 1},
    },
)
CONTENDERS = [TMKD, LIVE, CACHED]


def compare(bench: Bench, case: dict[str, Any]) -> Outcome:
    """Measure all twelve trainings in the case's precisions."""
    material.make(case, bench.folder)
    rows: list[list[str]] = []
    found = Outcome("", None, HEADER, rows)
    live = []
    for precision in case["precisions"]:
        this = case | {"precision": precision}
        found.checked += check(bench, this, CONTENDERS)
        runs = bench.measure(CONTENDERS, this)
        rows += [row(f"{name} ({precision})", runs[name], runs[TMKD]) for name in CONTENDERS]
        found.raw[precision] = raw(runs)
        live.append(middle(runs[TMKD]) / middle(runs[LIVE]))
    shares = ", ".join(f"{share:.2f} ({precision})" for share, precision in zip(live, case["precisions"]))
    found.measured = f"{shares} of TextBrewer's time with live teachers"
    found.met = max(live) <= 0.2
    return found


if __name__ == "__main__":
    main(BENCHMARK, run, compare)
