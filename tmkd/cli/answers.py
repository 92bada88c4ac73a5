"""How every command here answers: one sentence for what went wrong, an exit code, text or JSON."""

from __future__ import annotations

import errno
import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any

import typer

from tmkd.errors import ConfigError, DamagedArtifact, TmkdError

DAMAGED, MISTAKE, STOPPED = 1, 2, 130  # exit codes; 0 is all well
DISK = {  # what to do about what it says
    **dict.fromkeys((errno.EACCES, errno.EPERM), "mend its permissions"),
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "make room on its disk"),
    **dict.fromkeys((errno.ENOTDIR, errno.EISDIR, errno.EROFS, errno.ENAMETOOLONG), "name another"),
}


class Output(StrEnum):
    """Forms of an answer."""

    text = "text"
    json = "json"


OutputOption = Annotated[Output, typer.Option("--output", help="Form of the answer.")]
ArtifactsOption = Annotated[Path, typer.Option("--artifacts", help="Folder of results.")]
ReportsOption = Annotated[Path, typer.Option("--reports", help="Folder of tables and figures.")]
PANEL = "Results on disk"  # where `tmkd --help` lists the commands for them
ARTIFACTS, REPORTS = Path("artifacts"), Path("reports")  # as paths.artifacts and paths.reports are by default


@contextmanager
def answering() -> Iterator[None]:
    """Turn an error into one sentence and an exit code; also a decorator of commands."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    logging.basicConfig(format="tmkd: %(message)s", level=logging.WARNING)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a locale may lack letters of texts
    try:
        yield
    except TmkdError as error:
        raise _stop(str(error), DAMAGED if isinstance(error, DamagedArtifact) else MISTAKE) from None
    except BrokenPipeError:  # whoever read the answer has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None
    except OSError as error:
        if (remedy := DISK.get(error.errno or 0)) is None:
            raise
        sentence = f"{error.filename or 'a file'} cannot be read or written ({error.strerror}); {remedy}."
        raise _stop(sentence, MISTAKE) from None
    except KeyboardInterrupt:
        raise _stop("Stopped.", STOPPED) from None


def store_folder(artifacts: Path) -> Path:
    """Return the folder of results, which must be there (ConfigError)."""
    if not artifacts.is_dir():
        raise ConfigError(f"--artifacts: expected a folder of results but there is none called {artifacts}.")
    return artifacts


def print_json(value: Any) -> None:
    """Print one JSON value; what is no number is null."""
    from tmkd.report.rows import json_safe

    print(json.dumps(json_safe(value), ensure_ascii=False, indent=1, allow_nan=False))


def size_text(count: float) -> str:
    """Return bytes with a unit: 15.5 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def _stop(sentence: str, code: int) -> typer.Exit:
    print(f"tmkd: {sentence}", file=sys.stderr)
    return typer.Exit(code)
