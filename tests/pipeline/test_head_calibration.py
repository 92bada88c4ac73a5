"""Heads that rank are written as heads that predict: what is saved, predicted and judged after an epoch agrees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import softmax

from tests.pipeline.running import compose_at
from tmkd.evaluation.head_calibration import Line
from tmkd.experiment.experiment import Experiment
from tmkd.models.classifier import PairClassifier
from tmkd.models.heads import GOLD
from tmkd.results.trained import new_classifier, validator, write_classifier
from tmkd.store.artifacts import MODEL
from tmkd.store.predictions import PREDICTIONS


@pytest.mark.thorough
def test_calibrated_head_is_the_same_in_weights_predictions_and_the_metrics_of_an_epoch(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from safetensors.numpy import load_file

    from tmkd.training.predict import predict

    experiment = Experiment(compose_at(tmp_path, "experiment=smoke", "teachers.count=1"))
    context, task = experiment.context, experiment.task
    torch.manual_seed(1)
    source = experiment.encoder(experiment.config.student).source(context)
    model = new_classifier(
        context, source, [GOLD, "a", "b"], task.classes, 32, dropout=0.0, freeze_embeddings=False, head_init="separate"
    )
    rows = task.rows("validation")
    labels, tokens = np.array(rows.read(context)["label"]), rows.read_by(context, model)
    with torch.no_grad():  # "a" scores right passages higher, "b" lower, both by much too much
        model.heads.linear.weight *= 30
        scored = predict(model, tokens, context.runtime)[:, 1]
        if Line.fit(scored, labels) is None:
            model.heads.linear.weight[2:4] *= -1
        model.heads.linear.weight[4:6] = -model.heads.linear.weight[2:4]
    before = predict(model, tokens, context.runtime)
    judged = validator(context, task, model, None, relative=[1, 2])(None)
    facts = write_classifier(tmp_path, model, context, task, relative=[1, 2])

    line = Line.fit(before[:, 1], labels)
    assert line is not None and facts["calibrated"] == {
        "a": {"slope": line.slope, "intercept": line.intercept},
        "b": None,
    }
    assert "head b ranks passages, but the size of its scores means nothing" in caplog.text
    saved = predict(PairClassifier.load(tmp_path / MODEL, attention=context.runtime.attention), tokens, context.runtime)
    written = load_file(tmp_path / PREDICTIONS)["validation"].transpose(1, 0, 2)
    assert saved == pytest.approx(written, abs=1e-4)
    assert saved[:, 1] == pytest.approx(line.apply(before[:, 1]), abs=1e-4)
    assert saved[:, [0, 2]] == pytest.approx(before[:, [0, 2]], abs=1e-4), "the others stay as they are"
    assert facts["validation"] == pytest.approx(judged)
    share = softmax(saved[:, 1], axis=1)[:, 1]
    assert share.mean() == pytest.approx(labels.mean(), abs=0.1), "probabilities: on average what is there"
