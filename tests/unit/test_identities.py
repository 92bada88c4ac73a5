"""Keys: what changes a result changes its key, and what does not leaves it alone."""

import os
from dataclasses import replace

import pytest
from tmkd.pipelines.specs import corpus_spec, encoder_spec, soft_spec, student_spec, task_spec, teacher_spec

from tmkd.config import Config, EncoderConfig, StudentConfig, TeacherConfig
from tmkd.disk import sha256
from tmkd.identity import VERSIONS, key
from tmkd.models.encoder import load_encoder

RAW = {"python": "3.11"}


def config(**changes):
    return replace(Config(encoder=EncoderConfig(source="tiny")), **changes)


def teacher_key(teacher=None, **changes):
    return key("teacher", teacher_spec(config(**changes), teacher or TeacherConfig(), "task"))


def test_runtime_and_paths_are_in_no_key():
    usual, other = config(), config()
    other.runtime.device, other.runtime.threads, other.paths.artifacts = "cuda", 7, "/elsewhere"
    other.data.train = "/moved/train.tsv"
    for spec in (lambda c: teacher_spec(c, TeacherConfig(), "t"), student_spec, lambda c: task_spec(c, RAW)):
        assert spec(usual) == spec(other)


@pytest.mark.parametrize(
    "change",
    [{"learning_rate": 1e-3}, {"batch_size": 7}, {"epochs": 9}, {"dropout": 0.3}, {"seed": 5}, {"max_length": 9}],
)
def test_every_hyperparameter_of_a_teacher_is_in_its_key(change):
    assert teacher_key(TeacherConfig(**change)) != teacher_key()


def test_a_length_that_is_the_encoders_own_is_the_same_teacher():
    assert teacher_key(TeacherConfig(max_length=64)) == teacher_key(TeacherConfig(max_length=None))


def test_roster_beyond_the_count_is_in_no_teachers_key():
    # or a sweep over the number of teachers would train all of them again for each number
    usual, longer = config(), config()
    longer.teachers.count, longer.teachers.roster = 2, [TeacherConfig(seed=seed) for seed in range(5)]
    assert teacher_spec(usual, TeacherConfig(), "t") == teacher_spec(longer, TeacherConfig(), "t")


def test_corpus_size_is_in_no_tasks_key():
    usual, larger = config(), config()
    larger.corpus.questions = 10 * usual.corpus.questions
    assert task_spec(usual, RAW) == task_spec(larger, RAW)
    assert corpus_spec(usual, RAW) != corpus_spec(larger, RAW)


def test_corpus_of_the_tasks_own_text_follows_whatever_shapes_the_task():
    own, other = config(), config()
    for made in (own, other):
        made.corpus.reader, made.data.reader, made.data.test = "task", "files", "test.tsv"
    assert corpus_spec(own, RAW) == corpus_spec(other, RAW)
    other.data.validation_share = 0.2  # which training questions validate, and so are not in the corpus
    assert corpus_spec(own, RAW) != corpus_spec(other, RAW)
    assert corpus_spec(own, RAW) != corpus_spec(own, {"python": "3.12"})


def test_separator_and_quoting_are_in_a_key_only_where_they_say_something():
    usual, other, elsewhere = config(), config(), config()
    for made in (usual, other, elsewhere):
        made.data.reader, made.data.test, made.corpus.reader = "files", "test.tsv", "mined"
    assert not {"separator", "quoting"} & (set(task_spec(usual, RAW)["data"]) | set(corpus_spec(usual, RAW)["corpus"]))
    other.data.quoting, other.corpus.separator = "none", "semicolon"
    assert task_spec(usual, RAW) != task_spec(other, RAW)
    assert corpus_spec(usual, RAW) != corpus_spec(other, RAW)
    elsewhere.data.reader = elsewhere.corpus.reader = "documentation"
    before = task_spec(elsewhere, RAW), corpus_spec(elsewhere, RAW)
    elsewhere.data.quoting, elsewhere.corpus.separator = "none", "semicolon"
    assert (task_spec(elsewhere, RAW), corpus_spec(elsewhere, RAW)) == before


