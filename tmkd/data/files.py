"""What files a setting stands for, what they are known by, and what else readers of files share."""

from __future__ import annotations

import functools
import glob
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from tmkd.data.bad_rows import SHOWN
from tmkd.data.formats import ending_of
from tmkd.data.mistaken import check_file
from tmkd.data.rows import Columns
from tmkd.data.schema import SPLITS, Settings
from tmkd.data.separated import Dialect
from tmkd.errors import ConfigError, DataError
from tmkd.store.disk import reading_from, sha256

log = logging.getLogger(__name__)
PROGRESS_AFTER = 5  # seconds; what is read sooner needs no progress bar


def files_of(path: str | Path) -> list[Path]:
    """Return the files that a path, a folder or a glob pattern stands for, sorted by name.

    What programs leave beside data is not among them: folders, checksums, and files whose names begin with a point or
    an underscore (``_SUCCESS``), unless the pattern does.
    """
    if Path(path).is_file():  # a name may hold the characters of a pattern
        return [Path(path)]
    pattern = f"{glob.escape(str(path))}/*" if Path(path).is_dir() else _pattern(Path(path))
    found = [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]
    files = [file for file in found if not _beside(file, pattern)]
    _tell(pattern, tuple(file.name for file in found if file not in set(files)))
    return files or [Path(path)]  # whoever opens it says that it is missing


def _pattern(path: Path) -> str:
    """Return a pattern in which the folders that there are stand for themselves, whatever characters they have."""
    there = next((parent for parent in path.parents if parent.is_dir()), path.parent)
    return str(Path(glob.escape(str(there)), path.relative_to(there)))


@functools.cache  # once a run
def _tell(pattern: str, left: tuple[str, ...]) -> None:
    if left:
        more = ", …" if len(left) > SHOWN else ""
        log.info("%s: not read, as they hold no pairs: %s%s", pattern, ", ".join(left[:SHOWN]), more)


def _beside(file: Path, pattern: str) -> bool:
    marked = Path(pattern).name[:1] not in "._" and file.name[:1] in "._"
    return file.is_dir() or marked or file.suffix == ".crc" or "__MACOSX" in file.parts


def file_hash(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes (DataError)."""
    check_file(Path(path))
    with reading_from(path, DataError, "check the path"):
        return sha256(path)


def file_identity(path: str | Path) -> str:
    """Return what a file's rows are known by: its bytes, and its format, in which the same bytes may be other rows."""
    return f"{file_hash(path)}{ending_of(Path(path))[0]}"


def reading(files: Iterable[Path], what: str) -> tqdm:
    """Return a progress bar for the bytes of all files, which shows itself if they take long."""
    total = sum(file.stat().st_size for file in files if file.is_file())
    return tqdm(total=total, desc=f"read {what}", unit="B", unit_scale=True, delay=PROGRESS_AFTER, leave=False)


def columns_of(section: Settings) -> Columns:
    return Columns(section["question"], section["passage"], section["question_id"], tuple(section["extra_columns"]))


def dialect_of(section: Settings) -> Dialect:
    return Dialect(section["separator"], section["quoting"] == "csv")


def setting(owner: str, settings: Settings, key: str) -> str:
    """Return a setting that the reader cannot do without, or raise ConfigError."""
    if not settings[key]:
        raise ConfigError(
            f"{owner}.{key} is empty but the {settings['reader']} reader needs it; set it as docs/settings.md says."
        )
    return str(settings[key])


def split_settings(data: Settings) -> dict[str, str]:
    """Return where each split comes from; without one for validation, it is drawn from the training rows."""
    return {split: setting("data", data, split) for split in SPLITS if data[split] or split != "validation"}


def task_options(data: Settings) -> dict[str, Any]:
    """Return what ``make_task`` takes from the settings, whatever the source."""
    return {
        "label": data["label"],
        "classes": tuple(data["classes"]),
        "labels": data["labels"],
        "kind": data["label_kind"],
        "ranking": data["ranking"],
        "skip": data["on_bad_row"] == "skip",
        "validation_share": data["validation_share"],
        "seed": data["seed"],
    }
