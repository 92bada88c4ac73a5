"""A plain transformers Trainer whose loss asks live teachers: what most people would write first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F
from torch.utils.data import Sampler
from transformers import Trainer, TrainingArguments

from benchmarks import material
from benchmarks.contenders import handed
from tmkd.data.batching import Collator, PairDataset


def distillation_loss(logits: torch.Tensor, taught: torch.Tensor, labels: torch.Tensor, alpha: float) -> torch.Tensor:
    """``(1 − α) CE + α MSE`` of ``[batch, heads, classes]`` and the teachers' ``[batch, heads - 1, classes]``."""
    return (1 - alpha) * F.cross_entropy(logits[:, 0], labels) + alpha * F.mse_loss(logits[:, 1:], taught)


class LiveTrainer(Trainer):
    """A Trainer with teachers."""

    def __init__(self, teachers: torch.nn.Module, targets: str, alpha: float, order: Sampler, **how: Any) -> None:
        super().__init__(**how)
        self.teachers, self.targets, self.alpha, self.order = teachers, targets, alpha, order
        self.losses: list[torch.Tensor] = []

    def compute_loss(self, model: Any, inputs: dict[str, torch.Tensor], *_: Any, **__: Any) -> torch.Tensor:
        with torch.no_grad():
            taught = self.teachers(**inputs)
        taught = taught.mean(dim=1, keepdim=True) if self.targets == "average" else taught
        loss = distillation_loss(model(**inputs), taught, inputs["labels"], self.alpha)
        self.losses.append(loss.detach())
        return loss

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler:
        return self.order


def fit(case: dict[str, Any], folder: Path, targets: str, alpha: float, seed: int, teachers: list) -> list[float]:
    """Train one student and save it; return the loss of every step."""
    runtime = material.runtime(case)
    dataset = PairDataset(material.tokens(folder))
    arguments = TrainingArguments(
        output_dir=str(folder / f"trainer-{len(list(folder.glob('trainer-*')))}"),
        **handed.trainer_settings(case),
        bf16=runtime.bf16,
        seed=seed,
        remove_unused_columns=False,
    )
    trainer = LiveTrainer(
        handed.AllTeachers([handed.Logits(teacher, runtime) for teacher in teachers]),
        targets,
        alpha,
        material.LengthBuckets(dataset.lengths, case["batch_size"], seed),
        model=handed.Logits(material.student(case, targets, seed), runtime),
        args=arguments,
        train_dataset=dataset,
        data_collator=Collator(0),
    )
    trainer.train()
    trainer.save_model()
    return [loss.item() for loss in trainer.losses]
