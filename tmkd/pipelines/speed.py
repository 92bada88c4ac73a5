"""How fast a classifier scores, measured once for each architecture and machine and kept like any other result."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from tmkd.pipelines.context import RunContext
from tmkd.pipelines.exits import DEEPEST, Predictor, answer
from tmkd.store.artifacts import MODEL, Artifact

TIMED_PAIRS = 1024


def machine(context: RunContext) -> dict[str, Any]:
    """Return what a speed holds for: this machine, and what the runtime settings come to on it.

    Not what was asked for: a GPU may come to a host, and "auto" would still find the CPU's speed.
    """
    runtime = context.runtime
    return {
        "system": platform.platform(),
        "cores": os.cpu_count(),
        **runtime.machine(),
        "attention": runtime.attention or "the library's choice",
        "score_batch": runtime.score_batch,
    }


def speed(context: RunContext, classifier: Artifact, predictor: Predictor = DEEPEST) -> float:
    """Return the pairs a second that a classifier, or a part of it, scores here, padding and batching included."""
    runtime = context.runtime
    spec = classifier.manifest["spec"]
    how = {
        "architecture": spec["student"] if "student" in spec else {k: spec[k] for k in ("encoder", "max_length")},
        "rows": context.source("test"),
        "machine": machine(context),
        **predictor.settings,
    }
    if predictor.threshold is not None:
        how["classifier"] = classifier.key  # who leaves where is a matter of its weights

    def make(_: Path) -> dict[str, Any]:
        from tmkd.models.classifier import PairClassifier
        from tmkd.training.predict import pairs_per_second

        model = PairClassifier.load(classifier.folder(MODEL), attention=runtime.attention).to(runtime.device)
        tokens = context.tokens("test", model.tokenizer, model.max_length)
        tokens = tokens.select(range(min(TIMED_PAIRS, len(tokens))))
        return {"pairs_per_second": pairs_per_second(model, tokens, runtime, answer=answer(model, predictor))}

    return float(context.store.build("speed", how, make, "speed").details["pairs_per_second"])
