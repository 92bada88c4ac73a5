"""Classifiers that are trained here: how they start, are judged, written and loaded."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tmkd.choices import CLASSES, CUT
from tmkd.collector import loading
from tmkd.progress import done_before
from tmkd.results.classifier import Classifier, validation_metrics
from tmkd.results.context import RunContext
from tmkd.results.costs import scoring
from tmkd.results.head_calibration import calibrate_heads, calibrated
from tmkd.results.rows import Rows
from tmkd.results.task import Task
from tmkd.results.work import FLOAT, ID, Work
from tmkd.store.artifacts import LABEL_KIND, MODEL, Artifact
from tmkd.store.predictions import write_predictions

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset

    from tmkd.models.classifier import PairClassifier

log = logging.getLogger(__name__)
BATCH = 8192  # pairs whose soft labels are in memory at once


@dataclass(frozen=True, eq=False)
class TrainedClassifier(Classifier):
    """A classifier whose artifact holds a model."""

    labels_together: ClassVar[bool] = True

    def label(self, context: RunContext, rows: Rows, work: Path) -> dict[str, Any]:
        from tmkd.evaluation.ensemble import teaching_logits
        from tmkd.results.ray_scoring import score_with_ray
        from tmkd.store.soft_labels import write_soft_labels
        from tmkd.training.predict import predict

        teacher = self.build(context)
        ray = context.how.ray is not None
        model = load_classifier(teacher, context, held=not ray)  # its workers hold it
        heads = model.predicting  # a student teaches by those that predict
        tokens = rows.read_by(context, model)
        processes = context.processes
        share = -(-len(tokens) // (processes.count if processes else 1))
        with context.bar(share, f"score {rows.split}") as bar:

            def score(part: Dataset) -> np.ndarray:
                return teaching_logits(predict(model, part, context.runtime, bar)[:, heads])

            if not ray:
                size = context.runtime.shard_size
                before = functools.partial(done_before, bar)
                scored = write_soft_labels(work, tokens, score, size, before, processes)
                scored = sum(processes.gather(scored)) if processes else scored
            else:
                scored = score_with_ray(context.how, teacher.folder(MODEL), heads, tokens, work, bar)
        details: dict[str, Any] = {"pairs": len(tokens), "scored_in_the_last_run": scored}
        if rows.split == "train" and context.is_main_process and self.own_task.label_kind == CLASSES:
            details["accuracy"] = _memorised(teacher, tokens, work)  # the main process's details are published
        return details

    def label_cost(self, context: RunContext, rows: Rows) -> list[Work]:
        return [scoring(context, self.member(context), rows, kept=ID + FLOAT * len(self.own_task.classes))]


def load_classifier(classifier: Artifact, context: RunContext, held: bool = True) -> PairClassifier:
    """Return a trained classifier, on the runtime's device if it is ``held`` there."""
    with loading():  # the models of transformers come with it
        from tmkd.models.classifier import PairClassifier

    model = PairClassifier.load(classifier.folder(MODEL), attention=context.runtime.attention)
    return context.runtime.hold(model) if held else model


def new_classifier(
    context: RunContext,
    source: Mapping[str, Any],
    heads: Sequence[str],
    classes: Sequence[str],
    max_length: int,
    *,
    dropout: float | None,
    freeze_embeddings: bool,
    keep: int | None = None,
    keep_which: str = "bottom",
    token_types: bool = True,
    head_init: str = "shared",
    long: str = CUT,
) -> PairClassifier:
    """Return a teacher or student before training, with fresh heads, on the runtime's device.

    Args:
        source: of its encoder; see ``Encoder.source``.
        keep: the number of layers to keep of its encoder; None keeps all.
        keep_which: which layers, bottom or every (see ``models.layers.kept``).
        token_types: whether its encoder tells them apart.
        head_init: shared or separate: whether all heads start from one random draw.
        long: what it reads of a passage that is too long.
    """
    from tmkd.models.classifier import PairClassifier
    from tmkd.models.encoder import load_encoder

    encoder = load_encoder(
        **source,
        keep=keep,
        keep_which=keep_which,
        token_types=token_types,
        dropout=dropout,
        freeze_embeddings=freeze_embeddings,
        attention=context.runtime.attention,
    )
    model = PairClassifier(encoder, heads, classes, max_length, head_init == "shared", long)
    return context.runtime.hold(model)


