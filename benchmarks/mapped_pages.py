"""What it brings and costs to let the pages of mapped files go (``tmkd/store/memmap.py``): peak memory, processor time.

Tokens of many pairs lie in one file, larger than what a process needs by itself. It is read once from its first row to
its last, as scoring does, or in stage 1's random order beside a model that takes its time with each batch and computes
nothing. Each runs in a process of its own, with and without ``letting_go``. Checked: both read the same rows.
"""

from __future__ import annotations

import itertools
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from benchmarks.common import Bench, Benchmark, Outcome, main, must_agree, raw, spread

ROWS = "tokens.arrow"
TOGETHER = 10_000  # pairs that are written and read together
BATCH = 128
ONCE, RANDOM = "once, in order", "in random order"
LEFT, LET_GO = "left alone", "let go"
BENCHMARK = Benchmark(
    name="mapped_pages",
    question="Tokens of millions of pairs, read with their pages let go and left alone",
    aim="none: to know it",
    sizes={
        "tiny": {"pairs": 20_000, "batches": 5, "pause": 0.0, "rounds": 1, "in_process": True},
        "short": {"pairs": 1_000_000, "batches": 200, "pause": 0.027, "rounds": 1},
        "full": {"pairs": 5_000_000, "batches": 2000, "pause": 0.027, "rounds": 3},  # 4,700 pairs a second
    },
)


def write(path: Path, pairs: int) -> None:
    """Write the tokens of pairs of 30 to 64 tokens."""
    import numpy as np
    import pyarrow as pa

    random = np.random.default_rng(0)
    columns = {"id": pa.string(), "input_ids": pa.list_(pa.int32()), "token_type_ids": pa.list_(pa.int8())}
    schema = pa.schema({**columns, "length": pa.int64()})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
        for start in range(0, pairs, TOGETHER):
            lengths = random.integers(30, 65, min(TOGETHER, pairs - start))
            ends = np.concatenate([[0], lengths.cumsum()]).astype(np.int32)
            tokens = random.integers(0, 30_000, ends[-1], dtype=np.int32)
            found = [
                pa.array([f"{start + at:016x}" for at in range(len(lengths))]),
                pa.ListArray.from_arrays(ends, tokens),
                pa.ListArray.from_arrays(ends, np.zeros(ends[-1], dtype=np.int8)),
                pa.array(lengths),
            ]
            writer.write_batch(pa.record_batch(found, schema=schema))


def run(contender: str, case: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Read the tokens; return the processor time and the sum of those that were read."""
    import pyarrow.compute as pc
    from datasets import Dataset

    from tmkd.data.batching import LengthBuckets, PairDataset
    from tmkd.store.memmap import letting_go

    order, way = contender.split(": ")
    tokens = Dataset.from_file(str(folder / ROWS))
    started, total = time.process_time(), 0
    with letting_go(tokens) if way == LET_GO else nullcontext():
        if order == ONCE:
            for batch in tokens.with_format("arrow").iter(TOGETHER):
                sums = [pc.sum(pc.list_flatten(batch[name])).as_py() for name in ("input_ids", "token_type_ids")]
                total += sum(sums) + len(batch["id"].to_pylist())
        else:
            pairs = PairDataset(tokens)
            rows = iter(LengthBuckets(pairs.lengths, BATCH, seed=1))
            for _ in range(case["batches"]):
                total += sum(sum(row["input_ids"]) for row in pairs.__getitems__(list(itertools.islice(rows, BATCH))))
                time.sleep(case["pause"])
    return {"seconds": time.process_time() - started, "total": total}


def compare(bench: Bench, case: dict[str, Any]) -> Outcome:
    """Write the tokens, then read them in both orders, both ways, in turn."""
    write(bench.folder / ROWS, case["pairs"])
    runs = bench.measure([f"{order}: {way}" for order in (ONCE, RANDOM) for way in (LEFT, LET_GO)], case)
    checked, measured, rows = [], [], []
    for order in (ONCE, RANDOM):
        left, let_go = runs[f"{order}: {LEFT}"], runs[f"{order}: {LET_GO}"]
        checked.append(
            must_agree(
                f"the sum of all that was read {order}",
                [run.answer["total"] for run in left],
                [run.answer["total"] for run in let_go],
                0,
            )
        )
        peaks = [max(run.peak_bytes for run in of) / 1e9 for of in (left, let_go)]
        took = [spread([run.seconds for run in of]) for of in (left, let_go)]
        for way, peak, each in zip((LEFT, LET_GO), peaks, took):
            seconds = f"{each['median']:.2f} ({each['min']:.2f}–{each['max']:.2f})"
            rows.append([f"{order}: {way}", f"{peak:.2f}", seconds])
        measured.append(f"{order} {peaks[1]:.2f} GB for {peaks[0]:.2f}")
    size = f"The file has {(bench.folder / ROWS).stat().st_size / 1e9:.2f} GB."
    header = ["read", "peak memory, GB", "seconds of a processor: median (min–max)"]
    return Outcome("; ".join(measured), None, header, rows, checked, [size], raw(runs))


if __name__ == "__main__":
    main(BENCHMARK, run, compare)
