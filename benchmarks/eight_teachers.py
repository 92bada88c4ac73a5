"""Stage 2 with eight teachers beside one: reading their soft labels, and training the student with a head each.

Equal: pairs, batches, the student's encoder, settings, bf16. Checked first: with eight times the same soft labels and
eight heads of the same weights the student learns what it learns from one; the losses of the first 20 steps agree to
1e-4 (in fp32, without clipping, whose norm counts the heads).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from benchmarks.common import HEADER, TINY, Bench, Benchmark, Outcome, main, middle, must_agree, raw, row

COUNTS = {"1 teacher": 1, "8 teachers": 8}
CASE: dict[str, Any] = {"encoder": "minilm", "precision": "bf16", "batch_size": 16, "epochs": 2}
BENCHMARK = Benchmark(
    name="eight_teachers",
    question="Stage 2 with eight teachers against one",
    aim="at most 1.05 times the time",
    sizes={
        "tiny": CASE | {"encoder": "tiny", "pairs": 64, "batch_size": 8, **TINY},
        "short": CASE | {"pairs": 480, "epochs": 1, "rounds": 3},
        "full": CASE | {"pairs": 1600, "rounds": 9},
    },
)


def write_labels(folder: Path, copies: bool) -> None:
    """Write eight teachers' soft labels; ``copies``: the first one's eight times."""
    import numpy as np

    from benchmarks import material
    from tmkd.store.soft_labels import write_soft_labels

    tokens = material.tokens(folder)
    for number in range(8):
        logits = np.random.default_rng(0 if copies else number).normal(size=(len(tokens), 2))
        store = folder / "soft_labels" / str(number)
        store.mkdir(parents=True)
        write_soft_labels(store, tokens, lambda _, logits=logits: logits, len(tokens), lambda _: None)  # type: ignore[misc]


def run(contender: str, case: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Read soft labels and train; return ``seconds`` and the losses."""
    import numpy as np
    import torch

    from benchmarks import material
    from benchmarks.contenders import with_tmkd
    from tmkd.data.batching import PairDataset
    from tmkd.losses.combine import gold_term, soft_term
    from tmkd.store.soft_labels import read_soft_labels

    teachers = COUNTS[contender]
    model = material.student(case | {"teachers": teachers}, "heads", 1)
    how = {}
    if case.get("check"):
        gold, first = material.student(case | {"teachers": 1}, "heads", 1).heads.linear.weight.data.chunk(2)
        model.heads.linear.weight.data = torch.cat([gold, *[first] * teachers])
        how = {"max_grad_norm": 1e9}
    started = time.perf_counter()
    tokens = material.tokens(folder)
    stores = [folder / "soft_labels" / str(number) for number in range(teachers)]
    soft = np.stack([read_soft_labels(store, tokens["id"]) for store in stores], axis=1)
    terms = [gold_term(0.1), soft_term(0.9, "mse", 1.0)]
    losses = with_tmkd.fit_terms(case, folder, model, PairDataset(tokens, soft), terms, 1, **how)
    return {"seconds": time.perf_counter() - started, "losses": losses}


def compare(bench: Bench, case: dict[str, Any]) -> Outcome:
    """Check that eight copies of a teacher teach what it teaches, then measure one and eight."""
    from benchmarks import material

    small = case | {"pairs": 20 * case["batch_size"], "epochs": 1, "precision": "fp32", "check": True}
    folder = bench.folder / "check"
    folder.mkdir()
    material.make(small, folder)
    write_labels(folder, copies=True)
    one, eight = (bench.once(name, small, folder).answer["losses"] for name in COUNTS)
    checked = must_agree("losses of one teacher and of eight copies of it", one, eight, 1e-4)
    material.make(case, bench.folder)
    write_labels(bench.folder, copies=False)
    runs = bench.measure(list(COUNTS), case)
    times = middle(runs["8 teachers"]) / middle(runs["1 teacher"])
    rows = [row(name, runs[name], runs["1 teacher"]) for name in runs]
    return Outcome(f"{times:.3f} times the time", times <= 1.05, HEADER, rows, [checked], [], raw(runs))


if __name__ == "__main__":
    main(BENCHMARK, run, compare)
