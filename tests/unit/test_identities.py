"""Keys: what changes a result changes its key, and what does not leaves it alone."""

import os
from dataclasses import replace

import pytest

from tmkd.config import Config, EncoderConfig, StudentConfig, TeacherConfig
from tmkd.data import readers
from tmkd.experiment.experiment import Experiment
from tmkd.models.encoder import load_encoder
from tmkd.results.corpus import Corpus
from tmkd.results.encoder import encoder_identity
from tmkd.results.node import identity
from tmkd.results.objective import Objective
from tmkd.results.stage1 import SoftLoss
from tmkd.results.task import Task
from tmkd.results.teacher import Teacher
from tmkd.store.disk import sha256
from tmkd.store.identity import VERSIONS, key

RAW = {"python": "3.11"}


@pytest.fixture(autouse=True)
def read_from(monkeypatch):
    """A function that lets tasks and corpora be read from something; ``RAW``, until it is called."""

    def change(raw):
        for name in ("task_identity", "corpus_identity"):
            monkeypatch.setattr(readers, name, lambda data, corpus: raw)

    change(RAW)
    return change


def config(**changes):
    return replace(Config(encoder=EncoderConfig(source="tiny")), **changes)


def task(config):
    return Task.of(config.data, config.corpus)


def corpus(config):
    return Corpus.of(config.data, config.corpus)


def teacher(settings=None, config=None):
    own = Experiment(config or Config(encoder=EncoderConfig(source="tiny")))
    settings = settings or TeacherConfig()
    return Teacher.of(own.task, settings, own.encoder(settings), own.config.trainer, 1)


def student(config):
    return identity(Experiment(config).architecture())


def test_runtime_and_paths_are_in_no_key():
    usual, other = config(), config()
    other.runtime.device, other.runtime.threads, other.paths.artifacts = "cuda", 7, "/elsewhere"
    other.data.train = "/moved/train.tsv"
    assert teacher(config=usual) == teacher(config=other)
    assert student(usual) == student(other)
    assert task(usual) == task(other)


@pytest.mark.parametrize(
    "change",
    [{"learning_rate": 1e-3}, {"batch_size": 7}, {"epochs": 9}, {"dropout": 0.3}, {"seed": 5}, {"max_length": 9}],
)
def test_every_hyperparameter_of_a_teacher_is_in_its_key(change):
    assert teacher(TeacherConfig(**change)) != teacher()


def test_a_length_that_is_the_encoders_own_is_the_same_teacher():
    assert teacher(TeacherConfig(max_length=64)) == teacher(TeacherConfig(max_length=None))


def test_roster_beyond_the_count_and_a_place_in_it_are_in_no_teachers_key():
    # or a sweep over the number of teachers would train all of them again for each number
    usual, longer = config(), config()
    usual.teachers.count, usual.teachers.roster = 1, [TeacherConfig(seed=3)]
    longer.teachers.count, longer.teachers.roster = 2, [TeacherConfig(seed=seed) for seed in (1, 3, 5)]
    [alone], [_, second] = (Experiment(each).roster for each in (usual, longer))
    assert alone == second and (alone.number, second.number) == (1, 2)


def test_corpus_size_is_in_no_tasks_key():
    usual, larger = config(), config()
    larger.corpus.questions = 10 * usual.corpus.questions
    assert task(usual) == task(larger)
    assert corpus(usual) != corpus(larger)


def test_corpus_of_the_tasks_own_text_follows_whatever_shapes_the_task(read_from):
    own, other = config(), config()
    for made in (own, other):
        made.corpus.reader, made.data.reader, made.data.test = "task", "files", "test.tsv"
    before = corpus(own)
    assert corpus(other) == before
    other.data.validation_share = 0.2  # which training questions validate, and so are not in the corpus
    assert corpus(other) != before
    read_from({"python": "3.12"})
    assert corpus(own) != before


def test_separator_and_quoting_are_in_a_key_only_where_they_say_something():
    usual, other, elsewhere = config(), config(), config()
    for made in (usual, other, elsewhere):
        made.data.reader, made.data.test, made.corpus.reader = "files", "test.tsv", "mined"
    assert not {"separator", "quoting"} & (set(task(usual).spec["data"]) | set(corpus(usual).spec["corpus"]))
    other.data.quoting, other.corpus.separator = "none", "semicolon"
    assert task(usual) != task(other)
    assert corpus(usual) != corpus(other)
    elsewhere.data.reader = elsewhere.corpus.reader = "documentation"
    before = task(elsewhere), corpus(elsewhere)
    elsewhere.data.quoting, elsewhere.corpus.separator = "none", "semicolon"
    assert (task(elsewhere), corpus(elsewhere)) == before