def test_versions_of_what_is_read_are_in_the_key():
    assert task_spec(config(), RAW) != task_spec(config(), {"python": "3.12"})


def test_temperature_is_in_the_key_only_where_the_loss_has_one():
    assert soft_spec("mse", 1.0) == soft_spec("mse", 4.0)
    assert soft_spec("kl", 1.0) != soft_spec("kl", 4.0)


def test_local_checkpoint_is_known_by_its_content_and_not_by_its_place(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        encoder = load_encoder(source="tiny", seed=seed)
        encoder.model.save_pretrained(tmp_path / name)
    a, b, c = (encoder_spec(EncoderConfig(source="hub", name=str(tmp_path / name))) for name in "abc")
    assert a == b != c


def test_local_checkpoint_is_read_once_and_again_where_it_was_changed(tmp_path, monkeypatch):
    # every key of a student asks for it: gigabytes, dozens of times
    (tmp_path / "model.safetensors").write_text("a")
    read = []
    monkeypatch.setattr("tmkd.artifacts.sha256", lambda path: read.append(path) or sha256(path))
    encoder = EncoderConfig(source="hub", name=str(tmp_path))
    first, *others = (encoder_spec(encoder) for _ in range(3))
    assert len(read) == 1
    assert others == [first, first]
    (tmp_path / "model.safetensors").write_text("b")
    os.utime(tmp_path / "model.safetensors", ns=(0, 0))
    assert encoder_spec(encoder) != first


def test_columns_and_lengths_that_shape_the_corpus_are_in_its_key():
    # or another column would be asked for, and the corpus of the first one come back
    files, renamed = config(), config()
    files.corpus.reader = renamed.corpus.reader = "files"
    renamed.corpus.passage = "answer"
    assert corpus_spec(files, RAW) != corpus_spec(renamed, RAW)
    usual, longer = config(), config()
    longer.data.passage_words = 99
    assert corpus_spec(usual, RAW) != corpus_spec(longer, RAW)


def test_students_of_earlier_releases_keep_their_identity():
    # or a new setting, left at its default, would have every student trained again
    assert student_spec(config()) == {
        "encoder": {"pooling": "auto", "tiny": [3, 32, 1]},
        "layers": 3,
        "dropout": 0.0,
        "freeze_embeddings": False,
        "max_length": 64,
    }


def test_which_layers_a_student_keeps_is_in_its_identity():
    bottom, every, whole = (
        student_spec(config(student=StudentConfig(**changes)))
        for changes in ({}, {"keep": "every"}, {"keep": "every", "layers": None})
    )
    assert bottom != every
    assert whole == student_spec(config(student=StudentConfig(layers=None)))  # all layers are all layers


def test_encoder_that_is_made_from_the_data_is_known_by_its_key():
    student = config(student=StudentConfig(encoder=EncoderConfig(source="bilstm")))
    assert student_spec(student, "a") != student_spec(student, "b")
    with pytest.raises(ValueError, match="expected the key of the encoder"):
        student_spec(student)


@pytest.mark.parametrize("change", [{"words": 9}, {"dimensions": 9}, {"layers": 1}, {"width": 9}, {"seed": 2}])
def test_what_shapes_a_bilstm_is_in_its_identity(change):
    assert encoder_spec(EncoderConfig(source="bilstm", **change)) != encoder_spec(EncoderConfig(source="bilstm"))


def test_word_vectors_are_known_by_their_content_and_not_by_their_place(tmp_path):
    for name, text in (("a", "the 1 2"), ("b", "the 1 2"), ("c", "the 1 3")):
        (tmp_path / name).write_text(text)
    a, b, c = (encoder_spec(EncoderConfig(source="bilstm", vectors=str(tmp_path / name))) for name in "abc")
    assert a == b != c
    assert encoder_spec(EncoderConfig(source="bilstm")) not in (a, c)


def test_new_version_of_soft_labels_makes_new_students(monkeypatch):
    before = key("stage2", {"a": 1})
    monkeypatch.setitem(VERSIONS, "soft_labels", 99)
    assert key("stage2", {"a": 1}) != before
