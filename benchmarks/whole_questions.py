"""Training a student on batches of whole questions: read in parts of like length, and padded to the longest.

Equal: all but how a batch is read: weights, batches and their order, the loss (MarginMSE), the trainer. Checked first:
the losses of 20 steps agree to 1e-4. Questions have 8 passages, of the lengths of the other benchmarks.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from benchmarks.common import HEADER, TINY, Bench, Benchmark, Outcome, main, middle, must_agree, raw, row

PARTS, PADDED = "in parts of like length", "padded to the longest"
PASSAGES = 8
CASE: dict[str, Any] = {"encoder": "minilm", "batch_size": 32, "epochs": 1, "teachers": 1, "precision": "fp32"}
BENCHMARK = Benchmark(
    name="whole_questions",
    question="Training a student on batches of whole questions",
    aim="less time than batches padded to the longest",
    sizes={
        "tiny": CASE | {"encoder": "tiny", "pairs": 160, **TINY},
        "short": CASE | {"pairs": 640, "rounds": 1},
        "full": CASE | {"pairs": 1280, "rounds": 3},
    },
)


def run(contender: str, case: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Train one student; return ``seconds`` and the losses."""
    from unittest.mock import patch

    import numpy as np

    from benchmarks import material
    from benchmarks.contenders import with_tmkd
    from tmkd.data.batching import PairDataset
    from tmkd.data.questions import Questions
    from tmkd.losses.combine import soft_term
    from tmkd.training import by_length

    tokens = material.tokens(folder)
    targets = np.random.default_rng(1).normal(size=(len(tokens), 1, len(material.CLASSES))).astype(np.float32)
    pairs = PairDataset(tokens, targets, questions=Questions(np.arange(len(tokens)) // PASSAGES))
    terms, model = [soft_term(1.0, "margin_mse", 1.0)], material.student(case, "average", seed=1)
    with patch.object(by_length, "A_PART", by_length.A_PART if contender == PARTS else 10**9):
        started = time.perf_counter()
        losses = with_tmkd.fit_terms(case, folder, model, pairs, terms, seed=1, group_size=0)
        return {"seconds": time.perf_counter() - started, "losses": losses}


def compare(bench: Bench, case: dict[str, Any]) -> Outcome:
    """Check the losses, then measure."""
    from benchmarks import material

    rows: list[list[str]] = []
    found = Outcome("", None, HEADER, rows)
    folder = bench.folder / "check"
    folder.mkdir()
    material.make(case | {"pairs": min(case["pairs"], 20 * case["batch_size"])}, folder)
    parts, padded = (bench.once(name, case, folder).answer["losses"] for name in (PARTS, PADDED))
    found.checked.append(must_agree("losses", parts, padded, 1e-4))
    material.make(case, bench.folder)
    runs = bench.measure([PARTS, PADDED], case)
    rows += [row(name, runs[name], runs[PARTS]) for name in runs]
    found.raw["seconds"] = raw(runs)
    share = middle(runs[PARTS]) / middle(runs[PADDED])
    found.measured, found.met = f"{share:.2f} of the time", share < 1
    return found


if __name__ == "__main__":
    main(BENCHMARK, run, compare)
