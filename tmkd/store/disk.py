"""What a disk may answer, as sentences; a file's checksum; and files that appear whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile

from filelock import FileLock, Timeout
from safetensors import SafetensorError

from tmkd.errors import ConfigError, DamagedArtifact, TmkdError

ALMOST_FULL = 1 << 20  # bytes
FULL = (errno.ENOSPC, errno.EDQUOT)
CUT_SHORT = "requested and"  # numpy's word on a write that the disk ended: it leaves out why
TORCH_CUT_SHORT = ("PytorchStreamWriter", "unexpected pos")  # torch's, of which that is as true


@contextmanager
def writing_to(root: Path, setting: str = "paths.artifacts") -> Iterator[None]:
    """Turn what a disk may answer into a sentence: no permission, no space left."""
    try:
        yield
    except PermissionError as error:
        raise ConfigError(f"No permission to write {error.filename or root}; choose another {setting}.") from None
    except OSError as error:
        if error.errno in FULL or (error.errno is None and CUT_SHORT in str(error)):
            raise _full(root) from None
        known = error.errno in (errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.EFBIG)
        if known or Path(root).is_relative_to(str(error.filename)):  # the folder itself could not be made
            raise ConfigError(f"Cannot write under {root} ({error.strerror}); choose another {setting}.") from None
        raise
    except (RuntimeError, SafetensorError) as error:  # torch and safetensors wrap what the disk said in their own
        said = str(error)
        if any(os.strerror(each) in said for each in FULL) or shutil.disk_usage(root).free < ALMOST_FULL:
            raise _full(root) from None
        if (large := os.strerror(errno.EFBIG)) in said:
            raise ConfigError(f"Cannot write under {root} ({large}); choose another {setting}.") from None
        if any(sign in said for sign in TORCH_CUT_SHORT):
            raise TmkdError(
                f"The disk ended a file under {root} before it was whole (no space, a quota, or ulimit -f); make room "
                "and run again: what was done is kept."
            ) from None
        raise


@contextmanager
def in_turn(folder: Path, setting: str, wait: bool = True) -> Iterator[None]:
    """Make a folder and hold it while it is written to: what two runs write under one name at once is a mixture.

    Args:
        wait: until another run has ended; else it is named (ConfigError).
    """
    with writing_to(folder, setting):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            held = FileLock(folder / ".lock").acquire(timeout=-1 if wait else 0)
        except Timeout:
            raise ConfigError(
                f"{folder}: another run writes here now; wait until it has ended, or set another name."
            ) from None
        with held:
            yield


def check_new(path: Path) -> None:
    """Raise ConfigError where a file or folder that is going to be written is there already."""
    if path.exists():
        raise ConfigError(f"{path}: expected a new name but it exists; name another, or remove it.")


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the name of a new file or folder while it is written: of two processes at once the second is refused.

    Raises:
        ConfigError: another process writes it now, or has just written it.
    """
    lock = path.with_name(f".{path.name}.lock")
    with writing_to(path.parent, "output"):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            held = FileLock(lock).acquire(timeout=0)
        except Timeout:
            raise ConfigError(f"{path}: another process writes it now; wait, or name another output.") from None
        with held:
            try:
                check_new(path)
                yield
            finally:
                lock.unlink(missing_ok=True)  # while it is held, as in gc: whoever opened it sees that it is gone


def check_writable(folder: Path, setting: str) -> None:
    """Raise ConfigError now for a folder that cannot be made or written to, rather than after hours of training."""
    with writing_to(folder, setting):
        made = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    if made:
        with suppress(OSError):  # another process may have begun to write there
            folder.rmdir()


def _full(root: Path) -> TmkdError:
    return TmkdError(f"No space left under {root}; free some and run again: what was done is kept.")


@contextmanager
def reading_from(
    path: str | Path, raises: type[TmkdError] = DamagedArtifact, remedy: str = "", setting: str = ""
) -> Iterator[None]:
    """Turn an OSError into one sentence: the file cannot be read, why, and what to do.

    Args:
        raises: DamagedArtifact for what was published, else the error of whoever reads.
        remedy: what to do.
        setting: where the path comes from.
    """
    try:
        yield
    except OSError as error:
        where, then = (f"{setting}: " if setting else ""), (f"; {remedy}" if remedy else "")
        raise raises(f"{where}{path} cannot be read ({error.strerror or error}){then}.") from None


def is_path(name: str) -> bool:
    """Whether a name can only be a folder's: on the hub it is ``NAME`` or ``OWNER/NAME``."""
    return name.startswith((".", "/", "~")) or name.count("/") > 1


def files_in(folder: Path) -> dict[str, Path]:
    """Return the files of a folder and of those within it, by their names there (with /), sorted."""
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}


def open_to_others(folder: Path) -> None:
    """Let whoever may read a folder read the files in it, too: safetensors writes them for their owner alone."""
    mode = folder.stat().st_mode & 0o666
    for file in files_in(folder).values():
        if file.stat().st_mode & 0o666 != mode:
            file.chmod(mode)


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal (OSError; ``reading_from`` makes a sentence of it)."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def written_whole(path: Path, by_way_of: Path | None = None, durable: bool = False) -> Iterator[Path]:
    """Give a name to write to; what lies there is renamed to ``path`` at the end, or removed where writing failed.

    Args:
        by_way_of: the name, on the same disk; else it is beside ``path`` and has the same suffix.
        durable: the content is on the disk before the name is, so that a power cut leaves all or nothing.
    """
    temporary = by_way_of or path.with_name(f"{path.stem}.writing{path.suffix}")
    try:
        yield temporary
        if durable:
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def folder_written_whole(path: Path) -> Iterator[Path]:
    """Give a new folder to fill, which is renamed to ``path`` at the end, or removed where filling it failed.

    What a killed run left is removed first. ``path`` must not exist (ConfigError).
    """
    check_new(path)
    temporary = path.with_name(f".{path.name}.writing")
    with writing_to(path.parent, "folder"):
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        try:
            yield temporary
            open_to_others(temporary)
            os.rename(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
