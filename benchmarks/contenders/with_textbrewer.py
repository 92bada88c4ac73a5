"""TextBrewer: its distillers with live teachers, or with the logits that it caches in the first pass.

It averages several teachers (MultiTeacherDistiller); for a head a teacher it is given one wrapper teacher that returns
all teachers' logits (BasicDistiller).
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from benchmarks import material
from benchmarks.contenders import handed


def fit(
    case: dict[str, Any],
    folder: Path,
    targets: str,
    alpha: float,
    seed: int,
    teachers: list,
    cached: bool,
    buckets: bool = True,
) -> list[float]:
    """Train one student and save it once, at its end; return the loss of every step.

    Args:
        cached: keep the teachers' logits of the first pass.
        buckets: give it tmkd's batches, of like length; else pairs of any length come together, padded to the longest.
    """
    import textbrewer

    runtime = material.runtime(case)
    student = handed.Logits(material.student(case, targets, seed), runtime)
    live: Any = [handed.Logits(teacher, runtime) for teacher in teachers]
    distiller_class = textbrewer.MultiTeacherDistiller
    if targets == "heads":
        live, distiller_class = handed.AllTeachers(live), textbrewer.BasicDistiller
    # its losses of several logits are added up, tmkd's are averaged
    weight = alpha / (1 if targets == "average" else len(teachers))
    distiller = distiller_class(
        textbrewer.TrainingConfig(
            device="cpu",
            output_dir=str(folder / f"textbrewer-{len(list(folder.glob('textbrewer-*')))}"),
            ckpt_epoch_frequency=case["epochs"],
        ),
        textbrewer.DistillationConfig(
            temperature=1,
            kd_loss_type="mse",
            kd_loss_weight=weight,
            hard_label_weight=1 - alpha,
            is_caching_logits=cached,
        ),
        live,
        student,
        lambda batch, logits: {"logits": list(logits.unbind(1))},
        lambda batch, logits: {
            "logits": list(logits[:, 1:].unbind(1)),
            "losses": [F.cross_entropy(logits[:, 0], batch["labels"])],
        },
    )
    losses: list[torch.Tensor] = []
    step = distiller.train_on_batch

    def watched(batch: Any, arguments: Any) -> Any:
        total, parts = step(batch, arguments)
        losses.append(total.detach().clone())  # it goes on dividing the total in place
        return total, parts

    distiller.train_on_batch = watched
    if case.get("check"):  # cached batches are shuffled anew each epoch: hold them still to compare the losses
        random.shuffle = lambda _: None  # type: ignore[assignment]
    optimizer = handed.optimiser(student)
    with distiller:
        distiller.train(
            optimizer,
            material.loader(case, folder, seed, buckets),
            num_epochs=case["epochs"],
            scheduler_class=lambda optimizer: handed.schedule(optimizer, case),
            scheduler_args={},
            max_grad_norm=material.MAX_GRAD_NORM,
        )
    return [loss.item() for loss in losses]
