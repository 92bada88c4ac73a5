"""What a disk may answer, as sentences: no permission, no space left, a file that cannot be read."""

from __future__ import annotations

import errno
import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from tmkd.errors import ConfigError, DamagedArtifact, TmkdError

ALMOST_FULL = 1 << 20  # bytes


@contextmanager
def writing_to(root: Path, setting: str = "paths.artifacts") -> Iterator[None]:
    """Turn what a disk may answer into a sentence: no permission, no space left."""
    try:
        yield
    except PermissionError as error:
        raise ConfigError(f"No permission to write {error.filename or root}; choose another {setting}.") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _full(root) from None
        if error.errno in (errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG):
            raise ConfigError(f"Cannot write under {root} ({error.strerror}); choose another {setting}.") from None
        raise
    except (RuntimeError, SafetensorError) as error:  # torch and safetensors wrap what the disk said in their own
        if "No space left" in str(error) or shutil.disk_usage(root).free < ALMOST_FULL:
            raise _full(root) from None
        raise


def _full(root: Path) -> TmkdError:
    return TmkdError(f"No space left under {root}; free some and run again: what was done is kept.")


def sha256(path: Path) -> str:
    """Return a file's checksum; DamagedArtifact if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DamagedArtifact(f"{path} cannot be read ({error.strerror}).") from None
