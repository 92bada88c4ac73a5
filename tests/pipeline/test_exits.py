"""Students with exits through all stages: a row for each exit, and what may and may not train a student again."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.pipeline.running import ROOT, compose_at
from tmkd.config import check, vary
from tmkd.errors import ConfigError
from tmkd.experiment.experiment import Experiment
from tmkd.experiment.families.exits import ExitsFamily
from tmkd.models.classifier import PairClassifier
from tmkd.pipelines import stage2, stage3
from tmkd.results import exits
from tmkd.store.artifacts import ArtifactStore
from tmkd.training.predict import predict

SMALL = [
    "experiment=smoke", "student.seeds=[1]", "student.layers=3", "stage2.epochs=1", "teachers.count=2",
    "runtime.threads=1", "runtime.precision=fp32",
]  # fmt: skip
ARMS = "method=[gold,tmkd]"
EXITS = ["student.exits=[1,2]", "student.exit_threshold=0.6"]


def composed(home, *overrides):
    return compose_at(home, *SMALL, *overrides)


def artifacts(home, stage=""):
    return {path.name for path in (home / "artifacts").glob(f"{stage}*-*")}


def rows(home):
    found = json.loads((home / "reports" / "smoke" / "comparison.json").read_text())["rows"]
    return {row["arm"]: row for row in found if not row["arm"].startswith("teacher")}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A home in which the same two arms ran without exits and then with them."""
    home = tmp_path_factory.mktemp("exits")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        stage2.run(composed(home, ARMS))
        before = artifacts(home)
        config = composed(home, ARMS, *EXITS)
        stage3.run(config)
    return home, before, config


def test_every_exit_and_leaving_early_have_rows_below_the_deepest(whole):
    home, _, _ = whole
    found = rows(home)
    for arm in ("student without distillation + exits (1, 2)", "TMKD + exits (1, 2)"):
        names = [arm, f"{arm}, exit 1", f"{arm}, exit 2", f"{arm}, early exit at 0.6"]
        at = list(found).index(arm)
        assert list(found)[at : at + 4] == names
        deepest, first, second, early = (found[name] for name in names)
        assert first["parameters"] < second["parameters"] < deepest["parameters"] < early["parameters"]
        assert all(found[name]["pairs_per_second"] > 0 for name in names)
        assert len({json.dumps(found[name]["metrics"]) for name in names[:3]}) == 3, "one predictor answers for all"
        assert (first["settings"]["exit"], second["settings"]["exit"]) == (1, 2)
        leaving = early["settings"]["leaving"]
        assert list(leaving) == ["1", "2", "deepest"]
        assert sum(leaving.values()) == pytest.approx(1)
        assert early["settings"]["exit_threshold"] == 0.6


def test_rows_of_exits_are_what_the_saved_model_says_when_it_stops_there(whole):
    home, before, config = whole
    experiment = Experiment(config)
    context, test = experiment.context, experiment.task.rows("test")
    trained = [student for name in artifacts(home, "stage2") - before if (student := stored(home, name))]
    assert len(trained) == 2
    for student in trained:
        model = PairClassifier.load(student.folder("model"), attention="eager").to(context.runtime.device)
        tokens = test.read_by(context, model)
        median = float(np.median(exits.probabilities(student, "test", exits.Predictor(1)).max(axis=-1)))
        early = exits.Predictor(threshold=median)
        for predictor in (*ExitsFamily().predictors(config), early):
            said = predict(model, tokens, context.runtime, answer=exits.answer(model, predictor))[:, 0]
            np.testing.assert_allclose(exits.probabilities(student, "test", predictor), said, atol=1e-5)
        assert 0.4 < exits.leaving([student], "test", early)["leaving"]["1"] < 0.6


def stored(home, name):
    manifest = json.loads((home / "artifacts" / name / "manifest.json").read_text())
    return ArtifactStore(home / "artifacts").find("stage2", manifest["spec"])


def test_exits_are_trained_in_stage_2_alone(whole):
    home, before, _ = whole
    assert artifacts(home, "stage1") <= before, "stage 1 was trained again for exits that it does not train"
    for name in artifacts(home, "stage2"):
        manifest = json.loads((home / "artifacts" / name / "manifest.json").read_text())
        assert ("exits" in manifest["spec"]) == (name not in before)
        assert ("exits" in manifest["details"]) == (name not in before)


def test_another_threshold_trains_nothing(whole):
    home, _, _ = whole
    before = artifacts(home, "stage2")
    stage3.run(composed(home, ARMS, "student.exits=[1,2]", "student.exit_threshold=0.9"))
    assert artifacts(home, "stage2") == before
    assert "TMKD + exits (1, 2), early exit at 0.9" in rows(home)


def test_deepest_classifier_of_exits_without_weight_is_that_of_no_exits(whole):
    home, before, _ = whole
    known = artifacts(home)
    stage2.run(composed(home, ARMS, *EXITS, "method.exits.weight=0"))
    made = artifacts(home, "stage2") - known
    assert len(made) == 2
    plain = {stored(home, name).manifest["spec"].get("targets"): name for name in artifacts(home, "stage2") & before}
    for name in made:
        student = stored(home, name)
        other = stored(home, plain[student.manifest["spec"].get("targets")])
        for split in ("validation", "test"):
            np.testing.assert_allclose(
                exits.probabilities(student, split, exits.DEEPEST),
                exits.probabilities(other, split, exits.DEEPEST),
                atol=1e-5,
            )


def test_setting_that_makes_no_sense_is_named(tmp_path):
    config = composed(tmp_path)
    below = r"student.exits: expected layers below the student's last, in rising order, got \["
    for said, student, method in (
        (below, {"exits": [3]}, {}),
        (below, {"exits": [2, 1]}, {}),
        (below, {"exits": [0]}, {}),
        ("student.exit_threshold: expected null without student.exits", {"exit_threshold": 0.5}, {}),
        ("student.exit_threshold: expected a number from 0 to 1", {"exits": [1], "exit_threshold": 1.5}, {}),
        (r"student.exits: expected \[\] where", {"exits": [1], "encoder": {"source": "bilstm"}}, {}),
        ("method.exits.alpha: expected a number from 0 to 1", {}, {"alpha": 2.0}),
        ("method.exits.temperature: expected more than 0", {}, {"temperature": 0.0}),
        ("method.exits.weight: expected 0 or more", {}, {"weight": -1.0}),
    ):
        with pytest.raises(ConfigError, match=said):
            check(vary(config, {"student": student, "method": {"exits": method}}))


def test_exit_of_a_student_that_keeps_all_layers_is_checked_before_any_training(tmp_path):
    with pytest.raises(ConfigError, match=r"The arm gold: student.exits: expected layers from 1 to 5 .* got \[6\]"):
        stage2.run(composed(tmp_path, ARMS, "student.layers=null", "student.exits=[6]"))
    assert not artifacts(tmp_path, "teacher")
