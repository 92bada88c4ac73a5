"""A store with a tiny student and its teacher, made once a session, and the report that names them."""

import json
from pathlib import Path

import numpy as np
import torch

from tmkd.models.classifier import PairClassifier
from tmkd.models.encoder import load_encoder
from tmkd.report.folder import write_report
from tmkd.report.rows import chance_row, make_row
from tmkd.store.artifacts import MODEL, Artifact, ArtifactStore

LABELS, QUESTIONS = np.array([1, 0] * 6), np.repeat(np.arange(6), 2)
MAP = {"TMKD, seed 1": 0.8, "TMKD, seed 2": 0.7, "alone": 0.6, "teacher 1": 0.9}


def make_store(root: Path) -> dict[str, Artifact]:
    """Make artifacts and a report under ``root``; return the artifacts by name."""
    store = ArtifactStore(root / "artifacts")
    torch.manual_seed(0)

    def model(what: str, heads: list[str]):
        def make(work: Path):
            encoder = load_encoder(source="tiny", layers=3, width=16, dropout=0.0)
            classifier = PairClassifier(encoder, heads, ["wrong", "right"], 24, heads_alike=False)
            classifier.add_exits([1])
            classifier.save(work / MODEL)
            return {"validation": {"accuracy": 0.5, "map": MAP[what]}}

        return make

    made = {
        "task": store.build("task", {"data": {"name": "words"}}, lambda work: {"pairs": {"test": 12}}, "task words")
    }
    task = made["task"].key
    made["teacher"] = store.build("teacher", {"task": task}, model("teacher 1", ["gold"]), "teacher 1")
    of = {"task": task, "teachers": [made["teacher"].key]}
    for name, seed in (("TMKD, seed 1", 1), ("TMKD, seed 2", 2), ("alone", 3)):
        made[name] = store.build("stage2", {**of, "seed": seed}, model(name, ["gold", "a"]), name)
    made["tokens"] = store.build("tokens", {"rows": f"{task}/test", "max_length": 24}, lambda work: {}, "tokens")
    named = [[made[f"TMKD, seed {seed}"].name] for seed in (1, 2)]
    made["comparison"] = store.build("comparison", {"rows": [["TMKD", named]]}, lambda work: {"rows": 1}, "comparison")
    _report(root / "reports" / "default", made)
    return made


def right_on(questions: int) -> np.ndarray:
    """Return probabilities that order the first few questions rightly."""
    score = np.where((questions > QUESTIONS) == LABELS, 0.9, 0.1)
    return np.stack([1 - score, score], axis=1)


def _report(folder: Path, made: dict[str, Artifact]) -> None:
    rows = [
        chance_row(LABELS, QUESTIONS, LABELS, ["wrong", "right"], True),
        make_row("TMKD", {}, [1, 2], [right_on(3), right_on(4)], LABELS, QUESTIONS, True,
                 artifacts=[made["TMKD, seed 1"].name, made["TMKD, seed 2"].name]),
        make_row("teacher 1", {}, [1], [right_on(5)], LABELS, QUESTIONS, True, artifacts=[made["teacher"].name]),
        make_row("teacher ensemble", {}, [1], [right_on(5)], LABELS, QUESTIONS, True, artifacts=[made["teacher"].name]),
    ]  # fmt: skip
    write_report(folder, "default", "words", "0" * 12, rows, "map", {"metric": "map"})


def write_lines(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path
