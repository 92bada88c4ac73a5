"""TextBrewer: MultiTeacherDistiller, which averages the teachers' logits, on a classifier of transformers.

Its teachers are modules that are run in every step; these return the logits that are stored for the batch's pairs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import textbrewer
import torch
from sentence_transformers import CrossEncoder
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import AutoModelForSequenceClassification, AutoTokenizer, get_linear_schedule_with_warmup

from benchmarks.contenders.recipe_of_sentence_transformers import predict
from benchmarks.recipe_clock import Clock
from benchmarks.recipe_material import JUDGED, Material

STORED = "stored"  # the teachers' logits in a batch, [pairs, teachers, 2]


class Stored(nn.Module):
    """A teacher that knows its answers."""

    def __init__(self, place: int) -> None:
        super().__init__()
        self.place = place

    def forward(self, stored: Tensor, **_: Tensor) -> Tensor:
        return stored[:, self.place]


class Logits(nn.Module):
    """The student's logits [pairs, 2] of a batch."""

    def __init__(self, model: nn.Module, bf16: bool) -> None:
        super().__init__()
        self.model, self.bf16 = model, bf16

    def forward(self, stored: Tensor, **inputs: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            return self.model(**inputs).logits.float()


def answer(
    material: Material,
    seed: int,
    work: Path,
    clock: Clock,
    kd_loss_type: str,
    temperature: float,
    learning_rate: float | None,
) -> dict[str, np.ndarray]:
    """Return probabilities [pairs, 2] of validation and test.

    Args:
        kd_loss_type, temperature: of DistillationConfig.
        learning_rate: of AdamW; None: tmkd's.
    """
    torch.manual_seed(seed)
    case = material.case
    with clock:
        model = AutoModelForSequenceClassification.from_pretrained(material.student, num_labels=2)
        tokenizer = AutoTokenizer.from_pretrained(material.student, model_max_length=case["max_length"])
        student = Logits(model, case["bf16"])
        optimizer = torch.optim.AdamW(
            student.parameters(), lr=learning_rate or case["learning_rate"], weight_decay=case["weight_decay"]
        )
        distiller = textbrewer.MultiTeacherDistiller(
            textbrewer.TrainingConfig(device="cpu", output_dir=str(work / "training"), ckpt_steps=case["steps"]),
            textbrewer.DistillationConfig(temperature=temperature, kd_loss_type=kd_loss_type),
            [Stored(place) for place in range(material.logits().shape[1])],
            student,
            lambda batch, logits: {"logits": [logits]},
            lambda batch, logits: {"logits": [logits]},
        )
        schedule = {"num_warmup_steps": int(case["warmup"] * case["steps"]), "num_training_steps": case["steps"]}
        with distiller:
            distiller.train(
                optimizer,
                _loader(material, tokenizer, seed),
                num_steps=case["steps"],
                scheduler_class=get_linear_schedule_with_warmup,
                scheduler_args=schedule,
                max_grad_norm=case["max_grad_norm"],
            )
        model.save_pretrained(work / "model")
        tokenizer.save_pretrained(work / "model")
        reader = CrossEncoder(str(work / "model"), max_length=case["max_length"], device="cpu")
        return {split: predict(reader, material, split) for split in JUDGED}


def _loader(material: Material, tokenizer: Any, seed: int) -> DataLoader:
    texts, logits = material.texts("train"), torch.from_numpy(material.logits())

    def collate(places: list[int]) -> dict[str, Tensor]:
        questions, passages = zip(*(texts[place] for place in places))
        batch = tokenizer(list(questions), list(passages), truncation=True, padding=True, return_tensors="pt")
        return dict(batch) | {STORED: logits[places]}

    order: Any = range(len(texts))
    drawn = torch.Generator().manual_seed(seed)
    return DataLoader(order, material.case["batch_size"], shuffle=True, collate_fn=collate, generator=drawn)
