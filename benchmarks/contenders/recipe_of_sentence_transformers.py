"""sentence-transformers: CrossEncoder of one label, taught the teachers' averaged margin by CrossEncoderTrainer.

MSELoss learns the margin of each pair, MarginMSELoss the difference of two pairs' margins: of a question, a right and a
wrong passage. As in the project's examples for both, the best evaluation on validation is kept: by MAP, once an epoch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from sentence_transformers import CrossEncoder
from sentence_transformers.cross_encoder import CrossEncoderTrainer, CrossEncoderTrainingArguments
from sentence_transformers.cross_encoder.evaluation import CrossEncoderRerankingEvaluator
from sentence_transformers.cross_encoder.losses import MarginMSELoss, MSELoss

import tmkd
from benchmarks.contenders.with_sentence_transformers import cross_encoder
from benchmarks.recipe_clock import Clock
from benchmarks.recipe_material import JUDGED, Material, as_probabilities
from tmkd.experiment.experiment import Experiment

LOSSES = {"mse": MSELoss, "margin_mse": MarginMSELoss}


def answer(
    material: Material,
    seed: int,
    work: Path,
    clock: Clock,
    loss: str,
    settings: str = "defaults",
    student: str = "first_token",
) -> dict[str, np.ndarray]:
    """Return probabilities [pairs, 2] of validation and test.

    Args:
        loss: mse or margin_mse.
        settings: ``defaults`` of CrossEncoderTrainingArguments, or ``tmkd``: learning rate, warm-up and weight decay.
        student: ``first_token``, as CrossEncoder loads it: the first token's state, the pooler, one output; or
            ``tmkd``: tmkd's student, which reads the mean of all tokens and leaves word embeddings alone.
    """
    torch.manual_seed(seed)
    with clock:
        if student == "tmkd":
            model = _tmkd_student(material, work)
        else:
            model = CrossEncoder(material.student, num_labels=1, max_length=material.case["max_length"], device="cpu")
        CrossEncoderTrainer(
            model=model,
            args=_arguments(material, seed, work, settings, triplets=loss == "margin_mse"),
            train_dataset=training_rows(material, loss),
            loss=LOSSES[loss](model),
            evaluator=CrossEncoderRerankingEvaluator(_samples(material), name="validation", write_csv=False),
        ).train()
        # read again: a trained model goes on in bf16, in which near scores are ties
        model.save_pretrained(str(work / "model"))
        reader = CrossEncoder(str(work / "model"), max_length=material.case["max_length"], device="cpu")
        return {split: predict(reader, material, split) for split in JUDGED}


def predict(model: CrossEncoder, material: Material, split: str) -> np.ndarray:
    """Return probabilities [pairs, 2] of a CrossEncoder of one label or of two."""
    scores = model.predict(material.texts(split), activation_fn=torch.nn.Identity(), show_progress_bar=False)
    return as_probabilities(scores)


def training_rows(material: Material, loss: str) -> Dataset:
    """Return what the loss learns from: question, passage and margin; or question, right, wrong and difference."""
    rows, margins = material.rows["train"], material.margins()
    if loss == "mse":
        columns: dict[str, Any] = {name: [row[name] for row in rows] for name in ("question", "passage")}
        return Dataset.from_dict(columns | {"label": margins.tolist()})
    triplets = material.triplets()
    return Dataset.from_dict(
        {
            "question": [rows[right]["question"] for right, _ in triplets],
            "right": [rows[right]["passage"] for right, _ in triplets],
            "wrong": [rows[wrong]["passage"] for _, wrong in triplets],
            "label": [float(margins[right] - margins[wrong]) for right, wrong in triplets],
        }
    )


def _arguments(material: Material, seed: int, work: Path, settings: str, triplets: bool) -> Any:
    """Return arguments with tmkd's number of steps and of pairs in each; a triplet is two pairs."""
    case = material.case
    every = max(1, case["steps"] // case["epochs"])
    ours = {name: case[name] for name in ("learning_rate", "weight_decay", "max_grad_norm")}
    return CrossEncoderTrainingArguments(
        output_dir=str(work / "training"),
        max_steps=case["steps"],
        per_device_train_batch_size=max(1, case["batch_size"] // (2 if triplets else 1)),
        bf16=case["bf16"],
        seed=seed,
        use_cpu=True,
        eval_strategy="steps",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=1,
        load_best_model_at_end=True,
        metric_for_best_model="eval_validation_map",
        dataloader_pin_memory=False,
        report_to=[],
        **(ours | {"warmup_steps": case["warmup"]} if settings == "tmkd" else {}),
    )


def _samples(material: Material) -> list[dict[str, Any]]:
    rows = material.rows["validation"]
    return [
        {
            "query": rows[right[0]]["question"],
            "positive": [rows[place]["passage"] for place in right],
            "negative": [rows[place]["passage"] for place in wrong],
        }
        for right, wrong in material.questions("validation")
    ]


def _tmkd_student(material: Material, work: Path) -> CrossEncoder:
    experiment = Experiment(tmkd.compose(material.case["settings"]))
    model = cross_encoder(experiment.architecture().new(experiment.context, ["score"], ["score"]), work, None)
    model.model.get_input_embeddings().requires_grad_(not experiment.config.student.freeze_embeddings)
    return model
