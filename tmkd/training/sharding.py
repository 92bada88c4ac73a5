"""Training a model that is too large for one device: each process holds a share of it (fully sharded data parallelism).

What is divided is what training adds to a model, several times its size: gradients and the optimizer's state, and the
weights that these belong to. Each layer is put together when it is needed. Validation and scoring see the model whole:
a teacher has to fit a device to score the corpus anyway.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from accelerate.optimizer import AcceleratedOptimizer
from safetensors.torch import load_file
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from transformers import PreTrainedModel
from transformers.trainer import OPTIMIZER_NAME, SCHEDULER_NAME
from transformers.utils import SAFE_WEIGHTS_NAME

from tmkd.distributed import Processes
from tmkd.models.layers import stacks
from tmkd.training.trainer import DistillationTrainer

GATHERED = StateDictOptions(full_state_dict=True, cpu_offload=True)  # to the first process; the others get nothing
SPREAD = StateDictOptions(full_state_dict=True)


def sharded(whole: nn.Module, processes: Processes, device: torch.device) -> nn.Module:
    """Return a copy of which this process holds its share, divided layer by layer."""
    shares = copy.deepcopy(whole)
    mesh = init_device_mesh(device.type, (processes.count,))
    for encoder in [module for module in shares.modules() if isinstance(module, PreTrainedModel)]:
        for parent, name in stacks(encoder):
            for layer in getattr(parent, name):
                fully_shard(layer, mesh=mesh)
    fully_shard(shares, mesh=mesh)
    # or the Trainer would wrap it for data parallelism once more
    shares.is_distributed_loading_by_transformers = True  # type: ignore[assignment]
    return shares


class ShardedTrainer(DistillationTrainer):
    """A DistillationTrainer of ``sharded(whole, ...)``; ``whole`` has its weights at validations and at the end."""

    def __init__(self, *args: Any, whole: nn.Module, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.whole = whole

    @property
    def _steps(self) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
        """The optimizer without what accelerate has wrapped it in, and the schedule of its rate."""
        assert isinstance(self.optimizer, AcceleratedOptimizer) and self.lr_scheduler is not None
        return self.optimizer.optimizer, self.lr_scheduler

    def bring_home(self) -> None:
        """Give ``whole``, in every process, the weights that all of them have learnt."""
        with torch.no_grad():  # one by one: all at once would need memory for them twice
            for own, share in zip(self.whole.parameters(), self.learner.parameters(), strict=True):
                own.copy_(share.full_tensor() if isinstance(share, DTensor) else share)

    def train(self, *args: Any, **kwargs: Any) -> Any:
        found = super().train(*args, **kwargs)
        self.bring_home()
        return found

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        self.bring_home()
        return super().evaluate(*args, **kwargs)

    def _clip_grad_norm(self, model: nn.Module) -> torch.Tensor:
        norm = super()._clip_grad_norm(model)
        return norm.full_tensor() if hasattr(norm, "full_tensor") else norm

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        super()._save(output_dir, get_model_state_dict(self.learner, options=GATHERED))

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        optimizer, scheduler = self._steps
        state = get_optimizer_state_dict(self.learner, optimizer, options=GATHERED)
        if self.args.should_save:
            torch.save(state, Path(output_dir) / OPTIMIZER_NAME)
            torch.save(scheduler.state_dict(), Path(output_dir) / SCHEDULER_NAME)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        weights = load_file(Path(resume_from_checkpoint) / SAFE_WEIGHTS_NAME)
        set_model_state_dict(self.learner, dict(weights), options=SPREAD)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            return
        state = torch.load(Path(checkpoint) / OPTIMIZER_NAME, map_location="cpu", weights_only=True)
        optimizer, scheduler = self._steps
        set_optimizer_state_dict(self.learner, optimizer, state, options=SPREAD)
        scheduler.load_state_dict(torch.load(Path(checkpoint) / SCHEDULER_NAME, weights_only=True))
