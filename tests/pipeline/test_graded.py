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
from tmkd.measures import RECORDED
from tmkd.pipelines import label, mine, plan, stage0, stage1, stage2, stage3
from tmkd.reranker import Reranker
from tmkd.store.artifacts import open_artifact
from tmkd.store.predictions import predictions

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
    assert set(rows["TMKD"]["metrics"]) == {"mse", "spearman", *RECORDED, "correlation", "distance"}
    by_chance = [rows["chance"]["metrics"][name]["mean"] for name in ("mse", "spearman", "ndcg", "r@1")]
    assert by_chance == pytest.approx([1.25, 0, 0.749981, 1 / 4], abs=1e-6)
    # the file's scores were brought to the grades by a line, and put the passages in order
    teacher = rows["teacher 2"]["metrics"]
    assert [teacher[name]["mean"] for name in ("mse", "spearman", "ndcg")] == pytest.approx([0, 1, 1], abs=1e-6)
    header = (tmp_path / "reports/smoke/comparison.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header.startswith("arm,seeds,ndcg_mean,ndcg_std,map_mean,map_std,") and "accuracy" not in header
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


@pytest.mark.thorough
def test_losses_over_passages_learn_grades_and_their_scores_come_out_on_the_scale_of_grades(tmp_path: Path) -> None:
    files = [f"data.{split}={lines(tmp_path / f'{split}.jsonl', graded(split))}" for split in SPLITS]
    config = compose_at(
        tmp_path, "experiment=smoke", "method=tmkd", "data=files", *files, "data.label_kind=graded", "metric=ndcg@3",
        "corpus=task", "corpus.candidates=4", "corpus.random=0", "student.seeds=[1]", "student.layers=1",
        "encoder.layers=1", "runtime.threads=1", "runtime.precision=fp32", "comparison.write_runs=true",
        "teachers.gold_loss=lambda", "teachers.group_size=0", "teachers.roster=[{learning_rate: 5e-3, epochs: 6}]",
        "method.gold_loss=lambda", "method.loss=listwise_kl", "stage2.epochs=2", "stage2.learning_rate=5e-3",
        "stage2.group_size=0",
    )  # fmt: skip
    for stage in (stage0, stage1, stage2, stage3):
        stage.run(config)
    report = tmp_path / "reports/smoke"
    rows = {row["arm"]: row for row in json.loads((report / "comparison.json").read_text(encoding="utf-8"))["rows"]}
    [name] = [name for name in rows if name != "chance" and not name.startswith("teacher")]
    assert rows[name]["metrics"]["ndcg@3"]["mean"] > rows["chance"]["metrics"]["ndcg@3"]["mean"]
    for arm, heads in ((name, 2), ("teacher 1", 1)):
        made = open_artifact(tmp_path / "artifacts" / rows[arm]["artifacts"][0])
        assert [line["slope"] > 0 for line in made.details["calibrated"].values()] == [True] * heads
        # the losses see differences alone, but what comes out are grades: their mean is that of the labels, 1.5
        assert predictions(made, "validation").mean(axis=(1, 2)) == pytest.approx([1.5] * heads, abs=1e-3)
        assert made.details["validation"]["mse"] < 0.5
    qrels = next(report.rglob("test.qrels")).read_text(encoding="utf-8").splitlines()
    assert {line.split()[-1] for line in qrels} == {"0", "1", "2", "3"}


@pytest.mark.thorough
def test_numbers_that_are_learnt_as_probabilities_are_answered_on_the_scale_of_the_labels(tmp_path: Path) -> None:
    """Log-odds that stay as they are would be judged as if they were labels."""
    rows = {split: [{**row, "label": int(str(row["label"])) / 3} for row in graded(split)] for split in SPLITS}
    files = [f"data.{split}={lines(tmp_path / f'{split}.jsonl', rows[split])}" for split in SPLITS]
    config = compose_at(
        tmp_path, "experiment=smoke", "method=gold", "data=files", *files, "data.label_kind=float",
        "method.gold_loss=bce", "teachers.gold_loss=bce", "student.seeds=[1]", "student.layers=1", "encoder.layers=1",
        "stage2.epochs=8", "stage2.learning_rate=5e-3", "runtime.threads=1", "runtime.precision=fp32",
        "teachers.count=1", "teachers.roster=[{learning_rate: 5e-3, epochs: 8}]", "comparison.baseline=null",
    )  # fmt: skip
    stage3.run(config)
    for kind in ("teacher", "stage2"):
        [made] = [open_artifact(path) for path in (tmp_path / "artifacts").glob(f"{kind}-*")]
        [line] = made.details["calibrated"].values()
        assert line["slope"] > 0
        answers = predictions(made, "validation")
        labels = [float(str(row["label"])) for row in rows["validation"]]
        assert answers.mean() == pytest.approx(np.mean(labels), abs=1e-4)  # as least squares has it
        assert made.details["validation"]["mse"] <= np.var(labels) + 1e-6
