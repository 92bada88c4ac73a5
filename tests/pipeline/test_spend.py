"""A dear teacher is asked for a part of the corpus: which part, what is kept, and what the curve says."""

from __future__ import annotations

import csv
import json
import zlib
from collections import Counter
from pathlib import Path

import pytest

from tests.pipeline.running import compose_at
from tests.unit.served.server import Server, margin, serving, status
from tmkd.config import Config
from tmkd.errors import BudgetSpent, ConfigError, DataError, TmkdError
from tmkd.pipelines import pairs, plan, spend

SMALL = ("experiment=smoke", "data=unlabelled", "student.seeds=[1]", "runtime.threads=1", "runtime.precision=fp32")
SMALL = (*SMALL, "corpus.pairs=null", "label.right=top", "stage2.epochs=1", "student.layers=1")
Row = dict[str, object]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the corpus read, and two files of scores for it."""
    home = tmp_path_factory.mktemp("spend")
    folder = pairs.run(compose_at(home, *SMALL, "method=tmkd", "teachers.roster=[{kind: scores, path: x}]"))
    rows = read(folder / "corpus.jsonl")
    for name in ("words", "chance"):
        with (home / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            for row in rows:
                text = f"{row['question']} {row['passage']}"
                common = len(set(str(row["question"]).split()) & set(str(row["passage"]).split()))
                score = common if name == "words" else zlib.crc32(text.encode()) % 97
                file.write(json.dumps(row | {"score": score}) + "\n")
    return home


def read(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def composed(home: Path, *overrides: str, dear: str) -> Config:
    cheap = ", ".join(f"{{kind: scores, path: '{home}/{name}.jsonl'}}" for name in ("words", "chance"))
    sizes = ("spend.held_out=24", "spend.pairs=12", "spend.rounds=3", "spend.stop=null")
    return compose_at(home, *SMALL, *sizes, f"teachers.roster=[{cheap}, {dear}]", *overrides)


def served(server: Server, more: str = "") -> str:
    return f"{{kind: served, url: '{server.url}', name: dear, texts_a_request: 4, price_per_request: 0.5{more}}}"


def asked(folder: Path) -> dict[str, set[object]]:
    return {path.stem: {row["question_id"] for row in read(path)} for path in (folder.parent / "asked").glob("*.jsonl")}


@pytest.mark.thorough
def test_interrupted_spending_goes_on_and_asks_for_no_pair_twice(made: Path, tmp_path: Path) -> None:
    with serving() as server:
        # the second request of the first round is refused for good: what came before it is kept
        server.trouble = [lambda *_: False] * 7 + [status(401)]
        with pytest.raises(TmkdError):
            spend.run(composed(made, "name=killed", dear=served(server, ", concurrency: 1")))
        assert 24 <= len(server.scored) < 36
        folder = spend.run(composed(made, "name=killed", dear=served(server)))
        assert len(server.scored) == 24 + 3 * 12 and set(server.scored.values()) == {1}
        requests = len(server.requests)
        assert spend.run(composed(made, "name=killed", dear=served(server))) == folder
        assert len(server.requests) == requests, "or a finished run would pay again"
