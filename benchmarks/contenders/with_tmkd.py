"""tmkd: score the pairs once a teacher, keep the logits, train every student from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import material
from tmkd.data.batching import Collator, PairDataset
from tmkd.losses.combine import gold_term, soft_term
from tmkd.models.classifier import PairClassifier
from tmkd.store.soft_labels import read_soft_labels, write_soft_labels
from tmkd.training.fit import train
from tmkd.training.learner import Learner
from tmkd.training.predict import predict


def score(case: dict[str, Any], folder: Path) -> np.ndarray:
    """Score all pairs, write the logits, read them back: ``[pairs, teachers, classes]``."""
    runtime, tokens = material.runtime(case), material.tokens(folder)
    found = []
    for number in range(case["teachers"]):
        store = folder / "soft_labels" / str(number)
        store.mkdir(parents=True)
        teacher = PairClassifier.load(folder / f"teacher-{number + 1}", attention=runtime.attention)

        def logits(part: Any, teacher: PairClassifier = teacher) -> np.ndarray:
            return predict(teacher, part, runtime)[:, 0]

        write_soft_labels(store, tokens, logits, runtime.shard_size, lambda _: None)
        found.append(read_soft_labels(store, tokens["id"]))
    return np.stack(found, axis=1)


def fit(
    case: dict[str, Any], folder: Path, targets: str, alpha: float, seed: int, soft: np.ndarray, **how: Any
) -> list[float]:
    """Train one student on soft labels ``[pairs, teachers, classes]`` and save it; return the loss of every step."""
    model = material.student(case, targets, seed)
    soft = soft.mean(axis=1, keepdims=True) if targets == "average" else soft
    pairs = PairDataset(material.tokens(folder), soft)
    return fit_terms(case, folder, model, pairs, [gold_term(1 - alpha), soft_term(alpha, "mse", 1.0)], seed, **how)


def fit_terms(
    case: dict[str, Any], folder: Path, model: PairClassifier, pairs: PairDataset, terms: list, seed: int, **how: Any
) -> list[float]:
    """Train a student on any terms with tmkd's trainer, at the benchmarks' settings unless ``how`` has others."""
    learner = Learner(model, terms)
    losses: list = []
    learner.register_forward_hook(lambda *seen: losses.append(seen[-1]["loss"].detach()))
    settings = {
        "scratch": folder / f"scratch-{len(list(folder.glob('scratch-*')))}",
        "runtime": material.runtime(case),
        "what": "benchmark",
        "seed": seed,
        "learning_rate": material.LEARNING_RATE,
        "batch_size": case["batch_size"],
        "epochs": case["epochs"],
        "warmup": material.WARMUP,
        "weight_decay": material.WEIGHT_DECAY,
        "max_grad_norm": material.MAX_GRAD_NORM,
        "schedule": "linear",
    }
    train(learner, pairs, Collator(model.tokenizer.pad_token_id), **settings | how)
    model.save(settings["scratch"] / "model")
    return [loss.item() for loss in losses]
