"""How fast a classifier scores, measured once for each architecture and machine and kept like any other result."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from tmkd.artifacts import MODEL, Artifact
from tmkd.config import Config, settings
from tmkd.pipelines.exits import DEEPEST, Predictor, answer
from tmkd.pipelines.inputs import Inputs

TIMED_PAIRS = 1024


def machine(config: Config) -> dict[str, Any]:
    """Return what a speed holds for: this machine, and the runtime settings that were asked for."""
    runtime = settings(config.runtime)
    asked = {name: runtime[name] for name in ("device", "precision", "attention", "threads", "score_batch")}
    return {"system": platform.platform(), "cpu": _cpu(), "cores": os.cpu_count(), **asked}


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def speed(inputs: Inputs, classifier: Artifact, predictor: Predictor = DEEPEST) -> float:
    """Return the pairs a second that a classifier, or a part of it, scores here, padding and batching included."""
    runtime = inputs.runtime
    spec = classifier.manifest["spec"]
    how = {
        "architecture": spec["student"] if "student" in spec else {k: spec[k] for k in ("encoder", "max_length")},
        "rows": inputs.source("test"),
        "machine": machine(inputs.config),
        **predictor.settings,
    }
    if predictor.threshold is not None:
        how["classifier"] = classifier.key  # who leaves where is a matter of its weights

    def make(_: Path) -> dict[str, Any]:
        from tmkd.models.classifier import PairClassifier
        from tmkd.training.predict import pairs_per_second

        model = PairClassifier.load(classifier.folder(MODEL), attention=runtime.attention).to(runtime.device)
        tokens = inputs.tokens("test", model.tokenizer, model.max_length)
        tokens = tokens.select(range(min(TIMED_PAIRS, len(tokens))))
        return {"pairs_per_second": pairs_per_second(model, tokens, runtime, answer=answer(model, predictor))}

    return inputs.store.build("speed", how, make, "speed").details["pairs_per_second"]
