"""Score a file of pairs of any size: a chunk in memory at once, and every whole chunk kept when the process dies."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from filelock import FileLock, Timeout
from tqdm import tqdm

from tmkd.data.files import reading
from tmkd.errors import ConfigError, DataError
from tmkd.evaluation.ensemble import log_odds
from tmkd.reranker import Reranker
from tmkd.store.disk import check_new, writing_to, written_whole
from tmkd.use.pair_files import Chunk, PairFile

CHUNK = 4096  # rows that are scored and kept together, sorted by length inside
JOB = "job.json"


@dataclass(frozen=True)
class Scored:
    """How it went: rows in the output, bad ones that were left out, and those that an earlier run had done."""

    rows: int
    left_out: int
    resumed: int


def score_file(
    reranker: Reranker,
    file: PairFile,
    path: Path,
    into: Path,
    job: Mapping[str, Any],
    chunk: int = CHUNK,
    calibrated: bool = False,
) -> Scored:
    """Write the rows of a file with their scores to ``into``; after a kill the same call goes on.

    What is done lies in ``into``.parts/ until all is: a file a chunk, named by the row of the input that it ends with.

    Args:
        path: where ``file`` is.
        job: JSON-able: what the scores depend on. Parts of another job are not gone on from.
        chunk: rows scored between two saves.
        calibrated: see ``write_scores``; ``job`` says it, too.

    Raises:
        ConfigError: ``into`` exists, or its parts are of another job, or another process writes them now.
        DataError: a row is bad, there is none, or the file changed meanwhile.
    """
    check_new(into)
    folder, before = into.with_name(f"{into.name}.parts"), _state(path)
    with reading([path], path.name) as look:
        total, bad = file.count(look.update)
    if total == bad:
        raise DataError(f"{path}: expected at least one pair but found none; add rows.")
    with writing_to(into.parent, "output"), _parts(folder, job) as parts:
        done = resumed = _end(parts[-1]) if parts else 0
        with tqdm(total=total, initial=done, desc="score", unit=" pairs", mininterval=1) as bar:
            for rows in file.chunks(done, chunk):
                part = folder / f"part-{rows.end:015d}"
                with written_whole(part, durable=True) as temporary, temporary.open("wb") as to:
                    write_scores(reranker, file, rows, to, calibrated)
                parts.append(part)
                bar.update(rows.end - bar.n)
        if _state(path) != before:
            raise DataError(f"{path}: it changed while it was scored; remove {folder} and run again.")
        with written_whole(into, durable=True) as temporary, temporary.open("wb") as to:
            file.join(parts, to)
        (folder / JOB).unlink()  # first: what a kill leaves of the parts now is not gone on from
    shutil.rmtree(folder)
    return Scored(total - bad, bad, resumed)


def score_stream(
    reranker: Reranker, file: PairFile, to: IO[bytes], chunk: int = CHUNK, calibrated: bool = False
) -> int:
    """Write the rows of a file, which is read once, with their scores as they come; return how many.

    Raises:
        DataError: a row is bad; those before its chunk are written then.
    """
    count = 0
    with tqdm(desc="score", unit=" pairs", mininterval=1) as bar:
        for rows in file.chunks(0, chunk):
            write_scores(reranker, file, rows, to, calibrated)
            to.flush()
            count += len(rows.questions)
            bar.update(len(rows.questions))
    return count


def write_scores(reranker: Reranker, file: PairFile, rows: Chunk, to: IO[bytes], calibrated: bool = False) -> None:
    """Score a chunk and write it: log-odds and probabilities of the last class, with seven digits.

    Of a model that learnt grades or numbers it is the score alone.

    Args:
        calibrated: the probabilities are; the log-odds stay as they are, since cut-offs are of them.
    """
    found = reranker.score(rows.questions, rows.passages)
    right = (reranker.calibration.apply(found) if calibrated else found)[:, -1]
    if len(reranker.classes) == 1:
        file.write(rows, _short(right), None, to)
    else:
        file.write(rows, _short(log_odds(found)[:, -1]), _short(right), to)


def _short(values: np.ndarray) -> list[float]:
    return [float(f"{value:.7g}") for value in values.tolist()]


@contextmanager
def _parts(folder: Path, job: Mapping[str, Any]) -> Iterator[list[Path]]:
    """Hold the folder of the parts; give those that are there, in their order."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", timeout=0):
            noted = folder / JOB
            if noted.exists():
                _check_job(folder, json.loads(noted.read_text()), job)
            else:
                for part in folder.glob("part-*"):  # of a run that was killed as it removed them
                    part.unlink()
                with written_whole(noted) as temporary:
                    temporary.write_text(json.dumps(job, indent=1))
            for torn in folder.glob("*.writing"):
                torn.unlink()
            yield sorted(folder.glob("part-*"))
    except Timeout:
        raise ConfigError(f"{folder}: another process writes it now; wait, or name another output.") from None


def _check_job(folder: Path, noted: Mapping[str, Any], job: Mapping[str, Any]) -> None:
    now = json.loads(json.dumps(dict(job)))
    other = [name for name in {**noted, **now} if noted.get(name) != now.get(name)]
    if other:
        raise ConfigError(
            f"{folder} holds the first scores of another run, which differs in: {', '.join(other)}; remove that folder "
            "to begin again, or name another output."
        )


def _end(part: Path) -> int:
    return int(part.name.partition("-")[2])


def _state(path: Path) -> tuple[int, int]:
    """Return the size and time of a file, which change when it is written to; of one that is missing, nothing."""
    if not path.exists():
        return 0, 0
    found = path.stat()
    return found.st_size, found.st_mtime_ns
