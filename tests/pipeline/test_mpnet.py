"""MPNet teaches a BERT that has another tokenizer, and a student of its own bottom layers, through both stages."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.pipeline.running import compose_at
from tests.unit.tiny_mpnet import tiny_mpnet
from tmkd.data.batching import tokenise
from tmkd.experiment.experiment import Experiment
from tmkd.models import mpnet
from tmkd.models.classifier import PairClassifier
from tmkd.pipelines import stage2
from tmkd.results.soft_labels import SoftLabels
from tmkd.store.soft_labels import read_soft_labels
from tmkd.training.predict import predict

pytestmark = pytest.mark.thorough  # one run of some seconds stands behind these
SETTINGS = [
    "experiment=smoke", "encoder=mpnet", "encoder.max_length=40", "teachers.count=1", "student.seeds=[1]",
    "runtime.threads=1", "runtime.precision=fp32", "stage2.epochs=1", "corpus.pairs=20", "method=[kd,tmkd]",
    "student.encoder={source: tiny, layers: 3, width: 16, max_length: 24}",
    "+method.arms.tmkd.set.student.encoder.source=same",
]  # fmt: skip


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    home = tmp_path_factory.mktemp("mpnet")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(Path(__file__).parents[2])
        patch.setattr(mpnet, "unpack", tiny_mpnet)  # another test has the wheels
        config = compose_at(home, *SETTINGS)
        stage2.run(config)
        return Experiment(config)


def test_soft_labels_are_what_the_teacher_says_of_each_pair(experiment: Experiment) -> None:
    context = experiment.context
    (teacher,) = experiment.teachers()
    model = PairClassifier.load(teacher.build(context).folder("model"))
    assert (model.encoder.config.model_type, model.max_length) == ("mpnet", 40)
    rows = experiment.task.rows("train")
    given = rows.read(context)
    said = predict(model, tokenise(given, model.tokenizer, 40), context.runtime)[:, 0]
    stored = read_soft_labels(SoftLabels(teacher, rows).build(context).folder(), given["id"][:])
    assert np.ptp(said, axis=0).min() > 1e-3  # or any order would do
    np.testing.assert_allclose(stored, said, atol=1e-4)


def test_students_are_a_bert_and_the_bottom_of_mpnet(experiment: Experiment) -> None:
    root = experiment.context.store.root
    made = {}
    for folder in root.glob("stage2-*"):
        config = json.loads((folder / "model/encoder/config.json").read_text())
        made[config["model_type"]] = (config["num_hidden_layers"], config["hidden_size"])
    assert made == {"bert": (3, 16), "mpnet": (3, 16)}
    assert len(list(root.glob("encoder-*"))) == 1, "it is put together once"
