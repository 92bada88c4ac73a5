"""Word vectors from a text file, as GloVe has them: a word and its numbers in each line, one space between."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np

from tmkd.errors import DataError
from tmkd.store.disk import reading_from, sha256


def read_vectors(path: str | Path, words: Collection[str], dimensions: int) -> dict[str, np.ndarray]:
    """Return the vectors ``[dimensions]``, float32, of those ``words`` that the file has.

    Raises:
        DataError: the file cannot be read, has lines of another form, or has none of the words.
    """
    found: dict[str, np.ndarray] = {}
    for where, line in _lines(Path(path), dimensions):
        word, *numbers = line.rsplit(" ", dimensions)  # from the right: GloVe has words with spaces in them
        if len(numbers) != dimensions:
            raise _unexpected(where, dimensions, f"{len(numbers)} numbers")
        if word in words and word not in found:
            try:
                found[word] = np.array(numbers, dtype=np.float32)
            except ValueError as error:
                raise _unexpected(where, dimensions, str(error)) from None
            if not np.isfinite(found[word]).all():
                raise _unexpected(where, dimensions, "a number that is not finite")
    if not found:
        raise DataError(
            f"{path}: expected vectors of the data's words, lower-cased, but found none of {len(words)}; give a file "
            "for their language."
        )
    return found


def check_vectors(path: str | Path, dimensions: int) -> None:
    """Raise now what would come later (DataError): read the first line alone."""
    next(_lines(Path(path), dimensions))


@functools.cache  # gigabytes, and every student asks for it
def vectors_digest(path: str) -> str:
    """Return the SHA-256 of a file of vectors (DataError)."""
    with _reading(path):
        return sha256(path)


def _lines(path: Path, dimensions: int) -> Iterator[tuple[str, str]]:
    number = 0
    try:
        with _reading(path), path.open(encoding="utf-8", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                text = line.rstrip("\r\n ")
                # Only the first line's word surely has no space; without this, wider vectors would pass as long words.
                if number == 1 and text.count(" ") != dimensions:
                    raise _unexpected(f"{path}, line 1", dimensions, f"{text.count(' ')} numbers")
                yield f"{path}, line {number}", text
    except UnicodeDecodeError:
        raise DataError(f"{path}, after line {number}: expected UTF-8; save the file as UTF-8.") from None
    if not number:
        raise DataError(f"{path}: expected a word and {dimensions} numbers in each line, but the file is empty.")


def _reading(path: str | Path) -> AbstractContextManager[None]:
    remedy = "give a text file of word vectors, or null for random ones"
    return reading_from(path, DataError, remedy, setting="encoder.vectors")


def _unexpected(where: str, dimensions: int, found: str) -> DataError:
    return DataError(
        f"{where}: expected a word and {dimensions} numbers, but found {found}; mend the file (GloVe has no header "
        "line), or set encoder.dimensions to what it has."
    )
