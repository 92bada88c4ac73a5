"""The task and the corpus: where they come from and how they are read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional

from omegaconf import MISSING

from tmkd.choices import (
    CLASS_FORMATS,
    CLASSES,
    CORPUS_READERS,
    DATA_SETS,
    FORMATS,
    JOINED_FORMATS,
    LABEL_KINDS,
    PAIRS,
    SCORE,
    SEPARATORS,
    STEMMERS,
    STOP_WORDS,
    TASK_READERS,
    TRUST_BY,
)
from tmkd.config import validators
from tmkd.config.marks import OUTSIDE
from tmkd.spelling import Names

COLUMNS = ("question", "passage", "question_id")  # settings that name columns
OPPOSITE = {  # what people call right passages, and wrong ones: the class of right ones is the last
    **dict.fromkeys(("right", "correct"), ("wrong", "incorrect")),
    **dict.fromkeys(("true", "yes", "1", "relevant", "positive"), ("false", "no", "0", "irrelevant", "negative")),
}
ROW = ("id", *COLUMNS, "label", "part", "score", "rank")  # columns that a row has where it is kept or written


@dataclass
class DataConfig:
    name: str = field(default=MISSING, metadata=OUTSIDE)  # what tables call the task
    reader: str = (
        "documentation"  # documentation (of installed packages) | files | hub (data sets of `datasets`) | none
    )
    # what labels are: classes | graded (relevance, a whole number from 0 to 30) | float (any numbers); models of the
    # last two have one logit, the score
    label_kind: str = CLASSES
    classes: list[str] = field(
        default_factory=lambda: ["wrong", "right"]
    )  # names of the classes; a label in the data is one of them, or its index
    labels: dict[Any, str] = field(
        default_factory=dict
    )  # other names that the data has for labels, each with its class
    ranking: bool = True  # a question has several passages to put in order: adds MAP, nDCG and their like
    # training pairs; files: their path (of beir, the name in qrels/; null: train); hub: the name of the split
    train: Optional[str] = None
    validation: Optional[str] = None  # likewise; null: validation_share of the training questions validate
    test: Optional[str] = None  # likewise; hub: splits joined by + have equal weight in every metric (MNLI)
    question: str = "question"  # name of the column with questions
    passage: str = "passage"  # name of the column with passages
    label: str = "label"  # name of the column with labels
    question_id: str = "question_id"  # name of a column that may be missing: then equal texts are one question
    # files, hub: names of further columns that are kept, as text (method.trust_by); every row must have them
    extra_columns: list[str] = field(default_factory=list)
    validation_share: float = 0.1  # share of the training questions that validate, where validation is null
    # leave out questions that lack a right or a wrong passage, or have one grade alone: they cannot be ranked
    rankable_only: bool = False
    on_bad_row: str = "raise"  # raise | skip (the log counts them and says where); applies to the corpus too
    separator: Optional[str] = None  # files: comma | semicolon | tab | pipe; null: by the file's ending (.csv, .tsv)
    quoting: str = "csv"  # files, hub: csv (double quotes enclose a text) | none (quotes are part of it)
    # column of the paper's tables to compare with: DeepQA, MNLI, SNLI, QNLI, RTE
    column: Optional[str] = field(default=None, metadata=OUTSIDE)
    stands_in: bool = field(default=True, metadata=OUTSIDE)  # this is not that data set itself but a similar one
    # files: whose fields they have: pairs (question, passage, label) | flag_embedding | sentence_transformers |
    # tevatron | pylate | beir | trec | msmarco
    format: str = "pairs"
    queries: Optional[str] = None  # files, of pylate, trec and msmarco: texts of the queries (a path or a glob)
    documents: Optional[str] = None  # files, of pylate, trec and msmarco: texts of the documents (a path or a glob)
    # hub: name on the hub, or a folder that `datasets` saved; files, of beir: the folder
    path: Optional[str] = None
    subset: Optional[str] = None  # hub: name of the configuration (glue: rte)
    revision: Optional[str] = None  # hub: branch, tag or commit
    packages: list[str] = field(default_factory=list)  # documentation: packages to read; python: its standard library
    questions: list[int] = field(
        default_factory=lambda: [600, 150, 400]
    )  # documentation: number of train, validation and test questions
    negatives: int = 3  # documentation: wrong passages for each question
    passage_words: int = 32  # documentation: number of words after which passages are cut
    seed: int = 1  # random seed: of splits and negatives (documentation), of a drawn validation split (others)

    @property
    def outputs(self) -> list[str]:
        """The names of a model's logits: one a class, or the score alone."""
        return list(self.classes) if self.label_kind == CLASSES else [SCORE]


