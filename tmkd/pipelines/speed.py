"""How fast a classifier scores, measured once for each architecture and machine and kept like any other result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tmkd.artifacts import Artifact
from tmkd.pipelines.inputs import Inputs
from tmkd.pipelines.teachers import MODEL

TIMED_PAIRS = 1024


def speed(inputs: Inputs, classifier: Artifact) -> float:
    """Return the pairs a second that a classifier scores here, padding and batching included."""
    import torch

    runtime = inputs.runtime
    spec = classifier.manifest["spec"]
    gpu = runtime.device.type == "cuda"
    how = {
        "architecture": spec["student"] if "student" in spec else {k: spec[k] for k in ("encoder", "max_length")},
        "rows": inputs.source("test"),
        "machine": torch.cuda.get_device_name() if gpu else torch.cpu.get_capabilities()["cpu_name"],
        "threads": torch.get_num_threads(),
        "bf16": runtime.bf16,
        "attention": runtime.attention,
        "batch": runtime.score_batch,
    }

    def make(_: Path) -> dict[str, Any]:
        from tmkd.models.classifier import PairClassifier
        from tmkd.training.predict import pairs_per_second

        model = PairClassifier.load(classifier.folder(MODEL), attention=runtime.attention).to(runtime.device)
        tokens = inputs.tokens("test", model.tokenizer, model.max_length)
        tokens = tokens.select(range(min(TIMED_PAIRS, len(tokens))))
        return {"pairs_per_second": pairs_per_second(model, tokens, runtime)}

    return inputs.store.build("speed", how, make, "speed").details["pairs_per_second"]
