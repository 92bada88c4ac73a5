"""How much of the machine's bf16 matrix-product rate does the training of a student reach?

The rate is the best of ``torch.mm`` on square bf16 matrices of several sizes. The training's work is counted from
the pairs' own lengths, without padding: the products of every layer and head, once forward and twice backward;
nothing for embeddings, layer norms, softmax, the optimiser or the loop, which are all in its time.
Checked first: that count against torch's own counter, on a batch without padding, to 1 %.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.common import TINY, Bench, Benchmark, Outcome, main, middle, must_agree, raw, spread

PRODUCT, TRAINING = "matrix product", "student training"
CASE: dict[str, Any] = {"encoder": "minilm", "precision": "bf16", "batch_size": 32, "teachers": 3}
BENCHMARK = Benchmark(
    name="matrix_product",
    question="Student training as a share of the machine's own bf16 matrix-product rate, non-padding tokens only",
    aim="60 %",
    sizes={
        "tiny": CASE | {"encoder": "tiny", "pairs": 64, "epochs": 1, "batch_size": 8, "sides": [64], **TINY},
        "short": CASE | {"pairs": 640, "epochs": 1, "sides": [1024, 2048], "rounds": 2},
        "full": CASE | {"pairs": 2000, "epochs": 2, "sides": [512, 1024, 2048, 4096], "rounds": 5},
    },
)


def products(config: Any, lengths: Sequence[int], outputs: int) -> float:
    """Return the floating-point operations of one forward and backward pass over pairs of these lengths."""
    width, inner, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    forward = 0
    for length in lengths:
        linear = 2 * length * (4 * width * width + 2 * width * inner)
        attention = 2 * 2 * length * length * width
        forward += layers * (linear + attention) + 2 * width * outputs
    return 3.0 * forward


def run(contender: str, case: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Multiply matrices, or train; return ``seconds`` and the operations a second."""
    import numpy as np
    import torch

    from benchmarks import material
    from benchmarks.contenders import with_tmkd

    if contender == PRODUCT:
        started = time.perf_counter()
        return {"rate": max(_rate(side) for side in case["sides"]), "seconds": time.perf_counter() - started}
    if contender == "count":
        return _count(case)
    tokens = material.tokens(folder)
    soft = np.random.default_rng(1).normal(size=(len(tokens), case["teachers"], 2)).astype(np.float32)
    config = material.student(case, "heads", 1).encoder.config
    lengths, outputs = tokens["length"], 2 * (case["teachers"] + 1)
    torch.mm(*[torch.ones(256, 256, dtype=torch.bfloat16)] * 2)
    started = time.perf_counter()
    with_tmkd.fit(case, folder, "heads", 0.9, 1, soft)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "rate": case["epochs"] * products(config, lengths, outputs) / seconds}


def _rate(side: int) -> float:
    import torch

    one, other = torch.randn(2, side, side).bfloat16()
    for _ in range(3):
        torch.mm(one, other)
    times = max(3, int(2e10 / (2 * side**3)))
    started = time.perf_counter()
    for _ in range(times):
        torch.mm(one, other)
    return times * 2 * side**3 / (time.perf_counter() - started)


def _count(case: dict[str, Any]) -> dict[str, Any]:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from benchmarks import material

    model = material.student(case, "heads", 1)
    ids = torch.full((4, 48), 5)
    with FlopCounterMode(display=False) as counter:
        model(ids, torch.ones_like(ids)).logits.sum().backward()
    return {"counted": counter.get_total_flops(), "ours": products(model.encoder.config, [48] * 4, 8), "seconds": 0.0}


def compare(bench: Bench, case: dict[str, Any]) -> Outcome:
    """Check the count, then measure both rates in turn."""
    from benchmarks import material

    counts = bench.once("count", case).answer
    checked = must_agree("operations, relative to torch's counter", [counts["ours"] / counts["counted"]], [1.0], 0.01)
    material.make(case | {"teachers": 0}, bench.folder)
    runs = bench.measure([PRODUCT, TRAINING], case)
    rates = {name: spread([run.answer["rate"] / 1e9 for run in of]) for name, of in runs.items()}
    share = rates[TRAINING]["median"] / rates[PRODUCT]["median"]
    rows = [
        [name, f"{rate['median']:.4g} ({rate['min']:.4g}–{rate['max']:.4g})", f"{middle(runs[name]):.3g}"]
        for name, rate in rates.items()
    ]
    header = ["what", "10⁹ operations a second: median (min–max)", "seconds"]
    return Outcome(f"{share:.0%}", share >= 0.6, header, rows, [checked], [], raw(runs) | {"rates": rates})


if __name__ == "__main__":
    main(BENCHMARK, run, compare)
