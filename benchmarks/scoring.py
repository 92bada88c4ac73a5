"""Scoring question-passage pairs with one encoder: tmkd's ``predict`` beside sentence-transformers' ``predict``.

Equal: the texts, tokeniser, truncation at 64 tokens, encoder, pooling (first token), head and their weights, threads;
both start from texts and end with logits in the texts' order. In the rows "equal numerics" also fp32, the attention
kernel and tmkd's batch size. "its default" is sentence-transformers left alone: 32 pairs a batch, fp32, the
attention that transformers chooses.
Checked first: the logits of all pairs agree to 1e-4 in fp32; tmkd's in bf16 to 5e-2 with its own in fp32.
Models are loaded, and 64 pairs scored, before the clock starts.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from benchmarks.common import HEADER, TINY, Bench, Benchmark, Outcome, main, middle, must_agree, raw, row

OURS, OURS_BF16 = "tmkd, fp32", "tmkd, bf16"
EQUAL, DEFAULT = "sentence-transformers, equal numerics", "sentence-transformers, its default"
BENCHMARK = Benchmark(
    name="scoring",
    question="Scoring pairs with one encoder",
    aim="no slower than sentence-transformers at equal numerics; 1.5 times its default's speed with bf16",
    sizes={
        "tiny": {"encoder": "tiny", "pairs": 300, **TINY},
        "short": {"encoder": "minilm", "pairs": 1000, "rounds": 3},
        "full": {"encoder": "minilm", "pairs": 2000, "rounds": 5},
    },
)


def run(contender: str, case: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Score all pairs; return ``seconds`` and the logits of the last class."""
    from datasets import load_from_disk

    from benchmarks import material
    from benchmarks.contenders.with_sentence_transformers import cross_encoder
    from tmkd.data.batching import tokenise
    from tmkd.models.classifier import PairClassifier
    from tmkd.training.predict import predict
    from tmkd.training.runtime import CPU_SCORE_BATCH

    rows = load_from_disk(str(folder / "rows"))
    classifier = PairClassifier.load(folder / "teacher-1", attention="eager")
    if contender in (OURS, OURS_BF16):
        runtime = material.runtime({"precision": "bf16" if contender == OURS_BF16 else "fp32"})

        def score(part: Any) -> Any:
            return predict(classifier, tokenise(part, classifier.tokenizer, material.MAX_LENGTH), runtime)[:, 0]
    else:
        model = cross_encoder(classifier, folder, "eager" if contender == EQUAL else None)
        size = {"batch_size": CPU_SCORE_BATCH} if contender == EQUAL else {}

        def score(part: Any) -> Any:
            return model.predict(list(zip(part["question"], part["passage"])), show_progress_bar=False, **size)

    score(rows.select(range(64)))
    started = time.perf_counter()
    logits = score(rows)
    return {"seconds": time.perf_counter() - started, "logits": logits[:, -1].tolist()}


def compare(bench: Bench, case: dict[str, Any]) -> Outcome:
    """Check the logits of all four contenders, then measure them."""
    from benchmarks import material

    material.make(case | {"teachers": 1}, bench.folder)
    found = Outcome("", None, HEADER, [])
    contenders = [OURS, EQUAL, OURS_BF16, DEFAULT]
    logits = {name: bench.once(name, case).answer["logits"] for name in contenders}
    for name, tolerance in ((EQUAL, 1e-4), (DEFAULT, 1e-4), (OURS_BF16, 5e-2)):
        found.checked.append(must_agree(f"logits of {OURS} and {name}", logits[OURS], logits[name], tolerance))
    runs = bench.measure(contenders, case)
    found.rows = [row(name, runs[name], runs[OURS]) for name in contenders]
    found.raw = raw(runs)
    equal = middle(runs[EQUAL]) / middle(runs[OURS])
    fast = middle(runs[DEFAULT]) / middle(runs[OURS_BF16])
    found.measured = f"{equal:.2f} times its speed at equal numerics, {fast:.2f} times its default's with bf16"
    found.met = equal >= 1 and fast >= 1.5
    return found


if __name__ == "__main__":
    main(BENCHMARK, run, compare)
