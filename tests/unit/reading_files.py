"""Reads files of pairs, as the stages do, and checks how they are refused."""

import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tmkd.data.bad_rows import BadRows
from tmkd.data.files import files_of
from tmkd.data.formats import open_file
from tmkd.data.labelled import read_labelled
from tmkd.data.labels import Labels
from tmkd.data.rows import Columns, read_corpus
from tmkd.data.separated import Dialect
from tmkd.errors import DataError

CLASSES = ("wrong", "right")
HEADER = "question\tpassage\tlabel\n"


def read_pairs(path, *, classes=CLASSES, label="label", labels=None, skip=False, cache=None, **columns):
    bad, names = BadRows(skip), Columns(**columns)
    source = open_file(path, (names.question, names.passage, label), (names.question_id,), dialect=Dialect())
    rows = read_labelled(source, names, meaning=Labels(label, classes, labels or {}), bad=bad, file=cache)
    skipped = bad.settle()
    return (rows.data, skipped) if skip else rows.data


def read_unlabelled(path, skip=False, cache=None):
    sources = (open_file(file, ("question", "passage"), ("question_id",), dialect=Dialect()) for file in files_of(path))
    return read_corpus(sources, Columns(), skip=skip, cache=cache)


def rejects(path, *parts, read=read_pairs):
    with pytest.raises(DataError) as caught:
        read(path)
    message = str(caught.value)
    assert "\n" not in message
    for part in (str(path), *parts):
        assert part in message
    assert re.search(r"; [a-z]", message), "no advice"


def parquet(path, **columns):
    pq.write_table(pa.table(columns), path)
    return path
