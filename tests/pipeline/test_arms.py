"""Arms with settings of their own: each is judged by its own, and never by another's."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import softmax

from tests.pipeline.running import ROOT, compose_at
from tmkd.errors import ConfigError
from tmkd.experiment.check import check_arms
from tmkd.experiment.experiment import Experiment
from tmkd.models.classifier import PairClassifier
from tmkd.models.encoder import load_encoder
from tmkd.pipelines import stage0, stage3
from tmkd.results.node import identity, outside
from tmkd.results.soft_labels import SoftLabels
from tmkd.results.trained import TrainedClassifier
from tmkd.store.artifacts import MODEL
from tmkd.store.soft_labels import read_soft_labels
from tmkd.training.predict import predict

EXPERIMENTS = [path.relative_to(ROOT / "conf/experiment") for path in (ROOT / "conf/experiment").glob("**/*.yaml")]
# the others can be joined with smoke, to see them run
ALONE = ("default", "smoke", "paper/bert_large", "paper/base", "base_short", "committee")
JOINED = sorted({str(path.with_suffix("")) for path in EXPERIMENTS} - set(ALONE))


@pytest.mark.parametrize("experiment", JOINED)
def test_experiment_joined_with_smoke_has_no_arm_that_its_models_are_too_small_for(tmp_path, monkeypatch, experiment):
    monkeypatch.chdir(ROOT)  # conf/data/smoke.yaml names its files from there
    narrow = "student.encoder.dimensions=16"  # a Bi-LSTM's, whose word vectors are those of the encoder
    check_arms(Experiment(compose_at(tmp_path, f"experiment=[smoke,{experiment}]", narrow)))


@pytest.mark.thorough
@pytest.mark.parametrize(("base", "sizes"), [("paper/base", 4), ("base_short", 2)])
def test_base_on_tiny_models_has_no_arm_that_they_are_too_small_for(tmp_path, monkeypatch, base, sizes):
    # as its file says to see it run
    monkeypatch.chdir(ROOT)
    tiny = ["encoder=tiny", "teachers=smoke", "student.encoder={source: tiny, layers: 6, width: 16, dimensions: 16}"]
    experiment = Experiment(compose_at(tmp_path, f"experiment=[smoke,{base}]", *tiny))
    check_arms(experiment)
    students = {arm: experiment.varied(own.set).architecture() for arm, own in experiment.config.method.arms.items()}
    shapes = {json.dumps(identity(student), sort_keys=True) for student in students.values()}
    assert len(shapes) == sizes, "one of each size"


@pytest.mark.thorough
def test_an_arms_own_settings_do_not_rule_out_the_other_arms_of_its_experiment(tmp_path):
    experiment = Experiment(compose_at(tmp_path, "experiment=families"))
    mixes = {experiment.varied(arm.set).config.method.mix for arm in experiment.config.method.arms.values()}
    assert mixes == {"heads", "blend", "weigh"}
    check_arms(experiment)


def test_the_families_leave_out_no_way_of_training_together(tmp_path):
    config = compose_at(tmp_path, "experiment=families")
    kinds = {Experiment(config).varied(arm.set).config.method.online.kind for arm in config.method.arms.values()}
    assert kinds == {"none", "mutual", "codistillation", "together"}


def test_a_head_a_teacher_beside_one_head_for_all_is_named(tmp_path):
    with pytest.raises(
        ConfigError, match=r"method.mix: expected heads, where method.arms.mkd.targets is heads, got blend"
    ):
        check_arms(Experiment(compose_at(tmp_path, "method=mkd", "method.mix=blend")))


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["method=mkd", "method.mix=blend"], "method.mix: expected heads"),
        (["method=kd", "+method.arms.kd.set={student: {layers: 9}}"], "student.layers: expected at most 6"),
        (["method=kd", "+method.arms.kd.set={method: {online: null}}"], "'method.online' is not Optional"),
        (
            ["method=kd", "teachers.roster.1.learning_rate=0.001", "teachers.roster.1.seed=1"],
            "roster.1.: expected another",
        ),
    ],
)
def test_arm_that_cannot_be_is_told_before_its_teachers_are_trained(tmp_path, overrides, said):
    with pytest.raises(ConfigError, match=said):
        stage0.run(compose_at(tmp_path, "experiment=smoke", *overrides))
    assert not list(tmp_path.glob("artifacts/teacher-*"))


def test_baseline_that_is_no_row_is_told_before_anything_is_trained(tmp_path):
    with pytest.raises(ConfigError, match=r"comparison.baseline: .* KD \(1-o-1\), teacher 1"):
        stage3.run(compose_at(tmp_path, "experiment=smoke", "method=kd", "comparison.baseline=BERT-3"))
    assert not list(tmp_path.glob("artifacts/teacher-*"))


def test_teachers_of_arms_without_a_stage_1_ask_for_no_corpus(tmp_path):
    check_arms(Experiment(compose_at(tmp_path, "experiment=smoke", "method=kd", "corpus=files", "corpus.path=nowhere")))


def test_teachers_that_are_there_are_found_without_looking_at_encoders(tmp_path, monkeypatch):
    # which takes seconds, as torch must be loaded
    config = compose_at(tmp_path, "experiment=smoke", "method=kd", "+terms=rkd")
    experiment = Experiment(config)
    for teacher in experiment.teachers():
        experiment.context.store.build(teacher.kind, teacher.spec, lambda _: {}, teacher.what)
    monkeypatch.delattr("tmkd.models.encoder.inspect_encoder")
    monkeypatch.setattr(stage0, "check_early", lambda _: pytest.fail("arms were checked, and with them their encoders"))
    assert [found.name for found in stage0.run(config)] == [teacher.name for teacher in experiment.teachers()]


@dataclass(frozen=True, eq=False)
class Saved(TrainedClassifier):
    """A student that was never trained, some of whose heads predict."""

    kind = "stage2"

    predicting: list[int]
    model: Any = outside()

    what = "student"
    own_task = timed_as = None

    def member(self, context):
        pytest.fail("nothing is planned here")

    def make(self, context, work):
        self.model.predicting = self.predicting
        self.model.save(work / MODEL)
        return {}


def test_student_teaches_by_the_heads_that_predict_and_not_by_one_that_learnt_nothing(tmp_path):
    """At α = 1 the gold head is as random as on the first day."""
    torch.manual_seed(0)
    encoder = load_encoder(source="tiny")
    model = PairClassifier(encoder, ["gold", "taught"], ["wrong", "right"], 32, heads_alike=False)
    experiment = Experiment(compose_at(tmp_path, "experiment=smoke", "runtime.precision=fp32"))
    context, rows = experiment.context, experiment.task.rows("validation")
    tokens = rows.read_by(context, model)
    heads = predict(model, tokens, context.runtime)
    assert np.abs(heads[:, 0] - heads[:, 1]).max() > 0.01
    for predicting, expected in (([1], heads[:, 1]), ([0, 1], np.log(softmax(heads, axis=-1).mean(axis=1)))):
        scored = SoftLabels(Saved(predicting, model), rows).build(context)
        scored = read_soft_labels(scored.folder(), tokens["id"])
        np.testing.assert_allclose(scored, expected, atol=1e-5)
