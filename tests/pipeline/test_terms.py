"""Terms on inner states, mixes and weights of teachers, from the command line's settings to a trained student."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from datasets import load_from_disk
from transformers import GPT2Config, GPT2Model

from tests.pipeline.running import ROOT, compose_at
from tmkd.errors import ConfigError
from tmkd.evaluation.ensemble import average_probabilities
from tmkd.experiment.check import check_arms
from tmkd.experiment.experiment import Experiment
from tmkd.experiment.students import stage1_students, students
from tmkd.models.classifier import PairClassifier
from tmkd.models.tiny import letter_tokenizer
from tmkd.pipelines import stage1, stage2
from tmkd.pipelines.arms import build_arms
from tmkd.reranker import Reranker
from tmkd.results.terms import FurtherTerm, state_terms
from tmkd.store.artifacts import open_artifact
from tmkd.store.predictions import predictions
from tmkd.training.teacher_states import read_states

SMALL = [
    "experiment=smoke", "student.seeds=[1]", "teachers.count=2", "runtime.threads=1", "runtime.precision=fp32",
    "student.layers=3", "stage2.epochs=1",
]  # fmt: skip
TERMS = sorted(path.stem for path in (ROOT / "conf" / "terms").glob("*.yaml"))


def composed(home, *overrides):
    return compose_at(home, *SMALL, *overrides)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One home for all tests: teachers are trained once."""
    return tmp_path_factory.mktemp("home")


def student(home, *overrides):
    (made,) = stage2.run(composed(home, *overrides))
    return made


def weights(artifact):
    return artifact.manifest["files"]["model/encoder/model.safetensors"]["sha256"]


def test_there_are_terms_to_try():
    assert len(TERMS) >= 8


@pytest.mark.thorough
@pytest.mark.parametrize("term", TERMS)
def test_term_changes_what_the_student_learns(home, term):
    # or a term would be named in the table and never reach the loss
    arm = "gold" if term == "self_attention" else "mkd"
    plain = student(home, f"method={arm}")
    taught = student(home, f"method={arm}", f"+terms={term}")
    assert taught.key != plain.key
    assert weights(taught) != weights(plain)


def test_term_of_weight_zero_changes_nothing(home):
    plain = student(home, "method=mkd")
    idle = student(
        home, "method=mkd", "+terms=rkd", "method.terms.rkd_distances.weight=0", "method.terms.rkd_angles.weight=0"
    )
    assert idle.key != plain.key
    assert weights(idle) == weights(plain)


@pytest.mark.thorough
@pytest.mark.parametrize("term", ["pkd", "tinybert", "minilm"])
def test_stored_states_teach_the_same_student_as_computed_ones(home, tmp_path, term):
    student(home, "method=mkd")  # its teachers and soft labels are those of both
    for folder in ("one", "two"):
        for part in ("task", "teacher", "soft_labels"):
            for made in (home / "artifacts").glob(f"{part}-*"):
                shutil.copytree(made, tmp_path / folder / "artifacts" / made.name)
    # one pair a batch: the same sums; with dropout, so that what is drawn must be the same, too
    settings = ["method=mkd", f"+terms={term}", "runtime.score_batch=1", "student.dropout=0.1"]
    computed = student(tmp_path / "one", *settings, "runtime.state_window=7")
    stored = student(tmp_path / "two", *settings, "runtime.store_states=true")
    assert list((tmp_path / "two" / "artifacts").glob("teacher_states-*"))
    assert computed.key == stored.key
    assert weights(computed) == weights(stored)


class Caught(Exception):
    """Stops a training on the point of starting; holds its pairs."""


