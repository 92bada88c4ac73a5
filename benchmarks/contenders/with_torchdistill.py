"""torchdistill: its DistillationBox with live teachers.

It imports torchvision for its collections of data sets and image models, none of which is used here; empty modules
stand in for it, since the CPU build of torch has no torchvision beside it on the package index.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from benchmarks import material
from benchmarks.contenders import handed
from benchmarks.contenders.with_trainer import distillation_loss
from tmkd.data.batching import Collator, PairDataset

STAND_INS = {
    "torchvision": (),
    "torchvision.datasets": (),
    "torchvision.transforms": (),
    "torchvision.models": (),
    "torchvision.models.resnet": ("BasicBlock", "conv1x1"),
    "torchvision.models.densenet": ("_DenseBlock", "_Transition"),
}


def _stand_in() -> None:
    for name, classes in STAND_INS.items():
        module = sys.modules.setdefault(name, ModuleType(name))
        for each in classes:
            setattr(module, each, type(each, (), {}))
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(sys.modules[parent], child, module)


def fit(case: dict[str, Any], folder: Path, targets: str, alpha: float, seed: int, teachers: list) -> list[float]:
    """Train one student and save it; return the loss of every step."""
    _stand_in()
    from torchdistill.core.distillation import DistillationBox
    from torchdistill.datasets.registry import register_collate_func
    from torchdistill.losses.registry import register_high_level_loss

    losses: list[torch.Tensor] = []

    @register_high_level_loss(key="distillation")
    def criterion() -> Any:
        def value(io: dict[str, Any], _: Any, labels: torch.Tensor) -> torch.Tensor:
            taught = io["teacher"]["."]["output"]
            taught = taught.mean(dim=1, keepdim=True) if targets == "average" else taught
            loss = distillation_loss(io["student"]["."]["output"], taught, labels, alpha)
            losses.append(loss.detach())
            return loss

        return value

    register_collate_func(Collator(0), key="pairs")
    runtime = material.runtime(case)
    student = handed.Logits(material.student(case, targets, seed), runtime)
    dataset = PairDataset(material.tokens(folder))
    box = DistillationBox(
        handed.AllTeachers([handed.Logits(teacher, runtime) for teacher in teachers]),
        student,
        {"train": dataset},
        {
            "num_epochs": case["epochs"],
            "train_data_loader": {
                "dataset_id": "train",
                "requires_supp": False,
                "sampler": {
                    "class_or_func": lambda rows: material.EveryEpoch(rows.lengths, case["batch_size"], seed),
                },
                "collate_fn": "pairs",
                "kwargs": {"batch_size": case["batch_size"]},
            },
            "teacher": {"requires_grad": False, "forward_proc": "forward_batch_only_as_kwargs"},
            "student": {"forward_proc": "forward_batch_only_as_kwargs"},
            "optimizer": {"key": "AdamW", "kwargs": {"lr": material.LEARNING_RATE}, "max_grad_norm": 1.0},
            "criterion": {"key": "distillation"},
        },
        torch.device("cpu"),
        None,
        False,
        1,
    )
    # its configuration cannot exempt biases from weight decay: the optimiser of the others
    box.optimizer = handed.optimiser(student)
    box.lr_scheduler, box.scheduling_step = handed.schedule(box.optimizer, case), 1
    box.max_grad_norm = material.MAX_GRAD_NORM
    for epoch in range(case["epochs"]):
        box.pre_epoch_process(epoch=epoch)
        for batch in box.train_data_loader:
            box.post_forward_process(box.forward_process(batch, batch["labels"]))
        box.post_epoch_process()
    torch.save(student.state_dict(), folder / "torchdistill.pt")
    return [loss.item() for loss in losses]