@dataclass
class CorpusConfig:
    # documentation | files | hub | mined (your questions and passages, paired by BM25) | task (those of the training
    # split, paired by BM25)
    reader: str = "documentation"
    path: Optional[str] = None  # files: a path or a glob (of beir, the folder); mined: of questions; hub: as data.path
    format: str = "pairs"  # files: as data.format
    queries: Optional[str] = None  # files: as data.queries
    documents: Optional[str] = None  # files: as data.documents
    passages: Optional[str] = None  # mined: a path or a glob, of passages
    pairs: Optional[int] = None  # use at most this many, drawn by content; null: all
    question: str = "question"  # name of the column with questions
    passage: str = "passage"  # name of the column with passages
    question_id: str = "question_id"  # name of a column that may be missing
    extra_columns: list[str] = field(default_factory=list)  # files, hub: as data.extra_columns
    separator: Optional[str] = None  # files, mined: as data.separator
    quoting: str = "csv"  # files, mined, hub: as data.quoting
    subset: Optional[str] = None  # hub: as data.subset
    revision: Optional[str] = None  # hub: as data.revision
    split: str = "train"  # hub: the split to read; files, of beir: the name in qrels/
    questions: int = 2000  # documentation: number of questions
    candidates: int = 4  # documentation, mined, task: passages for each question, the best by BM25
    random: int = 0  # documentation, mined, task: further passages for each question, drawn at random
    seed: int = 1  # mined, task: random seed of these
    # mined, task, and `tmkd mine`: what BM25 leaves out: the stop words of da | de | en | en_plus | es | fr | it | ko |
    # nl | no | pt | ru | sv | tr | zh, a list of words, or null (nothing); a YAML file needs quotes around "no"
    stop_words: Any = "en"
    # likewise: the Snowball algorithm that brings words to their stems (english, german, ...); needs tmkd[stemmer]
    stemmer: Optional[str] = None
    characters: int = 0  # likewise: 0 (words) | n (runs of n characters: 2 for Chinese and Japanese, without spaces)
    # where the corpus has questions of the test split: refuse | allow
    test_questions: str = field(default="refuse", metadata=OUTSIDE)


def check_data(data: DataConfig) -> None:
    """How the task is read."""
    validators.one_of("data.reader", data.reader, TASK_READERS)
    validators.one_of("data.label_kind", data.label_kind, LABEL_KINDS)
    validators.one_of("data.on_bad_row", data.on_bad_row, ("raise", "skip"))
    validators.that(
        0 < data.validation_share < 1, "data.validation_share", "more than 0 and less than 1", data.validation_share
    )
    _fields("data", data)
    _format("data", data, (*COLUMNS, "label"))
    _extra("data", data, (data.question, data.passage, data.question_id, data.label))
    if data.label_kind == CLASSES:
        _classes(data)
    else:
        _no_classes(data)
    if data.column is not None:
        validators.one_of("data.column", data.column, DATA_SETS)
    columns = (data.question, data.passage, data.label)
    different = len(set(columns)) == len(columns)
    validators.that(different, "data", "three different columns: question, passage and label", ", ".join(columns))
    validators.that(
        not data.rankable_only or data.ranking, "data.rankable_only", "false where data.ranking is false", True
    )
    validators.that(
        len(data.questions) == 3 and min(data.questions) > 0, "data.questions", "three numbers above 0", data.questions
    )
    validators.positive("data", data, ("negatives", "passage_words"))
    validators.seed("data.seed", data.seed)


def _classes(data: DataConfig) -> None:
    """The names of classes, and the source's own names for them."""
    two = data.format in CLASS_FORMATS or len(data.classes) == 2
    expected = f"two classes, as {data.format} tells right passages from wrong ones"
    validators.that(two, "data.classes", expected, data.classes)
    known = Names(data.classes)
    mapped = all(known.find(name) is not None for name in data.labels.values())
    validators.that(mapped, "data.labels", f"classes ({data.classes})", data.labels)
    different = len(data.classes) >= 2 and len(set(data.classes)) == len(data.classes)
    validators.that(different, "data.classes", "at least two different names", data.classes)
    two = not data.ranking or len(data.classes) == 2
    validators.that(two, "data.classes", "two classes where data.ranking is true", data.classes)
    first, second = data.classes[:2]
    expected = (
        f"the class of right passages last where data.ranking is true, [{second},{first}] (data.labels says what "
        "numbers in the data mean)"
    )
    turned = second.casefold() in OPPOSITE.get(first.casefold(), ())
    validators.that(not (data.ranking and turned), "data.classes", expected, data.classes)


