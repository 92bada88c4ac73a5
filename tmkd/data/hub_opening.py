"""Where a data set of the library ``datasets`` is, and how it is opened: on its hub, in its cache, or in a folder."""

from __future__ import annotations

import csv
import glob
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from datasets import Dataset, DatasetBuilder, load_dataset_builder, load_from_disk
from datasets.data_files import get_data_patterns
from datasets.packaged_modules.csv.csv import CsvConfig

from tmkd.data.files import columns_of, dialect_of, setting
from tmkd.data.formats import raise_bad_row
from tmkd.data.mistaken import SAVED
from tmkd.data.schema import Settings
from tmkd.errors import ConfigError, DataError
from tmkd.store.disk import is_path


def splits_of(owner: str, settings: Settings) -> Mapping[str, Dataset]:
    """Return the splits of a data set by name; what has none is its split "train".

    Args:
        owner: the section that the settings are of, data or corpus, for what is said of them.

    Raises:
        ConfigError, DataError: see ``place_of`` and ``builder_of``; or it cannot be read.
    """
    path = place_of(owner, settings)
    if is_saved(path):
        with _reading(owner, settings):
            rows = load_from_disk(str(path))
        splits = {str(rows.split or "train"): rows} if isinstance(rows, Dataset) else rows
        return {name: split.with_format(None) for name, split in splits.items()}  # it may be saved as tensors
    builder = builder_of(owner, settings)
    # pandas separates by the file's ending, whatever the setting
    dialect = replace(dialect_of(settings), separator=None, settings=("quoting",))
    if isinstance(builder.config, CsvConfig):  # pandas takes a field too many for an index, and one too few for empty
        raise_bad_row(_files(builder), dialect)
    with _reading(owner, settings, lambda: raise_bad_row(_files(builder), dialect)):
        builder.download_and_prepare()
        return builder.as_dataset()


@contextmanager
def _reading(owner: str, settings: Settings, explain: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Turn what `datasets` may say into a sentence, unless ``explain`` raises a better one."""
    try:
        yield
    except Exception as error:  # of whatever kind: `datasets` hands on what YAML, Arrow and the hub raise
        explain()
        reason = str(error.__cause__ or error).partition("\n")[0].rstrip(".") or type(error).__name__
        raise DataError(
            f"{owner}.path: {name_of(settings)} cannot be read ({reason}); save it again, or copy all of its files."
        ) from None


def _files(builder: DatasetBuilder) -> list[Path]:
    """Return the files of a folder that a data set is read from."""
    return [Path(file) for files in (builder.config.data_files or {}).values() for file in files]


def builder_of(owner: str, settings: Settings) -> DatasetBuilder:
    """Return what would read a data set: it knows the commit, and no row is read for it.

    Raises:
        DataError: there is no such data set, or without a network not in the revision that is asked for.
    """
    path, revision = place_of(owner, settings), settings["revision"]
    name = str(path) if path.is_dir() else settings["path"]
    try:
        more = _patterns(path) if path.is_dir() else {}
        builder = load_dataset_builder(name, settings["subset"], revision=revision, **more)
        if path.is_dir() and isinstance(builder.config, CsvConfig):
            more |= _as_text(settings)
            builder = load_dataset_builder(name, settings["subset"], revision=revision, **more)
    except Exception as error:  # as in _reading
        raise DataError(
            f"{owner}.path: {name_of(settings)} is neither a folder with a data set nor on the hub or in its cache "
            f"({_sentence(error)}); check the name, {owner}.subset and the network."
        ) from None
    # Without a network `datasets` takes what its cache has, whatever revision was asked for.
    if revision and type(builder).__module__.endswith(".cache") and builder.hash != revision:
        raise DataError(
            f"{owner}.revision: expected {revision} but there is no network and the cache has {builder.hash}; set "
            "that, or go online."
        )
    return builder


def _patterns(folder: Path) -> dict[str, Any]:
    """Return the files of a folder whose name `datasets` would take for a pattern; nothing for any other."""
    escaped = glob.escape(str(folder.resolve()))
    if escaped == str(folder.resolve()):
        return {}
    found = get_data_patterns(escaped)
    return {"data_files": {split: [f"{escaped}/{each}" for each in patterns] for split, patterns in found.items()}}


def _as_text(settings: Settings) -> dict[str, Any]:
    """Return how pandas is to read tables: the words None and NA are texts, and so are years."""
    columns = (*columns_of(settings).names, settings.get("label"))
    quoting = {} if settings["quoting"] == "csv" else {"quoting": csv.QUOTE_NONE}
    return {"converters": {column: str for column in columns if column}, "keep_default_na": False, **quoting}


def place_of(owner: str, settings: Settings) -> Path:
    """Return the folder of a data set, or its name on the hub.

    Raises:
        ConfigError, DataError: a subset of what has none, or a folder that is not there.
    """
    name, subset = setting(owner, settings, "path"), settings["subset"]
    path = Path(name).expanduser()
    if subset and is_saved(path / subset):
        return path / subset
    if subset and is_saved(path):
        raise ConfigError(f"{owner}.subset is {subset} but {path} is one saved data set; set {owner}.subset=null.")
    if not path.is_dir() and is_path(name):
        raise DataError(f"{owner}.path: there is no folder {name}; expected one, or the name of a data set on the hub.")
    return path


def is_saved(path: Path) -> bool:
    """Whether a folder is what ``save_to_disk`` writes."""
    return any((path / name).is_file() for name in SAVED)


def name_of(settings: Settings) -> str:
    """Return what a data set is called in sentences."""
    return " ".join(filter(None, (settings["path"], settings["subset"])))


def _sentence(error: Exception) -> str:
    """Return the first sentence of what a library says."""
    return re.split(r"\.\s|\n", str(error) or type(error).__name__)[0].rstrip(".")
