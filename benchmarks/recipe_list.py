"""The recipes that are compared: tmkd's arms, and each peer by its own defaults and by tmkd's learning rate."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.recipe_clock import Clock
from benchmarks.recipe_material import Material

TMKD, ST, TEXTBREWER, FLAG = "tmkd", "sentence_transformers", "textbrewer", "FlagEmbedding"  # packages
RATE = ", tmkd's learning rate"
BASELINE = "kd"


@dataclass(frozen=True)
class Recipe:
    """A row: who trains (a package), and the arguments of its ``answer``."""

    title: str
    package: str
    how: Mapping[str, Any]

    def answer(self, material: Material, seed: int, work: Path, clock: Clock, **how: Any) -> dict[str, np.ndarray]:
        """Train in the folder ``work`` and return probabilities [pairs, 2] of validation and test."""
        module = importlib.import_module(f"benchmarks.contenders.recipe_of_{self.package.lower()}")
        return module.answer(material, seed, work, clock, **self.how, **how)


def _sentence_transformers(loss: str, title: str) -> dict[str, Recipe]:
    named, rate = f"sentence-transformers, {title}", {"loss": loss, "settings": "tmkd"}
    return {
        loss: Recipe(named, ST, {"loss": loss}),
        f"{loss}_rate": Recipe(named + RATE, ST, rate),
        f"{loss}_student": Recipe(f"{named}{RATE} and student", ST, rate | {"student": "tmkd"}),
    }


RECIPES = {
    "kd": Recipe("tmkd, KD (1avg-o-1)", TMKD, {"arm": "kd_average"}),
    "kd_first": Recipe("tmkd, KD (1avg-o-1), first token", TMKD, {"arm": "kd_average_first"}),
    "kd_margin": Recipe("tmkd, KD (1avg-o-1), MarginMSE", TMKD, {"arm": "kd_average_margin"}),
    "mkd": Recipe("tmkd, MKD", TMKD, {"arm": "mkd"}),
    "tmkd": Recipe("tmkd, TMKD", TMKD, {"arm": "tmkd"}),
    **_sentence_transformers("mse", "MSELoss"),
    **_sentence_transformers("margin_mse", "MarginMSELoss"),
    "kl": Recipe(  # the temperature is its default, the learning rate that of its experiments
        "TextBrewer, cross-entropy at temperature 4",
        TEXTBREWER,
        {"kd_loss_type": "ce", "temperature": 4, "learning_rate": 1e-4},
    ),
    "logits": Recipe(
        f"TextBrewer, MSE of logits{RATE}", TEXTBREWER, {"kd_loss_type": "mse", "temperature": 1, "learning_rate": None}
    ),
    "groups": Recipe("FlagEmbedding, knowledge_distillation", FLAG, {"learning_rate": 6e-5}),  # that of its script
    "groups_rate": Recipe(f"FlagEmbedding, knowledge_distillation{RATE}", FLAG, {"learning_rate": None}),
}
