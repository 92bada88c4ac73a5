"""Every setting shapes a key, or is marked as outside of all: or a changed setting would find the old result."""

from __future__ import annotations

import copy
import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.running import compose_at
from tmkd.choices import FINE_TUNED
from tmkd.config import Config, EncoderConfig, TeacherConfig
from tmkd.config.marks import OF
from tmkd.experiment.arms import resolve_arms
from tmkd.experiment.experiment import Experiment
from tmkd.experiment.students import students

ARMS = ("experiment=smoke", "method=[tmkd,kd]", "+terms=rkd", "student.seeds=[1]")
TERM, ARM, TEACHER = "method.terms.rkd_distances", "method.arms.tmkd", "teachers.roster.0"
DRAWN = ("data.validation=null",)
DOCS = ("data=documentation", "corpus=documentation")
TASK, MINED = (
    ("corpus=task",),
    ("corpus=mined", "corpus.path=${example:corpus.jsonl}", "corpus.passages=${corpus.path}"),
)
KL = ("method.loss=kl", "stage1.loss=kl", "method.temperature=2", "stage1.temperature=2")
FALLS = ("method.alpha_end=0.5", "method.temperature_end=1", *KL)
HUB = ("corpus=hub", "corpus.path=somebody/pairs", "corpus.revision=" + "0" * 40)
LANGUAGE = ("stage1.kind=language",)
BILSTM = ("student=bilstm", "student.encoder.word_vectors=random")
MUTUAL, COPIES = ("method.online.kind=mutual",), ("method.online.kind=codistillation", "method.alpha=0.5")
OWN = (f"{TEACHER}.train=${{example:train.tsv}}",)
LORA = (f"{TEACHER}.lora.rank=4",)
EXITS = ("student.exits=[1]",)
# What no change of the value itself shows in the runs above: the value to change it to, and the settings around it.
CASES: dict[str, tuple[Any, tuple[str, ...]]] = {
    "metric": ("mrr@10", ()),
    "data.reader": ("documentation", ()),
    "data.classes": (["right", "wrong"], ()),
    "data.label_kind": ("graded", ()),
    "data.labels": ({"no": "wrong"}, ()),
    "data.validation_share": (0.2, DRAWN),
    "data.seed": (2, DRAWN),
    "data.on_bad_row": ("skip", ()),
    "data.separator": ("comma", ()),
    "data.quoting": ("none", ()),
    "data.extra_columns": (["source"], ()),
    "data.format": ("flag_embedding", ()),
    "data.questions": ([500, 150, 400], DOCS),
    "data.negatives": (4, DOCS),
    "data.passage_words": (33, DOCS),
    "corpus.reader": ("documentation", ()),
    "corpus.pairs": (20, ()),
    "corpus.extra_columns": (["source"], ()),
    "corpus.separator": ("comma", ()),
    "corpus.quoting": ("none", ()),
    "corpus.format": ("flag_embedding", ()),
    "corpus.split": ("other", HUB),
    "corpus.questions": (99, DOCS),
    "corpus.candidates": (2, TASK),
    "corpus.random": (1, MINED),
    "corpus.seed": (2, TASK),
    "corpus.stop_words": ("de", MINED),
    "corpus.stemmer": ("german", TASK),
    "corpus.characters": (2, TASK),
    "encoder.source": ("embedded", ()),
    "encoder.pooling": ("mean", ()),
    "encoder.words": (99, BILSTM),
    "encoder.long": ("best_chunk", ()),
    "encoder.dimensions": (99, BILSTM),
    "encoder.word_vectors": ("encoder", BILSTM),
    f"{TEACHER}.dropout": (0.3, ()),
    f"{TEACHER}.max_length": (32, ()),
    f"{TEACHER}.lora.rank": (8, ()),
    f"{TEACHER}.lora.alpha": (None, LORA),
    f"{TEACHER}.lora.targets": (["query"], LORA),
    f"{TEACHER}.long": ("first_last", ()),
    f"{TEACHER}.train_with_task": (True, OWN),
    f"{TEACHER}.gold_loss": ("listwise", ()),
    "student.keep": ("every", ()),
    "student.init": ("teacher", ()),
    "student.pooling": ("first", ()),
    "student.max_length": (32, ()),
    "student.long": ("best_chunk", ()),
    "student.exits": ([1], ()),
    "student.seeds": ([7], ()),
    "teachers.count": (2, ()),
    "teachers.gold_loss": ("lambda", ()),
    "teachers.calibration": ("temperature", ()),
    "teachers.cross_fit": (3, ()),
    "teachers.group_size": (4, ()),
    "teachers.batch_questions": (3, ("teachers.group_size=4",)),
    f"{TEACHER}.group_size": (4, ()),
    f"{TEACHER}.batch_questions": (3, ("teachers.group_size=4",)),
    "stage1.kind": ("language", ()),
    "stage1.teacher_weights": ("confidence", ()),
    "stage1.share": (0.5, ()),
    "stage1.group_size": (4, ()),
    "stage1.batch_questions": (3, ("stage1.group_size=4",)),
    "stage1.average_seeds": (2, ()),
    "stage2.average_seeds": (2, ()),
    "stage2.group_size": (0, ()),
    "stage2.batch_questions": (3, ("stage2.group_size=0",)),
    "stage1.targets": ("heads", ()),
    "stage1.loss": ("kl", ()),
    "stage1.temperature": (3.0, KL),
    **{f"language.{name}": (None, LANGUAGE) for name in ("kl", "mlm", "cosine", "temperature", "masked", "held_out")},
    **{f"language.{name}": (None, LANGUAGE) for name in ("fit_encoder", "fit_epochs", "fit_learning_rate", "seed")},
    "language.fit_batch_size": (None, LANGUAGE),
    "method.alpha": (0.8, ()),
    "method.gold_loss": ("ranknet", ()),
    "method.margin_pairs": ("right_wrong", ("method.loss=margin_mse", "stage2.group_size=0")),
    "method.loss": ("ce", ()),
    "method.temperature": (3.0, KL),
    "method.alpha_end": (0.5, ()),
    "method.temperature_end": (1.0, KL),
    "method.schedule": ("cosine", FALLS),
    "method.mix": ("blend", ("method=kd",)),
    "method.teacher_weights": ("agreement", ()),
    "method.trust_by": ("none", ("method.teacher_weights=learnt",)),
    "method.weights": ([1.0, 2.0, 3.0], ("method.teacher_weights=fixed", "method.weights=[3,2,1]")),
    f"{TERM}.loss": ("angles", ()),
    f"{TERM}.end": (0.1, ()),
    f"{TERM}.schedule": ("cosine", ()),
    f"{TERM}.layers": ("top", ()),
    f"{TERM}.pooling": ("mean", ()),
    f"{TERM}.relation_heads": (2, ()),
    f"{TERM}.stages": ([1, 2], ()),
    "method.online.kind": ("mutual", ()),
    "method.online.peers": (3, MUTUAL),
    "method.online.weight": (None, MUTUAL),
    "method.online.temperature": (None, MUTUAL),
    "method.online.burn_in": (0.1, MUTUAL),
    "method.online.refresh": (None, COPIES),
    "method.online.processes": (None, COPIES),
    "method.online.direction": ("down", MUTUAL),
    **{f"method.exits.{name}": (None, EXITS) for name in ("weight", "alpha", "temperature", "feature_weight")},
    "method.head_init": ("separate", ()),
    f"{ARM}.targets": ("average", ()),
    f"{ARM}.taught_by": ("kd", ()),
    f"{ARM}.teacher": (2, ("method.arms.tmkd.targets=one",)),
    f"{ARM}.alpha": (0.5, ()),
    f"{ARM}.gold_loss": ("listwise_each", ()),
    f"{ARM}.loss": ("ce", ()),
    f"{ARM}.temperature": (3.0, KL),
    f"{ARM}.generations": (2, ("method.arms.tmkd.pretrain=false",)),
    f"{ARM}.continues": (True, ("method.arms.tmkd.pretrain=false", "method.arms.tmkd.generations=2")),
    f"{ARM}.terms": ([], ()),
    f"{ARM}.set": ({"student": {"layers": 1}}, ()),
    "trainer.schedule": ("cosine", ()),
}
# Only a student's own encoder may be a Bi-LSTM.
ELSEWHERE = {f"encoder.{name}": f"student.encoder.{name}" for name in ("words", "dimensions", "word_vectors")}
# What these lead to is in the key, not they themselves: tests of identities change files, versions and commits.
BY_CONTENT = {
    *(f"data.{name}" for name in ("train", "validation", "test", "path", "subset", "revision", "packages")),
    *(f"corpus.{name}" for name in ("path", "passages", "subset", "revision")),
    f"{TEACHER}.kind",
    f"{TEACHER}.train",
    "teachers.missing",  # and with other kinds of teacher
    *(f"{section}.{name}" for section in ("data", "corpus") for name in ("queries", "documents")),
    *(f"encoder.{name}" for name in ("name", "revision", "trust_remote_code", "vectors")),
}


