"""The reader of data sets that the library ``datasets`` knows: on its hub, in its cache, or in a folder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from datasets import ClassLabel, Dataset, Value
from tqdm.auto import tqdm

from tmkd.data.bad_rows import UNLABELLED, BadRow
from tmkd.data.files import PROGRESS_AFTER, columns_of, file_hash, split_settings, task_options
from tmkd.data.formats import ending_of
from tmkd.data.hub_opening import builder_of, is_saved, name_of, place_of, splits_of
from tmkd.data.labelled import LabelledRows, make_task
from tmkd.data.labels import Labels, Meaning, meaning_of
from tmkd.data.records import RENAME, Located, Source, missing
from tmkd.data.rows import read_corpus
from tmkd.data.schema import PART, Corpus, Reader, Settings, Task
from tmkd.data.separated import ENDINGS
from tmkd.errors import ConfigError, DataError
from tmkd.store.disk import files_in

BATCH = 1000  # rows that are in memory at once


def _task(data: Settings, corpus: Settings, cache: Path | None) -> Task:
    columns, label = columns_of(data), data["label"]
    labels = meaning_of(label, data["classes"], data["labels"], data["label_kind"], data["ranking"])
    there, what = splits_of("data", data), name_of(data)
    parts = {split: _parts(there, joined, what) for split, joined in split_settings(data).items()}
    for split, found in parts.items():
        for name, rows in found.items():
            _check_columns(rows, (*columns.needed, label), f"{what}, {name}")
            _check_labels(rows, labels, f"{what}, {name}", f"data.{split}", there)
    sources = {
        split: _source(found, f"{what}, {'+'.join(found)}", (*columns.names, label), labels)
        for split, found in parts.items()
    }

    def finish(split: str, rows: LabelledRows) -> Dataset:
        if len(parts[split]) == 1:
            return rows.data
        ends = np.cumsum([len(part) for part in parts[split].values()])
        names = np.array(list(parts[split]))[np.searchsorted(ends, rows.numbers)]
        return rows.data.add_column(PART, names.tolist())

    return make_task(data["name"], sources, columns, **task_options(data), cache=cache, finish=finish)


def _corpus(data: Settings, corpus: Settings, cache: Path | None) -> Corpus:
    columns, what = columns_of(corpus), name_of(corpus)
    parts = _parts(splits_of("corpus", corpus), corpus["split"], what)
    for name, rows in parts.items():
        _check_columns(rows, columns.needed, f"{what}, {name}")
    source = _source(parts, f"{what}, {'+'.join(parts)}", columns.names)
    return read_corpus([source], columns, skip=data["on_bad_row"] == "skip", cache=cache)


def _identity(owner: str, settings: Settings) -> dict[str, Any]:
    """Return what a data set is: the checksums of a folder, or the commit that the hub or the cache has."""
    path = place_of(owner, settings)
    if path.is_dir():
        # not what `datasets` computes from a folder and keeps there, nor what it never reads
        own = {
            name: file_hash(file) for name, file in files_in(path).items() if not re.search(r"(^|/)(\.|cache-)", name)
        }
        tables = {"tables": "text"} if any(ending_of(Path(name))[0] in ENDINGS for name in own) else {}
        return {"files": own} | ({} if is_saved(path) else {"subset": settings["subset"], **tables})
    builder = builder_of(owner, settings)
    return {"name": settings["path"], "subset": settings["subset"], "commit": builder.hash or builder.config_id}


def _parts(splits: Mapping[str, Dataset], joined: str, what: str) -> dict[str, Dataset]:
    """Return the splits that are joined by +, or raise."""
    names = [name.strip() for name in joined.split("+")]
    for name in names:
        if name not in splits or names.count(name) > 1:
            raise DataError(f"{what}: expected splits out of {list(splits)} but got '{joined}'; set one of those.")
    return {name: splits[name] for name in names}


def _check_columns(rows: Dataset, need: Sequence[str], where: str) -> None:
    for column in need:
        if column not in rows.column_names:
            raise DataError(f"{where}: {missing(column, rows.column_names, RENAME)}.")


def _check_labels(rows: Dataset, labels: Meaning, where: str, key: str, splits: Mapping[str, Dataset]) -> None:
    """Raise where no row is labelled, and where the label's names are not the task's classes."""
    if len(rows) and _all_unlabelled(rows, labels):
        others = [name for name in splits if not _all_unlabelled(splits[name], labels)]
        raise DataError(f"{where}: the labels of this split are not public; set {key} to another one of {others}.")
    feature = rows.features[labels.column]
    if not isinstance(feature, ClassLabel):
        return
    try:
        meant = {labels.read(name) for name in feature.names}
    except BadRow:
        meant = set()
    if not isinstance(labels, Labels):
        if not meant:
            raise ConfigError(
                f"data.label_kind: expected classes, since {where} has the labels {feature.names}, which are names of "
                "classes and no numbers."
            )
    elif len(meant) != len(labels.classes):
        raise ConfigError(
            f"data.classes is {list(labels.classes)} but {where} has the labels {feature.names}; set data.classes to "
            "those, or say in data.labels which class each of them means."
        )


def _all_unlabelled(rows: Dataset, labels: Meaning) -> bool:
    if labels.column not in rows.column_names:
        return True
    if isinstance(rows.features[labels.column], (Value, ClassLabel)):
        return all(map(labels.unlabelled, rows.unique(labels.column)))
    # Arrow has no distinct values of lists
    return all(labels.unlabelled(value) for batch in rows.iter(BATCH) for value in batch[labels.column])


def _source(parts: Mapping[str, Dataset], name: str, columns: Sequence[str], labels: Meaning | None = None) -> Source:
    """Return the rows of all parts one after the other, each known by its number among all."""

    def records() -> Iterator[Located]:
        number = 0
        total = sum(map(len, parts.values()))
        with tqdm(total=total, desc=f"read {name}", unit=" rows", delay=PROGRESS_AFTER, leave=False) as bar:
            for rows in parts.values():
                feature = rows.features[labels.column] if labels else None
                names = dict(enumerate(feature.names)) if isinstance(feature, ClassLabel) else {}
                chosen = rows.select_columns([column for column in rows.column_names if column in columns])
                for batch in chosen.iter(BATCH):
                    for values in zip(*batch.values()):
                        number += 1
                        bar.update()
                        record = dict(zip(batch, values))
                        if labels:
                            label = record[labels.column]
                            if labels.unlabelled(label):
                                yield number, BadRow(UNLABELLED, "no label")
                                continue
                            if names:
                                record[labels.column] = names.get(label, label)
                        yield number, record

    return Source(name, "row", records())


HUB = Reader(
    _task,
    _corpus,
    lambda data, _: _identity("data", data),
    lambda _, corpus: _identity("corpus", corpus),
)
