"""What peers are handed beside the material: teachers and student as plain modules, tmkd's optimiser and schedule."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import get_linear_schedule_with_warmup

from benchmarks.material import LEARNING_RATE, MAX_GRAD_NORM, WARMUP, WEIGHT_DECAY
from tmkd.models.classifier import PairClassifier
from tmkd.training.runtime import Runtime


def trainer_settings(case: dict[str, Any]) -> dict[str, Any]:
    """Return what any ``TrainingArguments`` must say for the case's work, and for nothing beside it."""
    return {
        "per_device_train_batch_size": case["batch_size"],
        "num_train_epochs": case["epochs"],
        "learning_rate": LEARNING_RATE,
        "warmup_steps": WARMUP,
        "weight_decay": WEIGHT_DECAY,
        "max_grad_norm": MAX_GRAD_NORM,
        "optim": "adamw_torch_fused",
        "use_cpu": True,
        "save_strategy": "no",
        "disable_tqdm": True,
        "report_to": [],
        "dataloader_pin_memory": False,
    }


class Logits(nn.Module):
    """A classifier that gives its logits ``[batch, heads, classes]`` for a whole batch, in the case's precision."""

    def __init__(self, classifier: PairClassifier, precision: Runtime) -> None:
        super().__init__()
        self.classifier = classifier
        self.precision = precision

    def forward(self, labels: Tensor | None = None, **inputs: Tensor) -> Tensor:
        with self.precision.autocast():
            return self.classifier(**inputs).logits


class AllTeachers(nn.Module):
    """Several teachers as one: ``[batch, teachers, classes]``."""

    def __init__(self, each: Sequence[nn.Module]) -> None:
        super().__init__()
        self.each = nn.ModuleList(each)

    def forward(self, **batch: Tensor) -> Tensor:
        return torch.cat([teacher(**batch) for teacher in self.each], dim=1)


def optimiser(model: nn.Module) -> torch.optim.AdamW:
    """Return what the Trainer would make: fused AdamW, no decay of biases and layer norms."""
    learnt = [weight for weight in model.parameters() if weight.requires_grad]
    groups = [
        {"params": [weight for weight in learnt if weight.ndim > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [weight for weight in learnt if weight.ndim == 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=LEARNING_RATE, fused=True)


def schedule(optimizer: torch.optim.Optimizer, case: dict[str, Any]) -> Any:
    """Return the Trainer's linear schedule, a tenth of it warm-up."""
    steps = math.ceil(case["pairs"] / case["batch_size"]) * case["epochs"]
    return get_linear_schedule_with_warmup(optimizer, math.ceil(WARMUP * steps), steps)
