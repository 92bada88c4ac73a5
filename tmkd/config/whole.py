"""All settings of a run together, and what several sections must agree on."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Optional

from tmkd.choices import FINE_TUNED, FLOAT, GOLD_RANKING_LOSSES, RANKING_LOSSES, TRUST_BY
from tmkd.config import validators
from tmkd.config.check_data import check_corpus, check_data
from tmkd.config.check_teachers import check_teachers
from tmkd.config.data import CorpusConfig, DataConfig
from tmkd.config.families import LanguageConfig, check_language
from tmkd.config.label import LabelConfig, check_label
from tmkd.config.marks import OUTSIDE
from tmkd.config.method import MethodConfig, check_method, check_weights
from tmkd.config.mine import MineConfig, check_mine
from tmkd.config.models import (
    EncoderConfig,
    StudentConfig,
    check_encoder,
    check_student,
)
from tmkd.config.outputs import check_outputs
from tmkd.config.run import (
    COLUMNS,
    ComparisonConfig,
    PathsConfig,
    RuntimeConfig,
    TableConfig,
    check_comparison,
    check_paths,
    check_runtime,
    check_table,
)
from tmkd.config.spend import SpendConfig, check_spend
from tmkd.config.stages import Stage1Config, Stage2Config, TrainerConfig, check_stage1, check_stage2, check_trainer
from tmkd.config.teachers import TeacherConfig, TeachersConfig
from tmkd.config.tune import TuneConfig, check_tune
from tmkd.measures import is_possible, possible


@dataclass
class Config:
    # of the experiment: its report goes to the folder paths.reports/NAME
    name: str = field(default="default", metadata=OUTSIDE)
    # what chooses epochs and teachers, leads tables and is tested; null: map where data.ranking is true, else accuracy
    # (labels are grades or numbers: ndcg, else spearman); map | mrr | ndcg | ndcg@K | mrr@K | r@K (K passages, as
    # ndcg@10) | accuracy | auc (two classes) | spearman (grades or numbers)
    metric: Optional[str] = None
    data: DataConfig = field(default_factory=DataConfig)
    corpus: CorpusConfig = field(default_factory=CorpusConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    teachers: TeachersConfig = field(default_factory=TeachersConfig)
    student: StudentConfig = field(default_factory=StudentConfig)
    stage1: Stage1Config = field(default_factory=Stage1Config)
    language: LanguageConfig = field(default_factory=LanguageConfig)
    stage2: Stage2Config = field(default_factory=Stage2Config)
    method: MethodConfig = field(default_factory=MethodConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    mine: MineConfig = field(default_factory=MineConfig, metadata=OUTSIDE)
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig, metadata=OUTSIDE)
    comparison: ComparisonConfig = field(default_factory=ComparisonConfig, metadata=OUTSIDE)
    label: LabelConfig = field(default_factory=LabelConfig, metadata=OUTSIDE)
    spend: SpendConfig = field(default_factory=SpendConfig, metadata=OUTSIDE)
    tune: TuneConfig = field(default_factory=TuneConfig, metadata=OUTSIDE)
    table: TableConfig = field(default_factory=TableConfig, metadata=OUTSIDE)
    paths: PathsConfig = field(default_factory=PathsConfig, metadata=OUTSIDE)


def check(config: Config) -> Config:
    """Return the config itself, or raise ConfigError for the first setting that makes no sense.

    It is one sentence: the setting, what was expected, what came. Nothing has cost time by then.
    """
    counts = config.comparison.teacher_counts
    _folders(config)
    check_data(config.data, config.teachers.learn_files)
    _judged(config)
    check_corpus(config.corpus)
    check_encoder("encoder", config.encoder)
    check_teachers(config.teachers, len(config.data.outputs), counts)
    check_comparison(config.comparison, config.table)
    trained = all(teacher.kind == FINE_TUNED for teacher in teaching(config)) and not config.teachers.cross_fit
    expected = f"encoder, where a teacher's kind is not {FINE_TUNED} or teachers.cross_fit is set"
    validators.that(trained or config.student.init == "encoder", "student.init", expected, config.student.init)
    encoders = [encoder_of(teacher, config) for teacher in teaching(config)]
    check_student(config.student, encoder_of(config.student, config), encoders)
    check_stage1(config.stage1)
    if config.stage1.kind == "language":
        check_language(config.language, config.student)
    check_stage2(config.stage2)
    _ranks(config)
    if "fixed" in (config.method.teacher_weights, config.stage1.teacher_weights):
        check_weights(config.method.weights, len(encoders), counts or [config.teachers.size])
    _trust(config)
    check_method(config.method, fewest=min([config.teachers.size, *counts]))
    check_outputs(config.data.label_kind, config.method, config.stage1, config.student)
    check_label(config.label)
    check_spend(config.spend, config.teachers.size)
    check_tune(config.tune)
    check_table(config.table, config.method.arms)
    check_trainer(config.trainer)
    check_mine(config.mine, len(teaching(config)))
    check_runtime(config.runtime)
    check_paths(config.paths)
    return config


def _judged(config: Config) -> None:
    """The metric that the task is judged by, and what a ranking alone has."""
    ranking, classes = config.data.ranking, len(config.data.outputs)
    known = config.metric is None or is_possible(config.metric, ranking, classes)
    validators.that(known, "metric", possible(ranking, classes), config.metric)
    runs = ranking or not config.comparison.write_runs
    validators.that(runs, "comparison.write_runs", "false where data.ranking is false", True)
    whole = config.data.label_kind != FLOAT or not config.comparison.write_runs
    expected = f"false where data.label_kind is {FLOAT}, since qrels hold whole numbers"
    validators.that(whole, "comparison.write_runs", expected, True)


def _folders(config: Config) -> None:
    """Names of which folders are made: the experiment's and, where there is a table, the task's."""
    plain = bool(config.name) and not set(config.name) & set("/\\") and not config.name.startswith(".")
    validators.that(plain, "name", "a plain folder name", config.name)
    validators.folder("name", config.name)
    if config.table.rows:
        task = task_folder(config)
        expected = "a name that a folder can have where there is a table"
        validators.that(task not in ("", COLUMNS), "data.name", expected, repr(config.data.name))
        validators.folder("data.name", task)


def _trust(config: Config) -> None:
    """The column by which teachers' weights are learnt is one that is kept."""
    by = config.method.trust_by
    if by in TRUST_BY:
        return
    for weights, section in ((config.method.teacher_weights, "data"), (config.stage1.teacher_weights, "corpus")):
        columns = getattr(config, section).extra_columns
        expected = f"{', '.join(TRUST_BY)}, or a name in {section}.extra_columns ({', '.join(columns) or 'none'})"
        validators.that(weights != "learnt" or by in columns, "method.trust_by", expected, by)
    # weights are learnt on the task in either stage
    learnt = "learnt" in (config.method.teacher_weights, config.stage1.teacher_weights)
    expected = f"{', '.join(TRUST_BY)}, or a name in data.extra_columns"
    validators.that(not learnt or by in config.data.extra_columns, "method.trust_by", expected, by)