def counted(node: Any, path: str = "") -> Iterator[str]:
    """The settings that are not marked as outside of every key, by their paths; of a list, those of its first entry."""
    for known in dataclasses.fields(node):
        value, where = getattr(node, known.name), f"{path}.{known.name}".lstrip(".")
        if isinstance(node, TeacherConfig) and FINE_TUNED not in known.metadata.get(OF, (FINE_TUNED,)):
            continue  # of other kinds of teacher, tested with them
        if "outside" in known.metadata or (path and isinstance(value, EncoderConfig)):  # a member's own: as `encoder`
            continue
        if isinstance(value, list | dict) and value:
            name, first = next(iter(value.items())) if isinstance(value, dict) else (0, value[0])
            if dataclasses.is_dataclass(first):
                yield from counted(first, f"{where}.{name}")
                continue
        if dataclasses.is_dataclass(value):
            yield from counted(value, where)
        else:
            yield where


@functools.cache
def composed(home: Path, around: tuple[str, ...]) -> Config:
    return compose_at(home, *ARMS, *around)


def changed(config: Config, path: str, value: Any) -> Config:
    """The config with another value in one place; None: one that differs from what is there."""
    config = copy.deepcopy(config)
    *above, last = path.split(".")
    section: Any = config
    for step in above:
        section = section[int(step)] if isinstance(section, list) else _entry(section, step)
    before = getattr(section, last)
    if value is None:
        value = not before if isinstance(before, bool) else before + "2" if isinstance(before, str) else before * 2 + 1
    setattr(section, last, value)
    return config


