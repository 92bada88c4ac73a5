"""What a model does before its server says that it is ready: it scores, in the threads that answer requests."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from tests.unit.serving.server import serving
from tmkd.cli import app
from tmkd.errors import ModelError
from tmkd.reranker import Reranker
from tmkd.serve.limits import Limits
from tmkd.serve.metrics import Metrics
from tmkd.serve.service import Service
from tmkd.store.artifacts import MODEL, Artifact, ArtifactStore


def load(folder: Path) -> Reranker:
    return Reranker.from_pretrained(folder, device="cpu", precision="fp32")


@pytest.fixture
def spoiled(folder: Path, tmp_path: Path) -> Artifact:
    """A student whose heads are no numbers."""

    def make(work: Path) -> dict[str, object]:
        shutil.copytree(folder / MODEL, work / MODEL)
        heads = {name: torch.full_like(each, float("nan")) for name, each in load_file(place(work)).items()}
        save_file(heads, place(work))
        return {}

    def place(work: Path) -> Path:
        return work / MODEL / "heads.safetensors"

    return ArtifactStore(tmp_path).build("stage2", {}, make, "TMKD")


def test_model_has_scored_one_pair_and_a_full_batch_when_its_server_is_ready(folder: Path) -> None:
    reranker, seen = load(folder), []

    def see(_module: object, _arguments: object, named: dict[str, torch.Tensor]) -> None:
        seen.append((len(named["input_ids"]), threading.current_thread().name))

    reranker.model.register_forward_pre_hook(see, with_kwargs=True)
    with serving(reranker, batch_pairs=5) as server:
        assert server.client.get("/health").status_code == 200
        assert seen == [(1, "batches"), (5, "batches")]  # in another thread torch would make its own threads again
        assert server.metric("tmkd_batch_pairs_count") == server.metric("tmkd_pairs_total") == 0  # no request's


def test_batch_of_any_size_that_is_asked_for_costs_no_more_than_the_device_s_own(folder: Path) -> None:
    reranker, sizes = load(folder), []
    reranker.model.register_forward_pre_hook(
        lambda _, __, named: sizes.append(len(named["input_ids"])), with_kwargs=True
    )
    with serving(reranker, batch_pairs=100_000):
        assert sizes == [1, reranker.runtime.score_batch]


def test_model_that_gives_no_numbers_ends_the_command_with_one_sentence(spoiled: Artifact, folder: Path) -> None:
    def run(*arguments: str) -> str:
        found = CliRunner().invoke(app, ["serve", *arguments, "--port", "0", "--device", "cpu"], catch_exceptions=False)
        assert found.exit_code == 2 and found.stderr.count("\n") == 1
        return found.stderr

    expected = f"tmkd: {spoiled.name}: expected it to score a short pair, then 32 at once, before it is served"
    said = run(str(spoiled.path))
    assert said.startswith(expected) and "not finite" in said
    assert run(str(folder), "--beside", str(spoiled.path)).startswith(expected)


def test_device_without_memory_for_a_batch_is_found_before_the_port_opens(
    folder: Path, without_memory: Callable[[torch.nn.Module], None]
) -> None:
    reranker = load(folder)
    without_memory(reranker.model)
    with pytest.raises(ModelError, match=r"one: expected it to score .* the device has no memory for a batch"):
        Service("one", reranker, Limits(), Metrics())