def _ranks(config: Config) -> None:
    """Questions have passages to rank where batches are of whole questions, or teachers or stage 1 learn to rank.

    Arms are checked with their own settings.
    """
    sizes = {"stage2": config.stage2.group_size, "teachers": config.teachers.group_size}
    losses = {}
    if config.stage1.kind == "soft" and config.stage1.loss in RANKING_LOSSES:
        losses["stage1.loss"] = config.stage1.loss
    for place, teacher in enumerate(teaching(config)):
        where = f"teachers.roster[{place}]"
        sizes[where] = teacher.group_size
        own = config.teachers.settled(teacher).gold_loss
        name = f"{where}.gold_loss" if teacher.gold_loss else "teachers.gold_loss"
        validators.gold_loss(name, own, config.data.label_kind)
        if own in GOLD_RANKING_LOSSES:
            losses[name] = own
    for where, size in sizes.items():
        expected = "null where data.ranking is false, since questions do not have passages to rank"
        validators.that(size is None or config.data.ranking, f"{where}.group_size", expected, size)
    for name, loss in losses.items():
        validators.ranked(name, loss, config.data.ranking)


def teaching(config: Config) -> list[TeacherConfig]:
    """Return the teachers of the roster that teach in the run, or at any of the counts that it compares."""
    return config.teachers.roster[: max([config.teachers.size, *config.comparison.teacher_counts])]


def task_folder(config: Config) -> str:
    """Return the task's name as one of a folder; empty where it has neither a letter nor a digit."""
    return re.sub(r"[^\w-]+", "-", config.data.name).strip("-")


def encoder_of(member: TeacherConfig | StudentConfig, config: Config) -> EncoderConfig:
    """Return a teacher's or the student's own encoder, or the run's where it has none."""
    return config.encoder if member.encoder.source == "same" else member.encoder
