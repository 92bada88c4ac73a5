"""The task and the corpus: where they come from and how they are read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional

from omegaconf import MISSING

from tmkd.choices import (
    CLASSES,
    SCORE,
)
from tmkd.config.marks import OUTSIDE


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
    question_id: str = "question_id"  # name of a column; question_id may be missing: then equal texts are one question
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
    question_id: str = "question_id"  # name of a column; question_id may be missing
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