@pytest.mark.parametrize("store", ["true", "false"])
def test_pairs_of_a_share_of_the_corpus_meet_their_own_teachers_states(home, monkeypatch, store):
    # or the student would learn from the states of other pairs, and nothing would tell
    settings = ["stage1.share=0.5", "method=tmkd", "+terms=similarity", "method.terms.similarity.stages=[1]"]
    experiment = Experiment(composed(home, *settings, f"runtime.store_states={store}", "runtime.score_batch=1"))
    context, corpus = experiment.context, experiment.corpus.rows()
    trained = [teacher.build(context) for teacher in experiment.teachers()]

    def fit(model, pairs, *_, **__):
        raise Caught(pairs)

    monkeypatch.setattr("tmkd.training.fit.fit", fit)
    with pytest.raises(Caught) as caught:
        stage1.run(experiment.config)
    (pairs,) = caught.value.args
    ids = pairs.tokens["id"]
    assert len(ids) == round(len(corpus.read(context)) / 2)
    pairs.states.plan(range(len(ids)))
    for number, teacher in enumerate(trained):
        model = PairClassifier.load(teacher.folder("model"), attention="eager")
        tokens = corpus.read_by(context, model)
        (wanted,) = pairs.states.get(0)[number]
        known = dict(zip(tokens["id"], read_states(model, tokens, [wanted], context.runtime)))
        assert not np.array_equal(known[ids[0]][wanted], known[ids[1]][wanted])
        for place, name in enumerate(ids):
            np.testing.assert_array_equal(pairs.states.get(place)[number][wanted], known[name][wanted])


def test_share_of_the_corpus_that_rounds_to_nothing_is_one_pair(home):
    (made,) = stage1.run(composed(home, "method=tmkd", "stage1.share=0.001"))
    assert made.details["training"]["steps"] == 1


def shares(config, stage):
    """How much each teacher counts for the only term of the only arm."""
    experiment = Experiment(config)
    context, rows = experiment.context, experiment.task.rows("train")
    (arm,) = build_arms(experiment)
    (made,) = stage1_students(arm) if stage == 1 else students(arm, 1)
    learnt = made if stage == 1 else made.objective
    model = experiment.architecture().new(context, ["average"], ["wrong", "right"])
    tokens = rows.read_by(context, model)
    (term,), _ = state_terms(context, made.terms, model, learnt.teachers, learnt.weights, rows, tokens)
    return term.loss.shares


def test_each_stage_has_its_own_weights_of_teachers(home):
    # those of the other stage are in no key of this one: changed, they would bring back the student of the old ones
    settings = ["method=tmkd", "+terms=similarity", "method.terms.similarity.stages=[1,2]", "method.weights=[1,3]"]
    config = composed(home, *settings, "method.teacher_weights=fixed")
    assert [shares(config, stage) for stage in (1, 2)] == [[0.5, 0.5], [0.25, 0.75]]
    config = composed(home, *settings, "stage1.teacher_weights=fixed")
    assert [shares(config, stage) for stage in (1, 2)] == [[0.25, 0.75], [0.5, 0.5]]


def test_one_teacher_counts_in_full_whatever_its_weight_among_several(home):
    # 0 of 0 would end the run once all teachers are trained
    settings = ["method=kd", "+terms=similarity", "method.teacher_weights=fixed", "method.weights=[0,1]"]
    assert shares(composed(home, *settings), 2) == [1.0]


def test_generation_before_counts_in_full_where_the_first_teachers_weight_is_0(home):
    # 0 of 0 ended the run once the first generation was trained
    settings = ["method=kd_average", "+terms=similarity", "method.teacher_weights=fixed", "method.weights=[0,1]"]
    assert shares(composed(home, *settings, "method.arms.kd_average.generations=2"), 2) == [1.0]


def test_terms_of_stage_1_make_another_pretrained_student(home):
    plain = stage1.run(composed(home, "method=tmkd"))[0]
    taught = stage1.run(composed(home, "method=tmkd", "+terms=rkd", "method.terms.rkd_distances.stages=[1,2]"))[0]
    assert taught.key != plain.key
    assert list(taught.manifest["spec"]["terms"]) == ["rkd_distances"]
    assert weights(taught) != weights(plain)


