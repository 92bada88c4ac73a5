"""A teacher that is trained by adapters is a teacher like any other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.pipeline.running import compose_at
from tmkd.config import Config
from tmkd.errors import ConfigError
from tmkd.experiment.experiment import Experiment
from tmkd.models import lora
from tmkd.models.encoder import load_encoder
from tmkd.pipelines import stage0, stage3
from tmkd.pipelines.estimate import try_member
from tmkd.results.teacher import Teacher
from tmkd.store.artifacts import MODEL

SMALL = ("experiment=smoke", "student.seeds=[1]", "runtime.threads=1", "runtime.precision=fp32", "teachers.count=1")
LORA = "teachers.roster.0.lora"


def composed(home: Path, *overrides: str) -> Config:
    return compose_at(home, *SMALL, "encoder.layers=2", "student.layers=1", *overrides)


def teacher(config: Config) -> Teacher:
    found = Experiment(config).roster[0].trained
    assert isinstance(found, Teacher)
    return found


@pytest.mark.thorough
def test_teacher_is_written_as_an_ordinary_classifier_and_students_learn_from_its_layers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    config = composed(tmp_path, "method=kd", "+terms=fitnets", f"{LORA}.rank=2", f"{LORA}.targets=[query]")
    folder = stage3.run(config)
    experiment = Experiment(config)
    made = experiment.roster[0].build(experiment.context)
    start = load_encoder(source="tiny", layers=2, width=32).model
    weights = load_file(made.folder(MODEL) / "encoder/model.safetensors")
    assert weights.keys() == start.state_dict().keys()
    changed = {name for name, weight in start.state_dict().items() if not torch.equal(weight, weights[name])}
    assert changed == {f"encoder.layer.{layer}.attention.self.query.weight" for layer in range(2)}
    assert made.details["training"]["learnable_parameters"] == 2 * 2 * (32 + 32) + 2 * 32 + 2
    assert made.details["parameters"] == sum(weight.numel() for weight in weights.values()) + 2 * 32 + 2
    assert any("LoRA, 322 of " in record.getMessage() for record in caplog.records)
    [row] = [row for row in json.loads((folder / "comparison.json").read_text())["rows"] if row["arm"] == "teacher 1"]
    assert row["settings"]["lora"] == {"rank": 2, "alpha": 32.0, "targets": ["query"]}


def test_key_differs_with_the_rank_and_stays_without_one(tmp_path: Path) -> None:
    plain, off, *ranks = (
        teacher(composed(tmp_path, *changes))
        for changes in ((), (f"{LORA}=null",), (f"{LORA}.rank=2",), (f"{LORA}.rank=4",))
    )
    assert "lora" not in plain.spec and plain.key == off.key
    assert len({plain.key, *(each.key for each in ranks)}) == 3


@pytest.mark.thorough
def test_plan_counts_what_adapters_learn_and_what_checkpoints_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tmkd.pipelines.calibration.SECONDS", 0.0)
    found = {}
    for rank in ("null", "2"):
        node = teacher(composed(tmp_path, f"{LORA}.rank={rank}", "encoder.max_length=16"))
        context = Experiment(composed(tmp_path)).context
        found[rank] = try_member(context, node.cost(context)[-1:])
    assert found["null"].learnable == found["null"].saved == found["null"].parameters
    assert found["2"].learnable == found["2"].saved < found["null"].learnable / 4


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (f"{LORA}.rank=0", r"roster\[0\]\.lora\.rank: expected at least 1 where lora is set, got 0"),
        (f"{LORA}.alpha=4", r"roster\[0\]\.lora\.rank: expected at least 1 where lora is set, got None"),
        (f"{LORA}={{rank: 2, alpha: 0}}", r"roster\[0\]\.lora\.alpha: expected more than 0"),
        (f"{LORA}={{rank: 2, targets: []}}", r"roster\[0\]\.lora\.targets: expected names of linear layers"),
        (
            "teachers.roster=[{kind: scores, path: a, lora: {rank: 2}}]",
            r"roster\[0\]\.lora: expected kind fine_tuned where it is set, got scores",
        ),
    ],
)
def test_setting_that_makes_no_sense_is_one_sentence(tmp_path: Path, setting: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        composed(tmp_path, setting)


def test_second_teachers_wrong_target_is_named_before_the_first_is_trained(tmp_path: Path) -> None:
    config = composed(tmp_path, "teachers.count=2", "teachers.roster.1.lora={rank: 2, targets: [qurey]}")
    with pytest.raises(ConfigError, match=r"^teachers\.roster\[1\]\.lora\.targets: .*query, key.* got 'qurey'\.$"):
        stage0.run(config)
    assert not list((tmp_path / "artifacts").glob("teacher-*"))


def test_missing_package_is_named_before_anything_is_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lora, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"^teachers\.roster\[0\]\.lora: its package, peft, is not installed"):
        stage0.run(composed(tmp_path, f"{LORA}.rank=2"))
    assert not list((tmp_path / "artifacts").glob("teacher-*"))
