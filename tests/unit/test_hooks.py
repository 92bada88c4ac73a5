"""The hooks of transformers' Trainer that are overridden: most are private, and may go with any version of it.

``docs/architecture.md`` says why each is. Where one of these tests fails, read what became of the hook in
``transformers/trainer.py`` before the bound in ``pyproject.toml`` is raised.
"""

import dataclasses
import inspect
import re
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path

import pytest
import torch
import transformers
from transformers import Trainer, TrainingArguments

from tmkd.data.batching import PairDataset, tokenise
from tmkd.distributed import Processes
from tmkd.losses.combine import gold_term
from tmkd.models.classifier import PairClassifier
from tmkd.models.encoder import load_encoder
from tmkd.training.fit import fit
from tmkd.training.sharding import ShardedTrainer
from tmkd.training.trainer import DistillationTrainer

ROOT = Path(__file__).parents[2]
# What each is called with in transformers, by the names that it gives its parameters.
HOOKS = {
    "compute_loss": ["model", "inputs", "return_outputs", "num_items_in_batch"],
    "log": ["logs", "start_time"],
    "evaluate": ["eval_dataset", "ignore_keys", "metric_key_prefix"],
    "get_train_dataloader": [],
    "train": ["resume_from_checkpoint", "trial", "ignore_keys_for_eval"],
    "_clip_grad_norm": ["model"],
    "_get_train_sampler": ["train_dataset"],
    "_save_checkpoint": ["model", "trial"],
    "_save": ["output_dir", "state_dict"],
    "_save_optimizer_and_scheduler": ["output_dir"],
    "_load_from_checkpoint": ["resume_from_checkpoint", "model"],
    "_load_optimizer_and_scheduler": ["checkpoint"],
}
SHARDED = ("train", "_save", "_save_optimizer_and_scheduler", "_load_from_checkpoint", "_load_optimizer_and_scheduler")
OWN = {"__init__", "bring_home", "check_weights", "_batches"}


def overrides():
    return {
        name
        for kind in (DistillationTrainer, ShardedTrainer)
        for name, value in vars(kind).items()
        if inspect.isfunction(value) and name not in OWN
    }


def test_every_override_is_listed_here():
    # one more would be called by nobody, were it misspelt
    assert overrides() == set(HOOKS)


@pytest.mark.parametrize("name", HOOKS)
def test_hook_is_still_there_with_its_parameters(name):
    assert list(inspect.signature(getattr(Trainer, name)).parameters)[1:] == HOOKS[name]


def test_attributes_that_are_set_are_still_read():
    source = inspect.getsource(sys.modules[Trainer.__module__])
    assert re.search(r'getattr\(model, "is_distributed_loading_by_transformers"', source)
    assert "accepts_loss_kwargs" in source
    assert "_n_gpu" in inspect.getsource(TrainingArguments.n_gpu.fget)


def test_transformers_is_bounded_by_what_was_tried():
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    bound = next(re.search(r"<(\d+)\.(\d+)$", each) for each in needed if each.startswith("transformers"))
    assert bound, "expected an upper bound"
    tried = re.search(r"^transformers==(\d+)\.(\d+)\.", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert (int(bound[1]), int(bound[2])) == (int(tried[1]), int(tried[2]) + 1)
    assert transformers.__version__.startswith(f"{tried[1]}.{tried[2]}.")


def test_hooks_are_listed_with_their_reasons():
    page = (ROOT / "docs" / "architecture.md").read_text()
    assert [
        name for name in (*HOOKS, "_n_gpu", "is_distributed_loading_by_transformers") if f"`{name}`" not in page
    ] == []


def spied(kind, seen):
    """Return the class with overrides that say that they were called."""

    def spy(name):
        def called(self, *args, **kwargs):
            seen[name] += 1
            return getattr(kind, name)(self, *args, **kwargs)

        return called

    return type(kind.__name__, (kind,), {name: spy(name) for name in HOOKS if name in overrides()})


def learn(folder, pairs, runtime):
    torch.manual_seed(1)
    model = PairClassifier(load_encoder(source="tiny", layers=1, width=16, attention="eager"), ["gold"], ["a", "b"], 48)
    tokens = tokenise(pairs, model.tokenizer, 48)
    fit(
        model, PairDataset(tokens), [gold_term(1.0)], scratch=folder, runtime=runtime, what="test", seed=1,
        learning_rate=1e-3, batch_size=16, epochs=2, warmup=0.0, weight_decay=0.0, max_grad_norm=1.0,
        schedule="linear", validate=lambda _: {"map": 0.5},
    )  # fmt: skip


def test_hooks_are_called_in_a_training(pairs, runtime, tmp_path, monkeypatch):
    seen = Counter()
    monkeypatch.setattr("tmkd.training.fit.DistillationTrainer", spied(DistillationTrainer, seen))
    learn(tmp_path, pairs, dataclasses.replace(runtime, checkpoint_seconds=0))
    wanted = set(HOOKS) - set(SHARDED)
    assert wanted <= set(seen)
    assert (seen["compute_loss"], seen["_clip_grad_norm"], seen["evaluate"]) == (6, 6, 2)


@pytest.mark.thorough
def test_hooks_of_a_divided_training_are_called(tmp_path):
    # by itself: a process group cannot be left again
    code = f"import tests.unit.test_hooks as here; here.divided({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=300)


def divided(folder):
    """Train in a group of one process, twice: the second training goes on from the first one's checkpoint."""
    import torch.distributed as dist
    from datasets import Dataset

    import tmkd.training.sharding as sharding
    from tmkd.training.runtime import Runtime

    dist.init_process_group("gloo", init_method=f"file://{folder}/group", rank=0, world_size=1)
    seen = Counter()
    sharding.ShardedTrainer = spied(ShardedTrainer, seen)
    rows = [("what is it", "seven " * (1 + number % 5), number % 2) for number in range(48)]
    columns = dict(zip(("question", "passage", "label"), map(list, zip(*rows))))
    pairs = Dataset.from_dict({"id": [f"{number:032x}" for number in range(48)], **columns})
    how = {"score_batch": 8, "shard_size": 10, "checkpoint_seconds": 0, "fsdp": True}
    runtime = Runtime(torch.device("cpu"), False, "eager", processes=Processes(0, 1, 0), **how)
    for _ in range(2):
        learn(Path(folder) / "scratch", pairs, runtime)
    missing = set(HOOKS) - set(seen) - {"_get_train_sampler"}  # which several processes do not ask for
    assert not missing, missing
