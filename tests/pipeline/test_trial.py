"""No teacher is trained for an encoder that cannot be what it is to be, the student's own included."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AlbertConfig, AlbertModel, BartConfig, BartModel

from tests.pipeline.running import compose_at
from tmkd.errors import ConfigError, ModelError, TmkdError
from tmkd.experiment import trial
from tmkd.models.encoder import load_encoder
from tmkd.models.tiny import letter_tokenizer
from tmkd.pipelines import stage0, stage2, stage3
from tmkd.training import trial as forward

SMALL = [
    "experiment=smoke", "student.layers=2", "student.seeds=[1]", "teachers.count=1", "method=[gold,kd]",
    "runtime.threads=1", "runtime.precision=fp32",
]  # fmt: skip


def save(folder, model=None):
    (model or load_encoder(source="tiny", layers=3, width=16).model).save_pretrained(folder)
    letter_tokenizer().save_pretrained(folder)
    return folder


def trained(home):
    """What was begun or made of teachers and students."""
    names = [path.name for path in (home / "artifacts").rglob("*-*") if path.is_dir()]
    return [name for name in names if name.startswith(("teacher-", "stage1-", "stage2-", "soft_labels-"))]


def own(folder, *more):
    return ["student.encoder.source=hub", f"student.encoder.name={folder}", *more]


def pickled(folder):
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def wrapped(folder):
    weights = {f"module.{name}": value for name, value in load_file(folder / "model.safetensors").items()}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


SIZE = {"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 32}


def made(folder, kind):
    if kind == "albert":
        return save(folder, AlbertModel(AlbertConfig(vocab_size=109, embedding_size=8, **SIZE)))
    if kind == "bart":
        ends = {f"{end}_{name}": 1 for end in ("encoder", "decoder") for name in ("layers", "attention_heads")}
        return save(folder, BartModel(BartConfig(vocab_size=109, d_model=16, **ends)))
    save(folder)
    {"pickled": pickled, "wrapped": wrapped}.get(kind, lambda _: None)(folder)
    return folder


@pytest.mark.parametrize(
    ("kind", "more", "message"),
    [
        ("pickled", (), "expected weights in safetensors"),
        ("wrapped", (), "weights are missing"),
        ("albert", (), r"Cannot tell which layers of AlbertModel to keep"),
        ("bart", (), "encoder-decoder"),
        ("long", ("student.max_length=600",), r"max_length: expected at most 512"),
    ],
)
def test_students_own_encoder_is_tried_before_a_teacher_is_trained(tmp_path, kind, more, message):
    # the teachers may take hours
    config = compose_at(tmp_path, *SMALL, *own(made(tmp_path / "student", kind), *more))
    with pytest.raises(ModelError, match=rf"^student\.encoder: .*{message}"):
        stage2.run(config)
    assert trained(tmp_path) == []


def test_second_teachers_encoder_is_tried_before_the_first_is_trained(tmp_path):
    wrong = made(tmp_path / "wrong", "wrapped")
    second = f"{{learning_rate: 1e-3, epochs: 1, encoder: {{source: hub, name: {wrong}}}}}"
    roster = f"teachers.roster=[{{learning_rate: 1e-3, epochs: 1}},{second}]"
    with pytest.raises(ModelError, match=r"^teachers\.roster\[1\]\.encoder: .*weights are missing"):
        stage0.run(compose_at(tmp_path, *SMALL, roster, "teachers.count=2"))
    assert trained(tmp_path) == []


@pytest.mark.thorough
def test_run_whose_teachers_are_there_tries_its_students_before_the_first_of_them(tmp_path):
    # soft labels of a large corpus, and the first arm's students, may take as long as teachers do
    stage0.run(compose_at(tmp_path, *SMALL))
    before = trained(tmp_path)
    wrong = made(tmp_path / "wrong", "wrapped")
    changed = f"+method.arms.kd.set={{student: {{encoder: {{source: hub, name: {wrong}}}}}}}"
    with pytest.raises(ModelError, match=r"^method\.arms\.kd\.set, student\.encoder: .*weights are missing"):
        stage2.run(compose_at(tmp_path, *SMALL, changed))
    assert trained(tmp_path) == before


def test_arm_is_not_named_for_an_encoder_that_its_own_settings_leave_alone(tmp_path):
    wrong = made(tmp_path / "wrong", "wrapped")
    changed = "+method.arms.kd.set={stage2: {epochs: 1}}"
    with pytest.raises(ModelError, match=r"^student\.encoder: .*weights are missing"):
        stage2.run(compose_at(tmp_path, *SMALL[:-3], "method=kd", *SMALL[-2:], *own(wrong), changed))
    assert trained(tmp_path) == []


@pytest.mark.thorough
def test_run_that_makes_nothing_tries_no_encoder(tmp_path, monkeypatch):
    # what is there already is found again without its checkpoint, and without the seconds that torch takes
    config = compose_at(tmp_path, *SMALL, *own(save(tmp_path / "student")))
    stage2.run(config)
    monkeypatch.setattr(trial, "passed", set())
    monkeypatch.setattr(forward, "try_out", lambda *_: pytest.fail("an encoder was tried"))
    stage2.run(compose_at(tmp_path, *SMALL, *own(tmp_path / "student")))


@pytest.mark.thorough
def test_encoders_that_are_alike_are_tried_once(tmp_path, monkeypatch):
    tried = []
    monkeypatch.setattr(trial, "passed", set())
    monkeypatch.setattr(forward, "try_out", lambda model, _: tried.append(model.encoder.config.num_hidden_layers))
    roster = "teachers.roster=[{learning_rate: 1e-3, epochs: 1},{learning_rate: 2e-3, epochs: 1}]"
    stage0.run(compose_at(tmp_path, *SMALL, roster, "teachers.count=2", "encoder.layers=3"))
    assert sorted(tried) == [2, 3]  # the student's, and one for both teachers


def test_learning_rate_that_is_too_high_is_named(tmp_path):
    config = compose_at(
        tmp_path, *SMALL, "teachers.roster.0.learning_rate=2e5", "teachers.roster.0.epochs=20",
    )  # fmt: skip
    with pytest.raises(TmkdError, match="try a lower learning rate"):
        stage0.run(config)


def test_folder_of_the_report_is_tried_before_anything_is_trained(tmp_path):
    (tmp_path / "reports").write_text("a file in its place")
    with pytest.raises(ConfigError, match=r"Cannot write under \S+reports/smoke .*choose another paths\.reports"):
        stage3.run(compose_at(tmp_path, *SMALL))
    assert not trained(tmp_path)
