"""DistilBERT's recipe through all stages: who teaches the student its language, and what stage 2 starts from."""

from __future__ import annotations

import json

import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, BertModel

from tests.pipeline.running import ROOT, compose_at
from tmkd.errors import ConfigError
from tmkd.experiment.experiment import Experiment
from tmkd.experiment.students import stage1_student, stage1_students, students
from tmkd.models.bilstm import word_tokenizer
from tmkd.models.classifier import PairClassifier
from tmkd.models.encoder import load_encoder
from tmkd.models.tiny import letter_tokenizer
from tmkd.pipelines import stage1, stage3
from tmkd.pipelines.arms import build_arms
from tmkd.results.language import CorpusText
from tmkd.results.rows import CORPUS
from tmkd.store.artifacts import open_artifact

pytestmark = pytest.mark.thorough  # one run of many seconds stands behind all of these

SMALL = [
    "experiment=distilbert", "data=smoke", "corpus=smoke", "encoder=tiny", "teachers=smoke", "teachers.count=1",
    "student.layers=2", "student.seeds=[1]", "stage1.learning_rate=1e-3", "stage1.epochs=1", "stage2.epochs=1",
    "language.held_out=0.2", "runtime.threads=1", "runtime.precision=fp32",
]  # fmt: skip


def composed(home, *overrides):
    return compose_at(home, *SMALL, *overrides)


def artifacts(home, stage):
    return [open_artifact(path) for path in sorted((home / "artifacts").glob(f"{stage}-*"))]


def arm_of(experiment, key="distilbert"):
    """An arm of the experiment, whose teachers are made."""
    return next(arm for arm in build_arms(experiment) if arm.key == key)


def language_student(experiment, seed=1):
    """The stage-1 student that learns a language, as a node."""
    arm = arm_of(experiment)
    return stage1_student(arm, arm.experiment, arm.objectives[0], seed)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """All stages of the experiment on the tiny encoder."""
    home = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        config = composed(home)
        stage3.run(config)
    return home, config


def encoder_weights(artifact):
    return load_encoder(name=str(artifact.folder("model") / "encoder")).model.state_dict()


def test_table_has_the_recipe_beside_its_teacher_and_the_students_without_it(whole):
    home, _ = whole
    table = (home / "reports" / "distilbert" / "table.md").read_text()
    for label in (
        "the teacher, full depth",
        "DistilBERT",
        "the same student without pre-training",
        "the same student, KD",
    ):
        assert label in table
    rows = json.loads((home / "reports" / "distilbert" / "smoke-pairs" / "comparison.json").read_text())["rows"]
    size = {row["arm"]: row["parameters"] for row in rows}
    without, recipe = "student without distillation", "stage 1, then gold labels alone, stage1.kind = language"
    assert size[recipe] == size[without] < size["teacher 1"]
    assert size["TKD (1-o-1), stage1.kind = language"] == size["KD (1-o-1)"]


def test_head_is_fitted_on_an_encoder_that_stays_as_it_was_and_is_judged_on_what_it_has_not_read(whole):
    _, config = whole
    experiment = Experiment(config)
    made = language_student(experiment).language.build(experiment.context)
    assert (made.details["head"], made.details["encoder"]) == ("fitted", "frozen")
    assert made.details["held_out"]["masked"] > 50
    assert 0 <= made.details["held_out"]["accuracy"] <= 1
    original = load_encoder(source="tiny").model.state_dict()
    assert all(torch.equal(original[name], values) for name, values in encoder_weights(made).items())


def test_student_learns_the_language_with_every_second_layer_and_without_token_types(whole):
    _, config = whole
    experiment = Experiment(config)
    made = language_student(experiment).build(experiment.context)
    assert made.manifest["spec"]["triple"] == {"kl": 5, "mlm": 2, "cosine": 1, "temperature": 2, "masked": 0.15}
    assert made.manifest["spec"]["student"]["token_types"] is False
    model = PairClassifier.load(made.folder("model"))
    assert (model.encoder.config.num_hidden_layers, model.encoder.config.type_vocab_size) == (2, 1)
    untaught = experiment.architecture().new(experiment.context, ["gold"], ["wrong", "right"]).encoder.state_dict()
    assert any(not torch.equal(untaught[name], values) for name, values in model.encoder.state_dict().items())
    assert made.details["held_out"]["masked"] > 50


def test_stage_2_starts_from_the_language_with_heads_of_its_own(whole):
    _, config = whole
    arm = arm_of(Experiment(config), "distilbert_kd")
    context = arm.experiment.context
    (student,) = students(arm, 1)
    start = student.stage1.build(context)
    models = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        models.append(student.initial(context))
    model, other = models
    assert len(model.heads.names) == 2
    taught = encoder_weights(start)
    assert all(torch.equal(taught[name], values) for name, values in model.encoder.state_dict().items())
    # what is carried over would be one head, whatever the seed, and it has learnt nothing
    assert not torch.equal(model.heads.linear.weight, other.heads.linear.weight)


def test_student_reads_no_token_types_and_its_teacher_does(whole):
    _, config = whole
    experiment = Experiment(config)
    context, rows = experiment.context, experiment.task.rows("train")
    usual, without = (load_encoder(source="tiny", token_types=kept).tokenizer for kept in (True, False))
    assert "token_type_ids" in rows.tokens(context, usual, 64).column_names
    assert "token_type_ids" not in rows.tokens(context, without, 64).column_names


