"""Tiny things made on the spot: nothing here reaches a network or a model larger than a few thousand weights."""

from __future__ import annotations

import os

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")  # before torch: tiny models, and results that are equal to the bit

import dataclasses
import gc
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset

from tmkd.data.schema import pair_id
from tmkd.models.encoder import Encoder, load_encoder
from tmkd.training.callbacks import Progress
from tmkd.training.runtime import Runtime

OWN_CODE = """
from transformers import BertConfig, BertModel

class OwnConfig(BertConfig):
    model_type = "of_its_own"

class OwnModel(BertModel):
    config_class = OwnConfig
"""


def pytest_collection_finish() -> None:
    gc.freeze()  # a collection, as after every training, is not to look through all modules and thousands of tests


@pytest.fixture(autouse=True)
def _same_numbers() -> None:
    """Let a test draw the same numbers in whatever order tests run: one that fails then fails again."""
    torch.manual_seed(0)


@pytest.fixture
def with_own_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Turn the checkpoint of a BERT, in a folder, into one with code of its own: an ``OwnModel``."""
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr("sys.path", [*sys.path])

    def turn(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        config |= {"model_type": "of_its_own", "auto_map": {"AutoConfig": "own.OwnConfig", "AutoModel": "own.OwnModel"}}
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "own.py").write_text(OWN_CODE)

    return turn


@pytest.fixture
def without_memory(monkeypatch: pytest.MonkeyPatch) -> Callable[[torch.nn.Module], None]:
    """Let a model's forward pass find no memory."""

    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError

    return lambda model: monkeypatch.setattr(model, "forward", full)


@pytest.fixture
def runtime() -> Runtime:
    return Runtime(torch.device("cpu"), False, "eager", score_batch=8, shard_size=10, checkpoint_seconds=60)


class Killed(Exception):
    """What ends a training in place of a kill."""


@pytest.fixture
def killed_at(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Callable[..., AbstractContextManager[Runtime]]:
    """Let the training within (any whose name has ``what`` in it) end after a step; as a target of ``with``, the
    runtime with a checkpoint after every step."""

    @contextmanager
    def kill(die_at: int, what: str = "") -> Iterator[Runtime]:
        class Kill(Progress):
            def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                if what in self.what and state.global_step == die_at:
                    raise Killed

        with monkeypatch.context() as patched:
            patched.setattr("tmkd.training.fit.Progress", Kill)
            with pytest.raises(Killed):
                yield dataclasses.replace(runtime, checkpoint_seconds=0)

    return kill


@pytest.fixture
def encoder() -> Encoder:
    return load_encoder(source="tiny", layers=3, width=16, dropout=0.0)


@pytest.fixture
def pairs() -> Dataset:
    """48 pairs of unequal length: the right passage repeats the question's word."""
    words = ["amber", "birch", "cobalt", "dune", "ember", "fjord", "grove", "heron"]
    rows = []
    for number in range(24):
        word, other = words[number % 8], words[(number + 3) % 8]
        question = f"what is {word} {number}"
        for label, said in ((1, word), (0, other)):
            passage = f"{said} " * (1 + number % 5) + str(number)
            rows.append((question, passage, label))
    return Dataset.from_dict(
        {
            "id": [pair_id(question, passage) for question, passage, _ in rows],
            "question_id": [question for question, _, _ in rows],
            "question": [question for question, _, _ in rows],
            "passage": [passage for _, passage, _ in rows],
            "label": [label for _, _, label in rows],
        }
    )


@pytest.fixture(scope="session")
def small_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with artifacts/ and reports/ of a tiny student and its teacher; not to be changed."""
    from tests.unit.small_store import make_store

    root = tmp_path_factory.mktemp("small")
    make_store(root)
    return root