@pytest.mark.parametrize(
    "settings",
    [
        ["method=kd_average", "method.mix=blend", "method.loss=kl", "method.temperature=2"],
        ["method=kd_average", "method.mix=weigh"],
        ["method=kd_average", "method.teacher_weights=confidence"],
        ["method=mkd", "method.teacher_weights=agreement"],
        ["method=mkd", "method.teacher_weights=fixed", "method.weights=[1,3]"],
        ["method=mkd", "method.alpha_end=0.1"],
        ["method=mkd", "method.loss=kl", "method.temperature=4", "method.temperature_end=1"],
    ],
    ids=lambda settings: " ".join(settings[1:2]),
)
def test_other_ways_to_use_soft_labels_are_other_students(home, settings):
    plain = student(home, *[word for word in settings if word.startswith(("method=", "method.loss"))])
    other = student(home, *settings)
    assert other.key != plain.key
    assert weights(other) != weights(plain)


def test_one_head_learns_both_where_soft_labels_are_blended(home):
    made = student(home, "method=kd_average", "method.mix=blend", "method.loss=kl")
    facts = json.loads((made.folder("model") / "classifier.json").read_text())
    assert facts["heads"] == ["gold"]


@pytest.mark.parametrize(
    ("start", "end", "predicting"), [(1.0, 0.5, [0, 1, 2]), (0.5, 0.0, [0]), (0.5, 1.0, [1, 2]), (1.0, None, [1, 2])]
)
def test_heads_that_predict_follow_from_the_whole_course_of_alpha(home, start, end, predicting):
    settings = [f"method.alpha={start}", f"method.alpha_end={'null' if end is None else end}"]
    made = student(home, "method=mkd", "teachers.count=2", *settings)
    reranker = Reranker.from_pretrained(made.path, device="cpu", precision="fp32")
    assert reranker.model.predicting == predicting
    rows = load_from_disk(next((home / "artifacts").glob("task-*")) / "test")
    kept = average_probabilities(predictions(made, "test"))
    assert np.abs(reranker.score(rows["question"], rows["passage"]) - kept).max() < 1e-5


def test_stage_1_competes_with_the_epochs_of_stage_2(home):
    def training(*settings):
        return student(home, *settings).details["training"]

    assert "validation_before" not in training("method=mkd")
    carried = training("method=tmkd")
    assert len(carried["validation"]) > 0 and "validation_before" in carried
    assert "validation_before" not in training("method=tmkd", "method.carry_heads=false")  # they know nothing yet


@pytest.mark.parametrize("preset", ["born_again", "snapshots"])
def test_generations_teach_each_other_in_a_row(home, preset):
    last = student(home, f"method={preset}", "stage2.epochs=3")
    before = last.manifest["spec"]["teachers"][0]
    middle = json.loads((home / "artifacts" / f"stage2-{before}" / "manifest.json").read_text())
    first = json.loads((home / "artifacts" / f"stage2-{middle['spec']['teachers'][0]}" / "manifest.json").read_text())
    assert "teachers" not in first["spec"]
    assert (middle["spec"].get("before") == first["key"]) == (preset == "snapshots")
    assert last.details["training"]["steps"] == first["details"]["training"]["steps"]
    heads = json.loads((last.folder("model") / "classifier.json").read_text())["heads"]
    assert heads == ["gold"], "their sources have one head for the labels and for the one before"


