"""Which checkpoint a name means: a folder's files, or the commit that the hub has for a branch or tag.

Nothing here reads weights or imports torch: identities are known before anything is loaded.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

from tmkd.errors import ConfigError, ModelError
from tmkd.store.disk import files_in, is_path

# What transformers reads of a folder. Documents, pictures, logs and weights in other formats shape no result.
READ = (".json", ".safetensors", ".txt", ".model", ".spm", ".bpe", ".codes", ".vocab", ".tiktoken")
PROSE = ("readme", "license", "notice", "changelog", "requirements")
POINTER = b"version https://git-lfs.github.com/spec/"


def folder_of(name: str | None, section: str = "encoder") -> Path | None:
    """Return the folder that ``name`` means, or None where it is a name on the hub.

    Args:
        section: of the settings, whose ``name`` it is; for messages.

    Raises:
        ConfigError: no name.
        ModelError: a folder that is not there.
    """
    if not name:
        raise ConfigError(f"{section}.name: expected a hub name or a folder, got nothing.")
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if is_path(name):
        raise ModelError(
            f"{section}.name: there is no folder {name}; expected a hub name or a folder of save_pretrained."
        )
    return None


def shaping_files(folder: Path, code: bool = False, templates: bool = False) -> dict[str, Path]:
    """Return the files of a checkpoint's folder that shape what is loaded from it, by their names within it.

    Args:
        code: the checkpoint's own code runs, so it counts too.
        templates: pairs are put into its chat template.
    """
    suffixes = (*READ, *((".py",) if code else ()), *((".jinja",) if templates else ()))
    return {name: path for name, path in files_in(folder).items() if _shapes(name, suffixes)}


def _shapes(name: str, suffixes: tuple[str, ...]) -> bool:
    hidden = re.search(r"(^|/)[.]", name)
    file = name.rpartition("/")[2].lower()
    return not hidden and file.endswith(suffixes) and not file.startswith(PROSE)


def check_whole(folder: Path, what: str = "encoder") -> None:
    """Raise ModelError for a folder of pointers, or of an adapter instead of whole weights."""
    check_pointers(folder)
    if (folder / "adapter_config.json").is_file():
        raise ModelError(
            f"{what} {folder}: expected whole weights but found an adapter (LoRA), which would be left out; merge "
            "it first: model.merge_and_unload().save_pretrained(FOLDER)."
        )


def check_pointers(folder: Path) -> None:
    """Raise ModelError for a file that only says where Git LFS has the real one."""
    for name, path in shaping_files(folder).items():
        with path.open("rb") as file:
            if file.read(len(POINTER)) == POINTER:
                raise ModelError(
                    f"{folder}: expected {name} itself but found a Git LFS pointer, a text of {path.stat().st_size} "
                    "bytes that says where the file is; download it again (git lfs pull)."
                )


@functools.cache  # one answer a run, or a branch that moves meanwhile would give a run two encoders
def commit_of(name: str, revision: str | None, section: str = "encoder") -> str:
    """Return the commit that a branch or tag of a hub name means (None: main); without a network, the cache's.

    Args:
        section: as for ``folder_of``.

    Raises:
        ModelError: neither has it.
    """
    if revision and re.fullmatch(r"[0-9a-f]{40}", revision):
        return revision
    from huggingface_hub import hf_hub_download

    try:
        file = hf_hub_download(name, "config.json", revision=revision)
    except (OSError, ValueError) as error:  # what the hub's own errors are, its network's too
        raise ModelError(
            f"{section}.name: '{name}' (revision {revision or 'main'}) is neither a folder with a transformers "
            f"checkpoint nor reachable on the hub or in its cache ({first_sentence(error).rstrip('.')}); check the "
            f"name and the network, or set {section}.revision to a whole commit, which is known without them."
        ) from None
    return Path(file).parent.name  # …/snapshots/<commit>/config.json


def first_sentence(error: Exception) -> str:
    """Return the first sentence of what a library says."""
    return (" ".join(str(error).split()) or type(error).__name__).split(". ")[0].rstrip(".") + "."
