"""The task and the corpus: where they come from and how they are read. ``of`` names the readers that know a setting."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional

from omegaconf import MISSING

from tmkd.choices import CLASSES, NO_TASK, SCORE
from tmkd.config.marks import OUTSIDE, of

TABLES = ("files", "hub")  # readers of columns, which have names
SEARCHED = ("mined", "task")  # readers that pair questions and passages by BM25
COLUMN = of(*TABLES, also=("mine",))  # what `tmkd mine` writes has these columns
CORPORA = ("corpus=files", "corpus=hub", "corpus=mined")  # that have bad rows
DOCUMENTED = of("documentation", also=("corpus=documentation",))
WORDS = of(*SEARCHED, also=("mine",))


@dataclass
class DataConfig:
    name: str = field(default=MISSING, metadata=OUTSIDE)  # what tables call the task
    # documentation (of installed packages) | files | hub (data sets of `datasets`) | none
    reader: str = "documentation"
    # what labels are: classes | graded (relevance, a whole number from 0 to 30) | float (any numbers); models of the
    # last two have one logit, the score
    label_kind: str = CLASSES
    # names of the classes; a label in the data is one of them, or its index
    classes: list[str] = field(default_factory=lambda: ["wrong", "right"])
    # other names that the data has for labels, each with its class
    labels: dict[Any, str] = field(default_factory=dict, metadata=of(*TABLES))
    ranking: bool = True  # a question has several passages to put in order: adds MAP, nDCG and their like
    # training pairs: their path (of beir, the name in qrels/; null: train), or on the hub the name of the split
    train: Optional[str] = field(default=None, metadata=of(*TABLES))
    # likewise; null: validation_share of the training questions validate
    validation: Optional[str] = field(default=None, metadata=of(*TABLES))
    # likewise; on the hub, splits joined by + have equal weight in every metric (MNLI)
    test: Optional[str] = field(default=None, metadata=of(*TABLES))
    question: str = field(default="question", metadata=COLUMN)  # name of the column with questions
    passage: str = field(default="passage", metadata=COLUMN)  # name of the column with passages
    label: str = field(default="label", metadata=COLUMN)  # name of the column with labels
    # name of a column; question_id may be missing: then equal texts are one question
    question_id: str = field(default="question_id", metadata=COLUMN)
    # names of further columns that are kept, as text (method.trust_by); every row must have them
    extra_columns: list[str] = field(default_factory=list, metadata=of(*TABLES))
    # share of the training questions that validate, where validation is null
    validation_share: float = field(default=0.1, metadata=of(*TABLES, NO_TASK))
    # leave out questions that lack a right or a wrong passage, or have one grade alone: they cannot be ranked
    rankable_only: bool = False
    # raise | skip (the log counts them and says where); applies to the corpus too
    on_bad_row: str = field(default="raise", metadata=of(*TABLES, also=(*CORPORA, "mine")))
    # comma | semicolon | tab | pipe; null: by the file's ending (.csv, .tsv)
    separator: Optional[str] = field(default=None, metadata=of("files"))
    # csv (double quotes enclose a text) | none (quotes are part of it)
    quoting: str = field(default="csv", metadata=of(*TABLES))
    # column of the paper's tables to compare with: DeepQA, MNLI, SNLI, QNLI, RTE
    column: Optional[str] = field(default=None, metadata=OUTSIDE)
    stands_in: bool = field(default=True, metadata=OUTSIDE)  # this is not that data set itself but a similar one
    # whose fields they have: pairs (question, passage, label) | flag_embedding | sentence_transformers | tevatron |
    # pylate | beir | trec | msmarco
    format: str = field(default="pairs", metadata=of("files"))
    # of pylate, trec and msmarco: texts of the queries (a path or a glob)
    queries: Optional[str] = field(default=None, metadata=of("files"))
    # of pylate, trec and msmarco: texts of the documents (a path or a glob)
    documents: Optional[str] = field(default=None, metadata=of("files"))
    # name on the hub, or a folder that `datasets` saved; of beir's files the folder
    path: Optional[str] = field(default=None, metadata=of(*TABLES))
    subset: Optional[str] = field(default=None, metadata=of("hub"))  # name of the configuration (glue: rte)
    revision: Optional[str] = field(default=None, metadata=of("hub"))  # branch, tag or commit
    # packages to read, for task and corpus; python: its standard library
    packages: list[str] = field(default_factory=list, metadata=DOCUMENTED)
    # number of train, validation and test questions
    questions: list[int] = field(default_factory=lambda: [600, 150, 400], metadata=of("documentation"))
    negatives: int = field(default=3, metadata=of("documentation"))  # wrong passages for each question
    # number of words after which passages are cut, of task and corpus
    passage_words: int = field(default=32, metadata=DOCUMENTED)
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
    # a path or a glob (of beir, the folder), of mined questions, too; hub: as data.path; corpus=task takes its place
    path: Optional[str] = field(default=None, metadata=of(*TABLES, "mined", also=("corpus=task",)))
    format: str = field(default="pairs", metadata=of("files"))  # as data.format
    queries: Optional[str] = field(default=None, metadata=of("files"))  # as data.queries
    documents: Optional[str] = field(default=None, metadata=of("files"))  # as data.documents
    passages: Optional[str] = field(default=None, metadata=of("mined"))  # a path or a glob, of passages
    pairs: Optional[int] = None  # use at most this many, drawn by content; null: all
    question: str = field(default="question", metadata=of(*TABLES, "mined"))  # name of the column with questions
    # name of the column with passages
    passage: str = field(default="passage", metadata=of(*TABLES, "mined", also=("mine",)))
    # name of a column; question_id may be missing
    question_id: str = field(default="question_id", metadata=of(*TABLES, "mined"))
    extra_columns: list[str] = field(default_factory=list, metadata=of(*TABLES))  # as data.extra_columns
    separator: Optional[str] = field(default=None, metadata=of("files", "mined", also=("mine",)))  # as data.separator
    quoting: str = field(default="csv", metadata=of(*TABLES, "mined", also=("mine",)))  # as data.quoting
    subset: Optional[str] = field(default=None, metadata=of("hub"))  # as data.subset
    revision: Optional[str] = field(default=None, metadata=of("hub"))  # as data.revision
    split: str = field(default="train", metadata=of(*TABLES))  # the split to read; of beir's files the name in qrels/
    questions: int = field(default=2000, metadata=of("documentation"))  # number of questions
    # passages for each question, the best by BM25
    candidates: int = field(default=4, metadata=of("documentation", *SEARCHED))
    # further passages for each question, drawn at random
    random: int = field(default=0, metadata=of("documentation", *SEARCHED))
    seed: int = field(default=1, metadata=of(*SEARCHED))  # random seed of these
    # what BM25 leaves out, for `tmkd mine`, too: the stop words of da | de | en | en_plus | es | fr | it | ko | nl | no
    # | pt | ru | sv | tr | zh, a list of words, or null (nothing); a YAML file needs quotes around "no"
    stop_words: Any = field(default="en", metadata=WORDS)
    # likewise: the Snowball algorithm that brings words to their stems (english, german, ...); needs tmkd[stemmer]
    stemmer: Optional[str] = field(default=None, metadata=WORDS)
    # likewise: 0 (words) | n (runs of n characters: 2 for Chinese and Japanese, without spaces)
    characters: int = field(default=0, metadata=WORDS)
    # where the corpus has questions of the test split: refuse | allow
    test_questions: str = field(default="refuse", metadata=OUTSIDE)