def test_no_soft_labels_of_the_corpus_are_made_for_a_language(whole):
    home, config = whole
    (made,) = stage1.run(config)
    assert made.key == language_student(Experiment(config)).key
    scored = [labels.manifest["spec"]["rows"] for labels in artifacts(home, "soft_labels")]
    assert scored and not any(rows.endswith(f"/{CORPUS}") for rows in scored)


def test_settings_of_a_language_are_in_the_keys_of_its_students_alone(whole):
    _, config = whole
    experiment = Experiment(config)
    mine, other = (language_student(each) for each in (experiment, experiment.varied({"language": {"kl": 0.0}})))
    assert other.key != mine.key
    assert other.language.key == mine.language.key
    arms = [
        arm_of(experiment.varied({"stage1": {"kind": "soft"}, "language": {"kl": kl}}), "distilbert_kd")
        for kl in (5.0, 1.0)
    ]
    (one,), (same,) = (stage1_students(arm) for arm in arms)
    assert one.spec == same.spec  # or settings of one kind would have students of the other trained again
    assert "kind" not in one.spec and one.spec["teachers"]


def test_encoder_is_fitted_with_its_head_where_that_is_asked_for(whole):
    _, config = whole
    experiment = Experiment(config).varied({"language": {"fit_encoder": True}})
    made = language_student(experiment).language.build(experiment.context)
    assert made.details["encoder"] == "fitted"
    original = load_encoder(source="tiny").model.state_dict()
    assert any(not torch.equal(original[name], values) for name, values in encoder_weights(made).items())


def bert(folder, kind, tokenizer):
    torch.manual_seed(3)
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    kind(BertConfig(vocab_size=len(tokenizer), **size)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return ["encoder=hub", f"encoder.name={folder}"]


def test_checkpoints_own_head_is_taken_as_it_is(tmp_path):
    encoder = bert(tmp_path / "bert", BertForMaskedLM, letter_tokenizer())
    experiment = Experiment(composed(tmp_path, *encoder))
    made = language_student(experiment).language.build(experiment.context)
    assert made.details["head"] == "the checkpoint's"
    assert "training" not in made.details


def test_encoder_without_a_mask_token_is_refused_before_anything_is_trained(tmp_path):
    encoder = bert(tmp_path / "bert", BertModel, word_tokenizer(["what is this"], 3))
    with pytest.raises(ConfigError, match="for the arm distilbert: language needs an encoder with a mask token"):
        build_arms(Experiment(composed(tmp_path, *encoder)))
    assert not artifacts(tmp_path, "teacher")


def test_terms_that_a_language_has_no_use_for_are_refused(tmp_path):
    config = composed(tmp_path, "+terms=cosine", "+method.terms.cosine.stages=[1,2]")
    with pytest.raises(ConfigError, match=r"method.terms.cosine.stages, for the arm distilbert_kd: expected \[2\]"):
        build_arms(Experiment(config))


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("stage1.kind=words", "stage1.kind: expected one of soft, terms, language, got words"),
        ("language.kl=-1", "language.kl: expected 0 or more"),
        ("language.masked=0", "language.masked: expected more than 0"),
        ("language.held_out=1", "language.held_out: expected at least 0 and less than 1"),
        ("language.temperature=0", "language.temperature: expected more than 0"),
        ("student.init=teacher", "student.init: expected encoder where stage1.kind is language"),
        ("student.encoder.source=bilstm", "student.token_types: expected true where"),
    ],
)
def test_setting_that_makes_no_sense_is_named(tmp_path, override, said):
    with pytest.raises(ConfigError, match=said):
        composed(tmp_path, override)


def test_encoder_with_code_of_its_own_goes_through_all_stages(tmp_path, with_own_code):
    # or its teacher would be trained, and nothing could be made of it
    encoder = bert(tmp_path / "own", BertModel, letter_tokenizer())
    with_own_code(tmp_path / "own")
    experiment = Experiment(composed(tmp_path, *encoder, "encoder.trust_remote_code=true", "+terms=similarity"))
    context, arm = experiment.context, arm_of(experiment, "distilbert_kd")
    (student,) = students(arm, 1)
    made = student.build(context)
    assert type(PairClassifier.load(made.folder("model")).encoder).__name__ == "OwnModel"
    source = experiment.architecture().encoder.source(context, arm.teachers[0].build(context))
    assert type(load_encoder(**source).model).__name__ == "OwnModel"


def test_share_of_the_text_that_rounds_to_nothing_is_one_pair(whole):
    _, config = whole
    experiment = Experiment(config)
    learnt, _ = CorpusText(experiment.corpus, 64, 0.2, 0.15).read(experiment.context, letter_tokenizer(), 0.001, 1)
    assert len(learnt) == 1


def test_corpus_is_that_of_stage_1(whole):
    _, config = whole
    experiment = Experiment(config)
    context, corpus = experiment.context, experiment.corpus
    made = language_student(experiment).build(context)
    assert made.manifest["spec"]["corpus"] == corpus.key
    steps = made.details["training"]["steps"]
    assert steps < len(corpus.rows().read(context)) / config.stage1.batch_size  # some is held out