def _no_classes(data: DataConfig) -> None:
    """Labels that are grades or numbers: settings of classes would be silently ignored."""
    kind = data.label_kind
    for name in ("classes", "labels"):
        value = getattr(data, name)
        unset = value == getattr(DataConfig(), name)
        validators.that(unset, f"data.{name}", f"nothing where data.label_kind is {kind}", value)
    readers = ("files", "hub")
    expected = f"{CLASSES} where data.reader is none of {', '.join(readers)}"
    validators.that(data.reader in readers, "data.label_kind", expected, kind)


def check_corpus(corpus: CorpusConfig) -> None:
    """How the corpus is read."""
    validators.one_of("corpus.reader", corpus.reader, CORPUS_READERS)
    validators.one_of("corpus.test_questions", corpus.test_questions, ("refuse", "allow"))
    _fields("corpus", corpus)
    _format("corpus", corpus, COLUMNS)
    _extra("corpus", corpus, (corpus.question, corpus.passage, corpus.question_id))
    validators.that(corpus.pairs is None or corpus.pairs > 0, "corpus.pairs", "more than 0", corpus.pairs)
    validators.positive("corpus", corpus, ("questions", "candidates"))
    validators.that(corpus.random >= 0, "corpus.random", "0 or more", corpus.random)
    validators.seed("corpus.seed", corpus.seed)
    _words(corpus)


def _words(corpus: CorpusConfig) -> None:
    """What BM25 takes for words."""
    stop, stemmer, characters = corpus.stop_words, corpus.stemmer, corpus.characters
    listed = isinstance(stop, list) and all(isinstance(word, str) for word in stop)
    expected = f"null, a list of words, or one of {', '.join(STOP_WORDS)}"
    validators.that(stop is None or listed or stop in STOP_WORDS, "corpus.stop_words", expected, repr(stop))
    if stemmer is not None:
        validators.one_of("corpus.stemmer", stemmer, STEMMERS)
        validators.that(characters == 0, "corpus.stemmer", "null where corpus.characters is not 0", stemmer)
    validators.that(0 <= characters <= 8, "corpus.characters", "a number from 0 (words) to 8", characters)


def _fields(where: str, section: DataConfig | CorpusConfig) -> None:
    """How the fields of a table are separated and quoted."""
    validators.one_of(f"{where}.quoting", section.quoting, ("csv", "none"))
    if section.separator is not None:
        validators.one_of(f"{where}.separator", section.separator, tuple(SEPARATORS))


def _extra(where: str, section: DataConfig | CorpusConfig, others: tuple[str, ...]) -> None:
    """Further columns, beside those that a row has and the ``others`` that it is read from."""
    name, columns = f"{where}.extra_columns", section.extra_columns
    has = section.reader in ("files", "hub") and section.format == PAIRS
    expected = f"none where {where}.reader is not files or hub, or {where}.format not {PAIRS}"
    validators.that(has or not columns, name, expected, columns)
    taken = {*ROW, *TRUST_BY, *others}
    free = all(columns) and len(set(columns)) == len(columns) and not taken & set(columns)
    validators.that(free, name, f"different names, none of them {', '.join(sorted(taken))}", columns)


def _format(where: str, section: DataConfig | CorpusConfig, columns: tuple[str, ...]) -> None:
    """Whose fields files have, and the files that its ids lead to."""
    validators.one_of(f"{where}.format", section.format, FORMATS)
    if section.format == PAIRS:
        texts: tuple[str, ...] = ()
    else:
        files = section.reader == "files"
        validators.that(files, f"{where}.format", f"{PAIRS} where {where}.reader is not files", section.format)
        for column in columns:
            name = getattr(section, column)
            validators.that(
                name == column, f"{where}.{column}", f"{column}, as {section.format} has names of its own", name
            )
        texts = ("queries", "documents") if section.format in JOINED_FORMATS else ()
    for setting in ("queries", "documents"):
        value = getattr(section, setting)
        name = f"{where}.{setting}"
        if setting in texts:
            validators.that(bool(value), name, f"a file of {setting}, to which the ids of {section.format} lead", value)
        else:
            formats = " or ".join(JOINED_FORMATS)
            validators.that(value is None, name, f"null where {where}.format is not {formats}", value)