@pytest.mark.parametrize("reader", ["documentation", "files", "hub"])
def test_task_of_rankable_questions_alone_is_another_one_whatever_reads_it(reader):
    all_of_them, rankable = config(), config()
    all_of_them.data.reader = rankable.data.reader = reader
    rankable.data.rankable_only = True
    assert task(all_of_them) != task(rankable)


def test_versions_of_what_is_read_are_in_the_key(read_from):
    before = task(config())
    read_from({"python": "3.12"})
    assert task(config()) != before


def test_temperature_is_in_the_key_only_where_the_loss_has_one():
    taught = Objective((teacher(),), "one", 0.5)
    for loss, told in (("mse", False), ("kl", True)):
        cool, warm = (replace(taught, loss=loss, temperature=degrees) for degrees in (1.0, 4.0))
        assert (cool.identity() != warm.identity()) == told
        assert (SoftLoss(loss, 1.0).identity() != SoftLoss(loss, 4.0).identity()) == told


def test_local_checkpoint_is_known_by_its_content_and_not_by_its_place(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        encoder = load_encoder(source="tiny", seed=seed)
        encoder.model.save_pretrained(tmp_path / name)
    a, b, c = (encoder_identity(EncoderConfig(source="hub", name=str(tmp_path / name))) for name in "abc")
    assert a == b != c


def test_local_checkpoint_is_read_once_and_again_where_it_was_changed(tmp_path, monkeypatch):
    # every key of a student asks for it: gigabytes, dozens of times
    (tmp_path / "model.safetensors").write_text("a")
    read = []
    monkeypatch.setattr("tmkd.store.artifacts.sha256", lambda path: read.append(path) or sha256(path))
    encoder = EncoderConfig(source="hub", name=str(tmp_path))
    first, *others = (encoder_identity(encoder) for _ in range(3))
    assert len(read) == 1
    assert others == [first, first]
    (tmp_path / "model.safetensors").write_text("b")
    os.utime(tmp_path / "model.safetensors", ns=(0, 0))
    assert encoder_identity(encoder) != first


def test_columns_and_lengths_that_shape_the_corpus_are_in_its_key():
    # or another column would be asked for, and the corpus of the first one come back
    files, renamed = config(), config()
    files.corpus.reader = renamed.corpus.reader = "files"
    renamed.corpus.passage = "answer"
    assert corpus(files) != corpus(renamed)
    usual, longer = config(), config()
    longer.data.passage_words = 99
    assert corpus(usual) != corpus(longer)


def test_students_of_earlier_releases_keep_their_identity():
    # or a new setting, left at its default, would have every student trained again
    assert student(config()) == {
        "encoder": {"pooling": "auto", "tiny": [3, 32, 1]},
        "layers": 3,
        "dropout": 0.0,
        "freeze_embeddings": False,
        "max_length": 64,
    }


def test_which_layers_a_student_keeps_is_in_its_identity():
    bottom, every, whole = (
        student(config(student=StudentConfig(**changes)))
        for changes in ({}, {"keep": "every"}, {"keep": "every", "layers": None})
    )
    assert bottom != every
    assert whole == student(config(student=StudentConfig(layers=None)))  # all layers are all layers


def test_encoder_that_is_made_from_the_data_is_known_by_the_data(read_from):
    bilstm = config(student=StudentConfig(encoder=EncoderConfig(source="bilstm")))
    before = student(bilstm)
    assert student(bilstm) == before
    read_from({"python": "3.12"})
    assert student(bilstm) != before


@pytest.mark.parametrize("change", [{"words": 9}, {"dimensions": 9}, {"layers": 1}, {"width": 9}, {"seed": 2}])
def test_what_shapes_a_bilstm_is_in_its_identity(change):
    assert encoder_identity(EncoderConfig(source="bilstm", **change)) != encoder_identity(
        EncoderConfig(source="bilstm")
    )


def test_word_vectors_are_known_by_their_content_and_not_by_their_place(tmp_path):
    for name, text in (("a", "the 1 2"), ("b", "the 1 2"), ("c", "the 1 3")):
        (tmp_path / name).write_text(text)
    a, b, c = (encoder_identity(EncoderConfig(source="bilstm", vectors=str(tmp_path / name))) for name in "abc")
    assert a == b != c
    assert encoder_identity(EncoderConfig(source="bilstm")) not in (a, c)


def test_new_version_of_soft_labels_makes_new_students(monkeypatch):
    before = key("stage2", {"a": 1})
    monkeypatch.setitem(VERSIONS, "soft_labels", 99)
    assert key("stage2", {"a": 1}) != before