@pytest.mark.thorough
def test_cycles_have_the_steps_of_one_training_where_epochs_do_not_divide(home):
    plain = student(home, "method=gold", "stage2.epochs=4", "stage2.patience=0")
    made = student(home, "method=snapshots", "stage2.epochs=4", "stage2.patience=0")
    steps = made.details["training"]["steps"]
    while before := made.manifest["spec"].get("before"):
        made = open_artifact(home / "artifacts" / f"stage2-{before}")
        steps += made.details["training"]["steps"]
    assert steps == plain.details["training"]["steps"]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["method=mkd", "+terms=tinybert", "student.layers=4"], "expected a student depth that divides"),
        (["method=mkd", "+terms=pkd", "student.layers=1"], "at least 2 layers"),
        (
            ["method=mkd", "+terms=tinybert", "teachers.roster.1.max_length=32"],
            "expected teacher 2 to have the student's",
        ),
        (
            [
                "method=mkd",
                "+terms=tinybert",
                "teachers.count=1",
                "comparison.teacher_counts=[1,2]",
                "teachers.roster.1.max_length=32",
            ],
            "expected teacher 2 to have the student's",
        ),
        (
            ["method=mkd", "+terms=minilm", "method.terms.minilm_values.layers=embeddings"],
            "method.terms.minilm_values, for the arm mkd: expected a map of layers other than embeddings",
        ),
        (
            ["method=mkd", "+terms=minilm", "method.terms.minilm_values.relation_heads=5"],
            "method.terms.minilm_values, for the arm mkd: expected relation_heads that divide",
        ),
        (["method=gold", "+terms=pkd", "+method.arms.gold.terms=[pkd]"], "terms that need no teacher"),
        (["method=mkd", "+terms=pkd", "+method.arms.mkd.terms=[rkd]"], "method.arms.mkd.terms: expected names"),
        (["method=mkd", "method.mix=blend"], "method.mix: expected heads"),
        (["method=mkd", "method.teacher_weights=fixed", "method.weights=[1]"], "method.weights: expected 2 numbers"),
        (["method=mkd", "+terms=pkd", "method.terms.pkd.loss=gift"], "method.terms.pkd.loss: expected one of"),
        (["method=mkd", "+terms=cosine", "method.terms.cosine.pooling=mean"], "cosine.pooling: expected first, where"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_terms_that_cannot_be_had_together_are_named_before_any_training(tmp_path, overrides, said):
    with pytest.raises(ConfigError, match=said):
        stage2.run(composed(tmp_path, *overrides))
    assert not list((tmp_path / "artifacts").glob("teacher-*"))


def test_arm_that_names_its_teacher_is_not_refused_for_another(tmp_path):
    settings = ["method=kd", "+terms=tinybert", "teachers.roster.1.max_length=32"]
    check_arms(Experiment(composed(tmp_path, *settings, "+method.arms.kd.teacher=1")))
    for arm in ("teacher=2", "teacher=null"):  # of which of them is the best nothing is known yet
        with pytest.raises(ConfigError, match=r"for the arm kd: .* expected teacher 2 to have the student's"):
            check_arms(Experiment(composed(tmp_path, *settings, f"+method.arms.kd.{arm}")))


@pytest.mark.thorough
def test_teacher_of_another_tokenizer_gives_relations_and_no_token_level_states(tmp_path):
    tokenizer = letter_tokenizer()
    tokenizer.add_tokens(["extra"])
    torch.manual_seed(0)
    GPT2Model(GPT2Config(vocab_size=len(tokenizer), n_embd=16, n_layer=3, n_head=2)).save_pretrained(tmp_path / "gpt2")
    tokenizer.save_pretrained(tmp_path / "gpt2")
    other = [
        "method=mkd",
        "teachers.roster.1.encoder.source=hub",
        f"teachers.roster.1.encoder.name={tmp_path / 'gpt2'}",
    ]
    with pytest.raises(ConfigError, match=r"compares token with token, .* one vector a pair \(\w+(, \w+)+\)"):
        stage2.run(composed(tmp_path, *other, "+terms=cosine"))
    with pytest.raises(ConfigError, match="Cannot read the attention of GPT2Model"):
        stage2.run(composed(tmp_path, *other, "+terms=minilm"))
    with pytest.raises(ConfigError, match=r"terms.pkd.* expected pooling last or mean, since the first token of GPT2"):
        stage2.run(composed(tmp_path, *other, "+terms=pkd"))
    terms = [f"method.terms.{name}.pooling=mean" for name in ("pkd", "rkd_distances", "rkd_angles")]
    assert student(tmp_path, *other, "+terms=[pkd,rkd]", *terms).details["training"]["steps"] > 0


def test_only_terms_that_read_a_pairs_vector_are_other_terms_when_another_is_read(home):
    keys = {}
    for pooling in ("first", "mean"):
        config = composed(home, "method=mkd", "+terms=[pkd,tinybert]", f"method.terms.pkd.pooling={pooling}")
        keys[pooling] = {name: FurtherTerm(term).identity() for name, term in config.method.terms.items()}
    assert keys["first"].pop("pkd") == keys["mean"].pop("pkd") | {"pooling": "first"}
    assert keys["first"] == keys["mean"]
    assert not any("pooling" in spec for spec in keys["mean"].values()), "what did not change keeps its key"
