"""A run on the smoke task whose every pair has a score in a file: what the tests of teachers by score start from."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.pipeline.running import compose_at
from tmkd.config import Config
from tmkd.pipelines import pairs

SMALL = ("experiment=smoke", "student.seeds=[1]", "runtime.threads=1", "runtime.precision=fp32", "corpus.pairs=null")
TRAINED = "{learning_rate: 1e-3, batch_size: 16, epochs: 1}"
SPLITS = ("train", "validation", "test", "corpus")


def score(pair: dict[str, object]) -> float:
    """How many words of the question the passage repeats, on a scale of 0 to 100, and a part that sets all apart."""
    asked = set(str(pair["question"]).lower().split())
    apart = zlib.crc32(f"{pair['question']} {pair['passage']}".encode()) / 2**32
    return 99 * len(asked & set(str(pair["passage"]).lower().split())) / len(asked) + apart


def by_scores(home: Path) -> str:
    """The entry of a roster for the teacher whose scores are in ``home``."""
    return f"{{kind: scores, path: '{home}/*.jsonl'}}"


def composed(home: Path, *overrides: str, roster: str = "") -> Config:
    roster = roster or f"{TRAINED}, {by_scores(home)}"
    return compose_at(home, *SMALL, f"teachers.roster=[{roster}]", *overrides)


def without(home: Path, split: str, keep: Callable[[int], bool]) -> None:
    lines = (home / f"{split}.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for at, line in enumerate(lines) if keep(at)]
    (home / f"{split}.jsonl").write_text("".join(kept), encoding="utf-8")


def write_lines(path: Path, rows: Sequence[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def rows_of(home: Path, split: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in (home / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]


def make_scored(home: Path) -> Path:
    """Read task and corpus into a store in ``home``, and write a score of every pair beside it, a file a split."""
    folder = pairs.run(compose_at(home, *SMALL, "method=tmkd"))
    for split in SPLITS:
        write_lines(home / f"{split}.jsonl", [row | {"score": score(row)} for row in rows_of(folder, split)])
    return home
