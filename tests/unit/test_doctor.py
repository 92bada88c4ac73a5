"""``tmkd doctor``: what is found, and the sentences that follow from it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tmkd.cli import app
from tmkd.store import packages as checked
from tmkd.store.packages import packages
from tmkd.training import machine as machine_module
from tmkd.training.machine import Machine, advice

FAST = Machine("CPU", 8, 8, ["AVX2", "AVX-512", "AMX bf16"], True, "bf16", "cuda", "GPU", 8, 64 * 10**9, 32 * 10**9,
               {"paths.artifacts": 10**12}, {"fp32": 10.0, "bf16": 100.0})  # fmt: skip


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"device": "cpu", "gpu": None}, "There is no GPU"),
        ({"fast_bf16": False}, "bf16 would be emulated"),
        ({"gflops": {"fp32": 10.0, "bf16": 5.0}}, "runtime.precision=fp32"),
        ({"threads": 2}, "2 of 8 cores are used"),
        ({"threads": 16}, "16 threads share 8 cores"),
        ({"free_memory": 10**9}, "Only 1.0 GB of memory are free"),
        ({"disks": {"paths.artifacts": 10**9}}, "Only 1.0 GB are free for paths.artifacts"),
        ({"device": "cpu", "instructions": ["AVX2"]}, "no AVX-512"),
    ],
)
def test_advice_names_what_is_slow_and_what_to_set(change, sentence):
    assert advice(FAST) == []
    assert any(sentence in said for said in advice(replace(FAST, **change)))


def test_package_out_of_range_or_not_as_tested_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(
        checked, "requires", lambda _: ["numpy>=2", "torch<1", "nothing-like-it>=3", 'ray; extra == "r"']
    )
    (tmp_path / "constraints.txt").write_text("# tested\nnumpy==2.0.0\n")
    found = {each.name: each for each in packages("tmkd", tmp_path / "constraints.txt")}
    assert set(found) == {"numpy", "torch", "nothing-like-it"}
    assert found["numpy"].allowed and not found["numpy"].as_tested
    assert not found["torch"].allowed and found["torch"].as_tested
    assert found["nothing-like-it"].installed is None and not found["nothing-like-it"].allowed


def test_doctor_looks_at_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(machine_module, "HALF", 0.02)
    found = CliRunner().invoke(app, ["doctor", "--output", "json", "--artifacts", str(tmp_path / "none")])
    machine = json.loads(found.stdout)
    assert found.exit_code == (1 if any(not each["allowed"] for each in machine["packages"]) else 0)
    assert machine["cores"] >= 1 and min(machine["gflops"].values()) > 0
    assert {"torch", "transformers"} <= {each["name"] for each in machine["packages"]}
