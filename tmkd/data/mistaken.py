"""What stands where a file of rows should, and what to do: a folder, an address, a file of another kind."""

from __future__ import annotations

import glob
import re
from pathlib import Path

from tmkd.errors import DataError

SAVED = ("dataset_dict.json", "state.json")  # what `datasets` writes into a folder
LENGTH = 64  # bytes that are enough to tell
AGAIN = "download the file itself"
UNPACK = "unpack it"
SIGNATURES = (  # how it begins, what it is, what to do
    (rb"version https://git-lfs", "a Git LFS pointer, a text that says where the file is", f"{AGAIN} (git lfs pull)"),
    (rb"\x1f\x8b", "a gzip file", "let its name end in .gz, or unpack it"),
    (rb"PK\x03\x04", "a zip file, as those of Excel are too", "unpack it, or save the table as CSV in UTF-8"),
    (rb"\xd0\xcf\x11\xe0", "a file of Excel", "save the table as CSV in UTF-8"),
    (rb"BZh[1-9]1AY&SY", "a bzip2 file", UNPACK),
    (rb"\xfd7zXZ\0", "an xz file", UNPACK),
    (rb"\x28\xb5\x2f\xfd", "a zstandard file", UNPACK),
    (rb"PAR1", "a Parquet file", "let its name end in .parquet"),
    (rb"ARROW1", "an Arrow file", "save it as Parquet or JSON lines"),
    (rb"SQLite format 3\0", "an SQLite database", "save the table as CSV in UTF-8"),
    (rb"%PDF-", "a PDF file", "save its text as JSON lines"),
    (rb"\s*<(!doctype html|html)", "a web page", f"{AGAIN}, which may need a login"),
    (rb"\xff\xfe|\xfe\xff|.{0,3}\0", "UTF-16 or UTF-32", "save the file as UTF-8"),  # Latin letters have zeros there
)
COMPILED = [(re.compile(begins, re.DOTALL | re.IGNORECASE), what, remedy) for begins, what, remedy in SIGNATURES]
PARQUET = b"PAR1"


def other_content(start: bytes, parquet: bool) -> tuple[str, str] | None:
    """Return what a file is by its first bytes and what to do; None for text, or for Parquet that is expected."""
    if parquet and start.startswith(PARQUET):
        return None
    return next(((what, remedy) for begins, what, remedy in COMPILED if begins.match(start)), None)


def check_file(path: Path) -> None:
    """Raise DataError for what often stands where a file should: a folder, a pattern, an address."""
    if path.is_file():
        return
    if (path / "qrels").is_dir():
        raise DataError(
            f"{path}: expected a file but found a folder that looks like BEIR's; set data.format=beir and data.path "
            "(of a corpus, corpus.format and corpus.path)."
        )
    if any((path / name).is_file() for name in SAVED):
        raise DataError(
            f"{path}: expected a file but found a folder of the library datasets; set data.reader=hub, data.path to "
            "that folder and the splits to its own names (of a corpus, corpus.reader and corpus.path)."
        )
    if path.is_dir() and not any(path.iterdir()):
        raise DataError(f"{path}: expected a file but found an empty folder; name a file.")
    if path.is_dir():
        raise DataError(
            f"{path}: expected a file but found a folder; name a file in it (of a corpus, maybe a pattern such as "
            f"'{path}/part-*.jsonl.gz')."
        )
    if not path.exists() and re.match(r"\w{2,}:/", str(path)):
        raise DataError(f"{path}: expected a file on this machine but got an address; download it and name the copy.")
    if not path.exists() and glob.glob(str(path)):
        raise DataError(f"{path}: expected one file but got a pattern; join its files into one and name that.")
