"""Rows that tell the two stages apart: stage 1 alone, and a student for each teacher after it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from tests.pipeline.running import compose_at
from tmkd.errors import ConfigError
from tmkd.evaluation.ensemble import average_probabilities
from tmkd.evaluation.metrics import evaluate
from tmkd.experiment.experiment import Experiment
from tmkd.models.classifier import PairClassifier
from tmkd.models.encoder import load_encoder
from tmkd.pipelines import stage1, stage2, stage3
from tmkd.pipelines.plan import notes, planned
from tmkd.reranker import Reranker
from tmkd.store.artifacts import open_artifact
from tmkd.store.predictions import predictions

SMALL = [
    "experiment=smoke", "student.seeds=[1]", "teachers.count=2", "runtime.threads=1", "runtime.precision=fp32",
    "stage2.epochs=1",
]  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One home for all tests: teachers are trained once."""
    return tmp_path_factory.mktemp("home")


def compared(home, *overrides):
    config = compose_at(home, *SMALL, *overrides)
    stage3.run(config)
    rows = json.loads((home / "reports" / "smoke" / "comparison.json").read_text())["rows"]
    return config, {row["arm"]: row for row in rows}


@pytest.mark.thorough
@pytest.mark.parametrize(("targets", "heads"), [("average", 1), ("heads", 2)])
def test_stage_1_alone_is_the_student_that_tmkd_starts_from_as_it_answers_itself(home, targets, heads):
    config, rows = compared(home, "method=[stage1_alone,tmkd]", f"stage1.targets={targets}")
    (name,) = rows["stage 1 alone"]["artifacts"]
    first, then = (open_artifact(home / "artifacts" / rows[arm]["artifacts"][0]) for arm in ("stage 1 alone", "TMKD"))
    assert name.startswith("stage1-") and then.manifest["spec"]["stage1"] == first.key
    logits = predictions(first, "test")
    assert len(logits) == heads
    experiment = Experiment(config)
    test = experiment.task.rows("test").read(experiment.context)
    found = evaluate(average_probabilities(logits), np.array(test["label"]), test["question_id"][:], ranking=True)
    metrics = rows["stage 1 alone"]["metrics"]
    assert {metric: value["values"][0] for metric, value in metrics.items() if metric in found} == found
    reranker = Reranker.from_pretrained(first.path, device="cpu", precision="fp32")
    scores = reranker.score(test["question"][:], test["passage"][:])
    np.testing.assert_allclose(scores, average_probabilities(logits), atol=1e-5)


def test_no_stage_2_is_trained_for_stage_1_alone(tmp_path):
    (made,) = stage2.run(compose_at(tmp_path, *SMALL, "method=stage1_alone"))
    assert made.name.startswith("stage1-")
    assert not list((tmp_path / "artifacts").glob("stage2-*"))


def test_stage_1_alone_follows_its_own_targets(home):
    config = compose_at(home, *SMALL, "method=[stage1_alone,tkd]", "method.arms.stage1_alone.targets=one")
    alone, tkd = stage2.run(config)
    assert tkd.manifest["spec"]["stage1"] == alone.key


def test_students_for_each_teacher_all_start_from_the_average_of_all(home):
    # with a head a teacher in stage 1, too: what they share is what all teachers know
    arms = ["method=[m_o_m_after_stage1,tkd_average]", "stage1.targets=heads"]
    config, rows = compared(home, *arms)
    students = [open_artifact(home / "artifacts" / name) for name in rows["m-o-m after stage 1"]["artifacts"]]
    (average,) = [open_artifact(home / "artifacts" / name) for name in rows["TKD (1avg-o-1)"]["artifacts"]]
    assert len({student.manifest["spec"]["teachers"][0] for student in students}) == 2
    assert {student.manifest["spec"]["stage1"] for student in students} == {average.manifest["spec"]["stage1"]}
    (shared,) = stage1.run(config)
    assert shared.manifest["spec"]["targets"] == "average"
    row, one = rows["m-o-m after stage 1"], rows["TKD (1avg-o-1)"]
    assert row["parameters"] == 2 * one["parameters"]


HINTS = ["method=tkd", "+terms=fitnets", "method.terms.fitnets.stages=[1]", "stage1.kind=terms"]


@pytest.mark.thorough
def test_hints_alone_train_the_lower_half_and_ask_for_no_soft_labels_of_the_corpus(tmp_path):
    # as FitNets' first training does; beside soft labels they would be another method
    (made,) = stage2.run(compose_at(tmp_path, *SMALL, *HINTS))
    spec = made.manifest["spec"]
    first = open_artifact(tmp_path / "artifacts" / f"stage1-{spec['stage1']}")
    assert first.manifest["spec"]["objective"] == "terms" and "loss" not in first.manifest["spec"]
    assert made.manifest["what"].startswith("TKD (1-o-1) + fitnets, stage1.kind = terms")
    assert "terms" not in spec and not spec["carry_heads"], "stage 2 has the labels alone, and new heads"
    scored = [open_artifact(path) for path in (tmp_path / "artifacts").glob("soft_labels-*")]
    assert {labels.manifest["what"].rpartition(" ")[2] for labels in scored} == {"train"}
    trained = PairClassifier.load(first.folder("model")).encoder.encoder.layer
    fresh = load_encoder(source="tiny", layers=6, width=32, keep=3).model.encoder.layer
    moved = [
        any(not torch.equal(a, b) for a, b in zip(mine.parameters(), other.parameters(), strict=True))
        for mine, other in zip(trained, fresh, strict=True)
    ]
    assert moved == [True, True, False], "the hint is after the second of three layers"


def test_hints_stage_without_a_hint_is_refused_before_any_training(tmp_path):
    with pytest.raises(ConfigError, match=r"stage1\.kind: expected a term of stage 1 for the arm tkd, .* got none"):
        stage2.run(compose_at(tmp_path, *SMALL, "method=tkd", "+terms=fitnets", "stage1.kind=terms"))
    assert not list((tmp_path / "artifacts").glob("teacher-*"))


@pytest.mark.thorough
@pytest.mark.parametrize("settings", [["method=[stage1_alone,m_o_m_after_stage1]"], HINTS], ids=["rows", "hints"])
def test_plan_names_what_the_run_makes(tmp_path, settings):
    config = compose_at(tmp_path, *SMALL, *settings)
    stage3.run(config)
    made = {path.name for path in (tmp_path / "artifacts").glob("*-*")}
    again = Experiment(config)
    there = planned(again)
    assert there and all(result.find(again.context) is not None for result in there)
    assert notes(again, there) == []
    before = planned(Experiment(compose_at(tmp_path / "new", *SMALL, *settings)))
    assert {result.name for result in before} <= made
