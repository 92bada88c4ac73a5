"""What a student costs and what it keeps, beside the teachers' ensemble, in each form that it may be used in.

    python -m benchmarks.headline reports/NAME "ROW" ... --artifacts artifacts --into reports/headline

Of each row of a finished comparison the student with the best validation metric: parameters, bytes, pairs a second,
the time of a single pair, and the metric on the test split. All forms take turns in one run, a process for each turn.
An unknown row is answered with those that there are.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.common import ROOT, Bench, Case
from benchmarks.document import machine, table
from benchmarks.headline_material import BF16, FP32, INT8, ONNX, TRAINED, contenders, read_pairs, write_pairs
from benchmarks.headline_table import HEADER, NOTE, cells
from tmkd.errors import TmkdError

FORMS = (FP32, BF16, ONNX, INT8)
SINGLE = 50  # pairs that are scored one at a time


def run(contender: str, case: Case, folder: Path) -> dict[str, Any]:
    """Score the timed pairs, at once and one by one; with ``judge`` all pairs of the test split instead.

    Times of several models add up.
    """
    from tmkd import Reranker

    form = case["forms"][contender]
    precision = {FP32: "fp32", BF16: "bf16"}.get(form, "auto")
    models = [
        Reranker.from_pretrained(each, device="cpu", precision=precision, threads=case["threads"])
        for each in case["folders"][contender]
    ]
    pairs = read_pairs(folder / ("test.jsonl" if case["judge"] else "timed.jsonl"))
    questions, passages = [list(column) for column in zip(*pairs)]
    for model in models:
        model.predict(pairs[:64])
    started = time.perf_counter()
    answers = [model.score(questions, passages) for model in models]
    seconds = time.perf_counter() - started
    if case["judge"]:
        return {"seconds": seconds, "answers": answers[0].tolist()}
    took = []
    for pair in pairs[:SINGLE]:
        started = time.perf_counter()
        for model in models:
            model.predict([pair])
        took.append(1000 * (time.perf_counter() - started))
    return {"seconds": seconds, "single": median(took), "pairs": len(pairs)}


def fast_bf16() -> bool:
    """Whether this machine computes bf16, and does not emulate it."""
    from tmkd.training.runtime import resolve_runtime

    return resolve_runtime(device="cpu", precision="auto").bf16


def main(arguments: Sequence[str] | None = None) -> list[list[str]]:
    """Measure and judge, write ``headline.md`` and ``.json``, and return the cells; or be the process of one turn."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("report", nargs="?", type=Path, help="folder of a comparison, reports/NAME")
    parser.add_argument("rows", nargs="*", help="names of its rows of students")
    parser.add_argument("--artifacts", type=Path, default=ROOT / "artifacts")
    parser.add_argument("--into", type=Path, default=ROOT / "reports" / "headline")
    parser.add_argument("--forms", help=f"of {', '.join(FORMS)}; teachers have the first two")
    parser.add_argument("--pairs", type=int, default=500, help="timed in each turn")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="0: all cores")
    parser.add_argument("--in-process", action="store_true", help=argparse.SUPPRESS)
    for hidden in ("--contender", "--case", "--folder"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.contender:
        found = run(asked.contender, json.loads(asked.case), Path(asked.folder)) | {"peak_bytes": 0}
        (Path(asked.folder) / "answer.json").write_text(json.dumps(found))
        return []
    forms = asked.forms.split(",") if asked.forms else [form for form in FORMS if form != BF16 or fast_bf16()]
    if unknown := sorted(set(forms) - set(FORMS)):
        parser.error(f"--forms: expected some of {', '.join(FORMS)}, got {', '.join(unknown)}")
    try:
        return _measure(asked, forms, sys.argv[1:] if arguments is None else arguments)
    except TmkdError as error:
        raise SystemExit(f"headline: {error}") from None


def _measure(asked: argparse.Namespace, forms: Sequence[str], command: Sequence[str]) -> list[list[str]]:
    from benchmarks.headline_judge import Judge

    asked.into.mkdir(parents=True, exist_ok=True)
    made = contenders(asked.report, asked.artifacts, asked.rows, forms, asked.into)
    judge = Judge.of(asked.report, asked.artifacts)
    write_pairs(judge.task, asked.pairs, asked.into)
    case = {
        "folders": {each.name: each.folders for each in made},
        "forms": {each.name: each.form for each in made},
        "rounds": asked.rounds,
        "threads": asked.threads,
        "judge": False,
        "in_process": asked.in_process,
    }
    bench = Bench("headline", asked.into, run)
    runs = bench.measure(list(case["forms"]), case)
    answers = {
        each.name: judge.stored(each)
        if each.form in TRAINED
        else np.asarray(bench.once(each.name, case | {"judge": True}).answer["answers"])
        for each in made
    }
    judged = judge.judge(answers)
    header, lines = [cell.format(metric=judge.metric) for cell in HEADER], cells(made, runs, judged)
    facts = {
        "command": " ".join(["python -m benchmarks.headline", *command]),
        "machine": machine(),
        "models": [
            asdict(each) | {"name": each.name, "bytes": each.bytes, "folders": [Path(at).name for at in each.folders]}
            for each in made
        ],
        "seconds": {name: [each.seconds for each in of] for name, of in runs.items()},
        "one_pair_ms": {name: [each.answer["single"] for each in of] for name, of in runs.items()},
        "judged": judged,
    }
    (asked.into / "headline.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    text = f"{table(header, lines)}\n\n{NOTE}"
    (asked.into / "headline.md").write_text(text + "\n", encoding="utf-8")
    print(text)
    return lines


if __name__ == "__main__":
    main()
