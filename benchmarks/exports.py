"""Scoring pairs with one student in all its forms: as it was trained, and as ``tmkd export`` writes it.

Equal: texts, tokens (cut at 64), weights, one thread; each form starts from texts and ends with scores in the texts'
order, by ``tmkd.Reranker``. Checked first: float32 forms agree to 1e-4, bf16 to 5e-2 and int8 to 2e-1 of a log-odds.
Seconds are those of the processor: with one thread they are those of the clock on an idle machine, and depend less on
what else it does. Models are loaded, and 64 pairs scored, before they count.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from statistics import median
from typing import Any, cast

from benchmarks.common import TINY, Bench, Benchmark, Outcome, main, middle, must_agree, raw, spread

TORCH, TORCH_BF16, ONNX, INT8 = "torch, fp32", "torch, bf16", "onnx", "onnx-int8"
OPENVINO, OPENVINO_BF16 = "openvino", "openvino, bf16"
FORMS = {  # folder, backend, precision, and how far scores may be from those of the first
    TORCH: ("", "torch", "fp32", 0.0),
    TORCH_BF16: ("", "torch", "bf16", 5e-2),
    ONNX: ("onnx", "onnx", "auto", 1e-4),
    INT8: ("onnx-int8", "onnx", "auto", 2e-1),
    OPENVINO: ("openvino", "openvino", "auto", 1e-4),
    OPENVINO_BF16: ("openvino", "openvino", "bf16", 5e-2),
}
PASSAGES, ASKED = 20, 15  # passages of a question, and how often it is asked
BENCHMARK = Benchmark(
    name="exports",
    question="Scoring pairs with one student in each form that it has",
    aim="onnx-int8 3 times as fast as torch in fp32, and no slower than onnx",
    sizes={
        "tiny": {"encoder": "tiny", "pairs": 80, **TINY},
        "short": {"encoder": "minilm", "pairs": 400, "rounds": 2},
        "full": {"encoder": "minilm", "pairs": 1000, "rounds": 5},
    },
)


def run(contender: str, case: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Score all pairs, then one question's passages; return ``seconds``, the scores, and milliseconds of a question."""
    from datasets import load_from_disk

    from tmkd.models.classifier import PairClassifier
    from tmkd.reranker import Reranker
    from tmkd.training.runtime import resolve_runtime

    form, backend, precision, _ = FORMS[contender]
    if form:
        reranker = Reranker.from_pretrained(folder / form, backend=backend, precision=precision, threads=1)
    else:
        model = PairClassifier.load(folder / "student", attention="eager")
        reranker = Reranker(model, resolve_runtime(device="cpu", precision=precision, threads=1))
    rows = load_from_disk(str(folder / "rows"))
    pairs = list(zip(rows["question"], rows["passage"]))
    reranker.predict(pairs[:64])
    started = time.process_time()
    scores = reranker.predict(pairs)
    seconds = time.process_time() - started
    one = [(pairs[0][0], passage) for _, passage in pairs[:PASSAGES]]
    took = []
    for _ in range(ASKED):
        started = time.process_time()
        reranker.predict(one)
        took.append(1000 * (time.process_time() - started))
    return {"seconds": seconds, "scores": scores.tolist(), "question": median(took)}


def export(case: dict[str, Any], folder: Path) -> None:
    """Write the student and its exports."""
    from torch import nn

    from benchmarks import material
    from tmkd.export.graph import write_onnx, write_openvino
    from tmkd.export.int8 import processor_here, write_int8
    from tmkd.export.student import Student
    from tmkd.models.classifier import PairClassifier
    from tmkd.models.heads import GOLD
    from tmkd.store.artifacts import Artifact

    bottom = material.encoder(case, keep=3, dropout=0.0, pooling="mean", attention="eager")
    model = PairClassifier(
        bottom, [GOLD], material.CLASSES, material.MAX_LENGTH
    ).eval()  # of one head an export is exact
    nn.init.normal_(model.heads.linear.weight, std=2 / math.sqrt(model.heads.linear.in_features))
    model.save(folder / "student")
    student = Student(cast(Artifact, None), model, ranking=True)  # which only the card reads
    write_onnx(student, folder / ONNX)
    write_int8(student, folder / INT8, processor_here())
    write_openvino(student, folder / OPENVINO)


def compare(bench: Bench, case: dict[str, Any]) -> Outcome:
    """Check the scores of all forms, then measure them."""
    from benchmarks import material

    material.make(case, bench.folder)
    export(case, bench.folder)
    header = ["form", "pairs/s: median (min–max)", "times the first", f"ms for {PASSAGES} passages"]
    rows: list[list[str]] = []
    found = Outcome("", None, header, rows)
    runs = bench.measure(list(FORMS), case)
    scores = {name: of[0].answer["scores"] for name, of in runs.items()}
    for name, (*_, tolerance) in FORMS.items():
        if name != TORCH:
            found.checked.append(must_agree(f"scores of {TORCH} and {name}", scores[TORCH], scores[name], tolerance))
    first = middle(runs[TORCH])
    for name, of in runs.items():
        speed = spread([case["pairs"] / run.seconds for run in of])
        shown = f"{speed['median']:.0f} ({speed['min']:.0f}–{speed['max']:.0f})"
        question = median(run.answer["question"] for run in of)
        rows.append([name, shown, f"{first / middle(of):.2f}", f"{question:.1f}"])
    found.raw = raw(runs)
    times, onnx = first / middle(runs[INT8]), middle(runs[ONNX]) / middle(runs[INT8])
    found.measured = f"onnx-int8 {times:.2f} times as fast as torch in fp32, {onnx:.2f} times as fast as onnx"
    found.met = times >= 3 and onnx >= 1
    return found


if __name__ == "__main__":
    main(BENCHMARK, run, compare)
