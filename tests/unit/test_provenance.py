"""On which machine a result was made: in its manifest, and in the key of what is about the machine."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from tqdm import tqdm

from tests.pipeline.running import compose_at
from tmkd.config import RayConfig, RuntimeConfig
from tmkd.data.batching import tokenise
from tmkd.errors import ConfigError
from tmkd.experiment.experiment import Experiment
from tmkd.results import ray_scoring
from tmkd.results.node import Result, outside
from tmkd.results.soft_labels import SoftLabels
from tmkd.results.speed import machine
from tmkd.store.artifacts import ArtifactStore
from tmkd.store.identity import key
from tmkd.store.provenance import note_machines, processor
from tmkd.training.runtime import Runtime, resolve_runtime

HERE, THERE = ({"processor": name, "device": "cpu", "precision": "fp32", "threads": 1} for name in ("here", "there"))


def nothing(work):
    return {}


@dataclass(frozen=True, eq=False)
class Trained(Result):
    """A teacher that is trained by a function of its folder."""

    kind: ClassVar[str] = "teacher"
    what = "teacher"

    by: Callable[[Any], dict[str, Any]] = outside(default=nothing)

    def make(self, context, work):
        return self.by(work)


@dataclass(frozen=True, eq=False)
class Measured(Trained):
    """A speed, which one process makes alone."""

    kind: ClassVar[str] = "speed"
    alone: ClassVar[bool] = True


@pytest.fixture
def experiment(tmp_path):
    return lambda *settings: Experiment(compose_at(tmp_path, "experiment=smoke", "runtime.threads=1", *settings))


def test_manifest_says_device_precision_threads_and_processor_as_they_came_to_be(experiment):
    own = experiment("runtime.precision=bf16")
    for result in (own.task, Trained(), Measured()):
        made = result.build(own.context)
        [said] = json.loads((made.path / "manifest.json").read_text())["computed_on"]
        assert said == {"processor": processor(), "device": "cpu", "precision": "bf16", "threads": 1}
    assert processor()


def test_machine_is_in_no_trained_key(experiment):
    keys = set()
    for precision in ("fp32", "bf16"):
        own = experiment(f"runtime.precision={precision}")
        keys.add((own.roster[0].key, SoftLabels.of(own.roster[0], own.task.rows("train")).key))
    assert len(keys) == 1


def test_machine_of_a_run_that_was_killed_is_not_forgotten(experiment, monkeypatch):
    # or half of a training in bf16 would pass for one in float32
    own = experiment().context
    monkeypatch.setattr(own, "machine", lambda: HERE)

    def killed(work):
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        Trained(killed).build(own)
    monkeypatch.setattr(own, "machine", lambda: THERE)
    made = Trained().build(own)
    assert made.manifest["computed_on"] == [HERE, THERE]
    assert list(made.manifest["files"]) == []


def test_machines_of_all_processes_are_said_each_once(experiment, monkeypatch):
    own = experiment().context
    monkeypatch.setattr(own, "machine", lambda: HERE)
    own.processes = SimpleNamespace(
        is_main_process=True,
        gather=lambda said=None: [said, THERE, said],
        broadcast_object=lambda said=None: said,
        build=lambda build, make: build(make),
    )
    assert Trained().build(own).manifest["computed_on"] == [HERE, THERE]


def test_peer_that_is_linked_keeps_the_machines_that_it_was_trained_on(tmp_path):
    store = ArtifactStore(tmp_path, lambda: HERE)

    def link(machines):
        return lambda work: note_machines(work / "scratch", machines) or {}

    assert store.build("stage2", {"peer": 1}, link([THERE]), "peer").manifest["computed_on"] == [THERE]
    # of peers from before it was recorded nothing is known, and this process has only linked them
    assert store.build("stage2", {"peer": 2}, link([]), "peer").manifest["computed_on"] == []


def test_device_that_is_not_there_is_said_before_anything_is_made(experiment):
    if torch.cuda.is_available():
        pytest.skip("it is there")
    own = experiment("runtime.device=cuda").context
    for result in (Trained, Measured):
        with pytest.raises(ConfigError, match=r"runtime\.device: 'cuda' is not on this machine"):
            result(lambda work: pytest.fail("made")).build(own)


def test_soft_labels_by_ray_are_those_of_the_workers_machines(tmp_path, pairs, encoder, monkeypatch):
    """The process that publishes them has scored nothing."""
    tokens = tokenise(pairs.select(range(6)), encoder.tokenizer, 48)
    machines = iter([HERE, THERE, HERE])

    def score(_, teacher, heads, filesystem, root, names, done):
        worker = object.__new__(ray_scoring.Scorer)
        worker.model, worker.filesystem, worker.folder, worker.heads = None, filesystem, f"{root}/logits", [0]
        for name in names:
            said = next(machines)
            worker.runtime = SimpleNamespace(machine=lambda said=said: said)
            content = filesystem.open_input_file(f"{root}/tokens/{name}").read()
            worker({"path": np.array([name]), "bytes": np.array([content], dtype=object)})

    monkeypatch.setattr(ray_scoring, "_score", score)
    monkeypatch.setattr("tmkd.training.predict.predict", lambda model, part, runtime: np.zeros((len(part), 1, 2)))
    config = RuntimeConfig(shard_size=2)
    config.ray = RayConfig()

    def make(work):
        return {"scored": ray_scoring.score_with_ray(config, tmp_path, [0], tokens, work, tqdm(disable=True))}

    made = ArtifactStore(tmp_path, lambda: {"processor": "driver"}).build("soft_labels", {}, make, "soft labels")
    assert made.manifest["computed_on"] == [HERE, THERE]
    assert made.details == {"scored": 6}
    assert all(name.startswith("part-") for name in made.manifest["files"])


@pytest.fixture
def on(experiment, monkeypatch):
    """A function from a runtime to what a speed would be known by on a machine where "auto" comes to it."""

    def resolved(runtime):
        monkeypatch.setattr("tmkd.training.runtime.resolve_runtime", lambda **_: runtime)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Card")
        return machine(experiment().context)

    return resolved


def settled(device="cpu", bf16=False, attention="eager", score_batch=32):
    return Runtime(torch.device(device), bf16, attention, score_batch, shard_size=8, checkpoint_seconds=60)


def test_speed_is_known_by_what_auto_came_to_and_not_by_auto(on):
    """A host that gets a GPU would find its CPU's speed again."""
    seen = [
        on(settled()),
        on(settled("cuda", True, None, 128)),
        on(settled(bf16=True)),
        on(settled(attention="sdpa")),
        on(settled(score_batch=64)),
    ]
    assert len({key("speed", {"machine": each}) for each in seen}) == len(seen)
    assert seen[1]["device"] == "cuda" and seen[1]["accelerator"] == "Card" and seen[1]["precision"] == "bf16"
    assert not {"auto", 0} & set(map(str, seen[0].values()))


def test_speed_is_known_by_the_threads_that_there_are(on):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = on(settled())
        torch.set_num_threads(2)
        two = on(settled())
    finally:
        torch.set_num_threads(before)
    assert (one["threads"], two["threads"]) == (1, 2)


def test_settings_that_come_to_the_same_have_the_same_speed(experiment):
    automatic = machine(experiment().context)
    asked = {name: str(automatic[name]) for name in ("device", "precision", "attention", "score_batch")}
    other = experiment(*(f"runtime.{name}={value}" for name, value in asked.items()))
    assert machine(other.context) == automatic
    assert resolve_runtime(threads=1).machine()["threads"] == 1


def test_processes_join_before_any_of_them_can_hold_the_lock_of_a_result(experiment, monkeypatch):
    """The one that holds it would wait for all to join, and the others for the lock."""
    asked = []
    monkeypatch.setattr("tmkd.experiment.experiment.init", lambda: asked.append("init"))
    experiment()
    assert asked == ["init"]