def validator(
    context: RunContext, task: Task, model: PairClassifier, metric: str | None, relative: Sequence[int] = ()
) -> Callable[[Any], dict[str, float]]:
    """Return what judges ``model`` after each epoch: the mean of the predicting heads' probabilities, on validation.

    Heads at the places ``relative`` are calibrated first, as they are once the model is written. ``metric`` is what the
    task is judged by; None: its usual one.
    """
    from tmkd.training.predict import predict_together

    tokens = task.rows("validation").read_by(context, model)

    def validate(_: Any) -> dict[str, float]:
        found = predict_together(model, tokens, context.runtime).transpose(1, 0, 2)
        found = calibrated(context, task, found, relative) if relative else found
        return validation_metrics(context, task, found[model.predicting], metric)

    return validate


def write_classifier(
    work: Path,
    model: PairClassifier,
    context: RunContext,
    task: Task,
    metric: str | None = None,
    relative: Sequence[int] = (),
) -> dict[str, Any]:
    """Write a trained classifier, and what it predicts of validation and test, once, for every later table, exits too.

    Args:
        relative: places of the heads that are calibrated first (see ``head_calibration``).

    Returns:
        What the manifest says of it: ``validation``, the metrics (``metric`` among them), ``parameters``, where
        heads were calibrated, how, and where labels are no classes, ``label_kind``.
    """
    from tmkd.training.predict import predict_together

    facts: dict[str, Any] = {"calibrated": calibrate_heads(context, task, model, relative)} if relative else {}
    facts |= {} if task.label_kind == CLASSES else {LABEL_KIND: task.label_kind}
    logits = {}
    for split in ("validation", "test"):
        tokens = task.rows(split).read_by(context, model)
        found = predict_together(model, tokens, context.runtime, model.answers).transpose(1, 0, 2)
        logits[split] = found[model.predicting]
        for layer, scored in zip(model.exits.layers, found[len(model.heads.names) :]):
            logits[f"{split}, exit {layer}"] = scored[None]
    if context.is_main_process:
        write_predictions(work, logits)
        model.save(work / MODEL)
    validation = validation_metrics(context, task, logits["validation"], metric)
    return {"validation": validation, "parameters": model.parameter_count, **facts}


def training_cost(made: Sequence[Artifact]) -> dict[str, float]:
    """Return what several trainings cost: ``seconds`` together, and ``peak_bytes`` of the largest."""
    costs = [each.details["training"]["cost"] for each in made]
    return {
        "seconds": sum(each["seconds"] for each in costs),
        "peak_bytes": max(each["peak_bytes"] for each in costs),
    }


def _memorised(teacher: Artifact, tokens: Dataset, folder: Path) -> float:
    """Say how much of what a teacher answers rightly it has only memorised: its soft labels there are the gold ones.

    Returns:
        The share of the training pairs whose gold label has the teacher's highest logit.
    """
    from tmkd.store.memmap import letting_go
    from tmkd.store.shards import pack
    from tmkd.store.soft_labels import SoftLabels

    labels, right = SoftLabels(folder), 0
    with letting_go(tokens):
        for batch in tokens.select_columns(["id", "label"]).iter(BATCH):
            right += int((labels.read(pack(batch["id"])).argmax(axis=1) == batch["label"]).sum())
    share = right / len(tokens)
    log.info(
        "%s is right in %.1f %% of the training pairs, %.1f %% of the validation pairs",
        teacher.manifest["what"], 100 * share, 100 * teacher.details["validation"]["accuracy"],
    )  # fmt: skip
    return share