def _entry(section: Any, step: str) -> Any:
    return section[step] if isinstance(section, dict) else getattr(section, step)


def keys(config: Config) -> set[str]:
    experiment = Experiment(config)
    arms = resolve_arms(experiment, Experiment.best_so_far)
    made = [student for arm in arms for seed in arm.experiment.config.student.seeds for student in students(arm, seed)]
    return {each.name for each in (*made, *experiment.roster, experiment.task, experiment.corpus)}


def settings() -> list[str]:
    return [path for path in counted(composed(Path("nowhere"), ())) if path not in BY_CONTENT]


@pytest.mark.parametrize("path", settings())
def test_setting_that_changes_a_result_changes_its_key(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tmkd.results.corpus.readers.corpus_identity", lambda *_: {"files": []})
    value, around = CASES.get(path, (None, ()))
    usual = composed(Path("nowhere"), around)
    assert keys(usual) == keys(copy.deepcopy(usual)), "or any change would seem to count"
    assert keys(changed(usual, ELSEWHERE.get(path, path), value)) != keys(usual)


@pytest.mark.parametrize(("usual", "ranking"), [("map", True), ("accuracy", False)])
def test_metric_that_a_task_is_judged_by_anyway_changes_no_key(usual: str, ranking: bool) -> None:
    config = changed(composed(Path("nowhere"), ()), "data.ranking", ranking)
    assert keys(changed(config, "metric", usual)) == keys(config)


def test_cases_are_of_settings_that_there_are() -> None:
    assert set(CASES) | BY_CONTENT <= set(counted(composed(Path("nowhere"), ())))
