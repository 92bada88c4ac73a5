"""The default run is small; ``experiment=default_full`` keeps the settings that published results were made with."""

from dataclasses import asdict, replace

import pytest

from tests.configs.test_compose import composed
from tmkd.config import CorpusConfig, MethodConfig, Stage1Config, Stage2Config, TrainerConfig, kind_settings

FULL = composed("experiment=default_full")
SMALL = composed()
TEACHER = {"batch_size": 32, "epochs": 3, "dropout": 0.0, "freeze_embeddings": True, "max_length": None}


def test_full_run_has_the_settings_of_its_results():
    """Each of these is part of a key: with another value, results that were made before are not found again."""
    data = FULL.data
    assert (data.reader, data.questions, data.negatives, data.passage_words, data.seed) == (
        "documentation",
        [250, 100, 400],
        3,
        20,
        1,
    )
    assert FULL.corpus == CorpusConfig(questions=1200)
    assert (FULL.encoder.source, FULL.encoder.max_length, FULL.encoder.pooling) == ("embedded", 48, "auto")
    assert [kind_settings(teacher) | {"encoder": teacher.encoder.source} for teacher in FULL.teachers.roster] == [
        TEACHER | {"learning_rate": rate, "seed": seed, "encoder": "same"}
        for seed, rate in enumerate((1.0e-4, 1.5e-4, 2.5e-4), start=1)
    ]
    student = FULL.student
    assert (student.layers, student.keep, student.init, student.pooling) == (3, "bottom", "encoder", "mean")
    assert (student.dropout, student.freeze_embeddings, student.max_length, student.seeds) == (0.0, True, None, [1, 2])
    assert (FULL.stage1, FULL.stage2) == (Stage1Config(), Stage2Config())
    assert FULL.trainer == TrainerConfig()
    assert replace(FULL.method, arms={}) == MethodConfig()


def test_defaults_of_the_classes_that_the_full_run_takes():
    stage1, stage2, method = Stage1Config(), Stage2Config(), MethodConfig()
    assert (stage1.kind, stage1.share, stage1.targets, stage1.loss) == ("soft", 1.0, "average", "mse")
    assert (stage1.learning_rate, stage1.batch_size, stage1.epochs) == (2e-4, 16, 1)
    assert (stage2.learning_rate, stage2.batch_size, stage2.epochs, stage2.patience) == (2e-4, 16, 5, 2)
    assert (method.alpha, method.loss, method.mix, method.head_init, method.carry_heads) == (
        0.9, "mse", "heads", "shared", True,
    )  # fmt: skip


def test_default_run_differs_from_the_full_one_in_sizes_and_what_goes_with_them():
    assert _differing(asdict(SMALL), asdict(FULL)) == {
        "name",
        "data.questions",
        "data.passage_words",
        "corpus.questions",
        "encoder.max_length",
        *(f"teachers.roster.{i}.{name}" for i in range(3) for name in ("learning_rate", "batch_size", "epochs")),
        "student.layers",
        "stage1.batch_size",
        "stage2.batch_size",
        "stage2.epochs",
    }
    assert all(one < other for one, other in zip(SMALL.data.questions, FULL.data.questions))
    assert SMALL.corpus.questions < FULL.corpus.questions


def test_default_run_has_seeds_to_test_with():
    assert len(SMALL.student.seeds) >= 2
    assert SMALL.teachers.size == FULL.teachers.size == 3


def test_an_option_of_a_group_is_taken_with_the_default_run_too():
    assert composed("student=bottom5").student.layers == 5
    assert composed("encoder=tiny").encoder.source == "tiny"
    assert composed("data=smoke").data.reader == "files"


@pytest.mark.parametrize("data", ["files", "wikiqa", "documentation"])
def test_other_data_is_not_trained_on_in_the_sizes_of_the_first_look(data):
    # or a user's own data would be given two layers and two epochs
    files = [] if data == "documentation" else ["data.train=train.tsv", "data.test=test.tsv"]
    other = asdict(composed(f"data={data}", *files))
    differing = _differing(other, asdict(FULL))
    assert {path for path in differing if not path.startswith(("data.", "corpus."))} <= {"name"}


def _differing(one, other, where=""):
    if isinstance(one, list) and isinstance(other, list) and where == "teachers.roster":
        one, other = (dict(enumerate(each)) for each in (one, other))
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return {path for key in one for path in _differing(one[key], other[key], f"{where}.{key}" if where else key)}
    return set() if one == other else {where}
