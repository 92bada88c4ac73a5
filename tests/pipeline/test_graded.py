"""Grades through all stages: a fine-tuned teacher and a file of scores, two stages, and the table."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from tests.pipeline.running import compose_at
from tests.unit.written import lines
from tmkd.errors import ConfigError
from tmkd.evaluation.metrics import evaluate
from tmkd.pipelines import label, mine, plan, stage0, stage1, stage2, stage3
from tmkd.reranker import Reranker
from tmkd.store.artifacts import open_artifact

WORDS = ("amber", "birch", "cobalt", "dune", "ember", "fjord", "grove", "heron")
SPLITS = {"train": 12, "validation": 4, "test": 4}


def graded(split: str) -> list[dict[str, object]]:
    """Four passages a question: each has one more of the question's words, which is its grade."""
    rows: list[dict[str, object]] = []
    for number in range(SPLITS[split]):
        asked = [WORDS[(number + at) % len(WORDS)] for at in range(3)]
        for grade in range(4):
            passage = " ".join(["text", *asked[:grade], split, str(number)])
            rows.append({"question": f"{' '.join(asked)} {split} {number}", "passage": passage, "label": grade})
    return rows


@pytest.mark.thorough
def test_grades_are_learnt_and_judged_through_both_stages(tmp_path: Path) -> None:
    files = [f"data.{split}={lines(tmp_path / f'{split}.jsonl', graded(split))}" for split in SPLITS]
    every = [{**row, "score": 3 * int(str(row["label"])) - 40} for split in SPLITS for row in graded(split)]
    scores = lines(tmp_path / "scores.jsonl", every)
    config = compose_at(
        tmp_path, "experiment=smoke", "method=tmkd", "data=files", *files, "data.label_kind=graded",
        "corpus=task", "corpus.candidates=4", "corpus.random=0", "student.seeds=[1]", "student.layers=1",
        "encoder.layers=1", "stage2.epochs=1", "runtime.threads=1", "runtime.precision=fp32", "teachers.missing=skip",
        f'teachers.roster=[{{learning_rate: 5e-3, epochs: 6}}, {{kind: scores, path: "{scores}"}}]',
    )  # fmt: skip
    for stage in (stage0, stage1, stage2, stage3):
        stage.run(config)
    found = json.loads((tmp_path / "reports/smoke/comparison.json").read_text(encoding="utf-8"))
    rows = {row["arm"]: row for row in found["rows"]}
    assert set(rows["TMKD"]["metrics"]) == {"mse", "spearman", "ndcg", "correlation", "distance"}
    assert {name: metric["mean"] for name, metric in rows["chance"]["metrics"].items()} == {
        "mse": 1.25, "spearman": 0.0, "ndcg": pytest.approx(0.749981, abs=1e-6),
    }  # fmt: skip
    # the file's scores were brought to the grades by a line, and put the passages in order
    teacher = rows["teacher 2"]["metrics"]
    assert [teacher[name]["mean"] for name in ("mse", "spearman", "ndcg")] == pytest.approx([0, 1, 1], abs=1e-6)
    header = (tmp_path / "reports/smoke/comparison.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header.startswith(
        "arm,seeds,ndcg_mean,ndcg_std,spearman_mean,spearman_std,mse_mean,mse_std,correlation_mean"
    )
    text = (tmp_path / "reports/smoke/comparison.md").read_text(encoding="utf-8")
    assert re.search(r"the squared error of always answering 1\.5, the mean label of the training split\.", text)
    assert "kept the share of its nDCG" in text and "accuracy" not in text and "reliability" not in found

    reranker = Reranker.from_pretrained(tmp_path / "artifacts" / rows["TMKD"]["artifacts"][0], precision="fp32")
    test = graded("test")
    questions = [str(row["question"]) for row in test]
    answers = reranker.score(questions, [str(row["passage"]) for row in test])
    judged = evaluate(answers, np.array([row["label"] for row in test]), questions, True, kind="graded")
    assert {name: rows["TMKD"]["metrics"][name]["mean"] for name in judged} == pytest.approx(judged, abs=1e-5)

    corpus = [open_artifact(path) for path in (tmp_path / "artifacts").glob("soft_labels-*")]
    assert all("accuracy" not in made.details for made in corpus)
    plan.run(config)
    for stage in (mine, label):
        with pytest.raises(ConfigError, match=r"data\.label_kind: expected classes for `tmkd (mine|label)`"):
            stage.run(config)
