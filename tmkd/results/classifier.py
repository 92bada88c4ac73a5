"""What teachers and students have in common: how they are made before training, judged, written, timed and costed."""

from __future__ import annotations

import functools
import json
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tmkd.config import TrainerConfig
from tmkd.results.context import RunContext
from tmkd.results.node import Result
from tmkd.results.rows import Rows, parts_of
from tmkd.results.task import Task
from tmkd.results.work import FLOAT, Member, Work
from tmkd.store.artifacts import MODEL, Artifact

if TYPE_CHECKING:
    import numpy as np

    from tmkd.models.classifier import PairClassifier

PREDICTIONS = "predictions.safetensors"


@dataclass(frozen=True, eq=False)
class Classifier(Result):
    """A result that holds a trained classifier, and its predictions of a task's validation and test."""

    @property
    @abstractmethod
    def own_task(self) -> Task:
        """The task that it predicts."""

    @property
    @abstractmethod
    def timed_as(self) -> dict[str, Any]:
        """What its speed depends on."""

    @property
    def averages_heads(self) -> bool:
        """Whether several heads answer together, by the mean of their probabilities."""
        return False

    @abstractmethod
    def member(self, context: RunContext) -> Member:
        """Return who is trained, for a plan."""


def load_classifier(classifier: Artifact, context: RunContext) -> PairClassifier:
    """Return a trained classifier on the runtime's device."""
    from tmkd.models.classifier import PairClassifier

    model = PairClassifier.load(classifier.folder(MODEL), attention=context.runtime.attention)
    return model.to(context.runtime.device)


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
) -> PairClassifier:
    """Return a teacher or student before training, with fresh heads, on the runtime's device.

    Args:
        source: of its encoder; see ``Encoder.source``.
        keep: the number of layers to keep of its encoder; None keeps all.
        keep_which: which layers, bottom or every (see ``models.layers.kept``).
        token_types: whether its encoder tells them apart.
        head_init: shared or separate: whether all heads start from one random draw.
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
    model = PairClassifier(encoder, heads, classes, max_length, head_init == "shared")
    return model.to(context.runtime.device)


def validator(context: RunContext, task: Task, model: PairClassifier) -> Callable[[Any], dict[str, float]]:
    """Return what judges ``model`` after each epoch: the mean of the predicting heads' probabilities, on validation."""
    from tmkd.training.predict import predict_together

    tokens = task.rows("validation").read_by(context, model)

    def validate(_: Any) -> dict[str, float]:
        found = predict_together(model, tokens, context.runtime)
        return validation_metrics(context, task, found[:, model.predicting].transpose(1, 0, 2))

    return validate


def validation_metrics(context: RunContext, task: Task, logits: np.ndarray) -> dict[str, float]:
    """Judge the predicting heads' logits ``[heads, pairs, classes]`` on the validation split."""
    from tmkd.evaluation.ensemble import average_probabilities
    from tmkd.evaluation.metrics import evaluate

    rows = task.rows("validation").read(context)
    return evaluate(average_probabilities(logits), rows["label"], rows["question_id"], task.ranking, parts_of(rows))


def write_classifier(work: Path, model: PairClassifier, context: RunContext, task: Task) -> dict[str, Any]:
    """Write a trained classifier, and what it predicts of validation and test, once, for every later table, exits too.

    Returns:
        What the manifest says of it: ``validation``, the metrics, and ``parameters``.
    """
    import numpy as np
    from safetensors.numpy import save_file

    from tmkd.training.predict import predict_together

    logits = {}
    for split in ("validation", "test"):
        tokens = task.rows(split).read_by(context, model)
        found = predict_together(model, tokens, context.runtime, model.answers).transpose(1, 0, 2)
        logits[split] = np.ascontiguousarray(found[model.predicting])
        for layer, scored in zip(model.exits.layers, found[len(model.heads.names) :]):
            logits[f"{split}, exit {layer}"] = np.ascontiguousarray(scored[None])
    if context.is_main_process:
        save_file(logits, work / PREDICTIONS)
        model.save(work / MODEL)
    return {"validation": validation_metrics(context, task, logits["validation"]), "parameters": model.parameter_count}


def predictions(artifact: Artifact, split: str, exit: int | None = None) -> np.ndarray:
    """Return a classifier's predicting heads' logits ``[heads, pairs, classes]`` on validation or test.

    ``exit`` names a layer of a student: the one head of the exit after it.
    """
    from safetensors.numpy import load_file

    return load_file(artifact.file(PREDICTIONS))[split if exit is None else f"{split}, exit {exit}"]


def member(
    context: RunContext,
    task: Task,
    known: Mapping[str, Any],
    what: str,
    untrained: Callable[[], PairClassifier],
    trainer: TrainerConfig,
) -> Member:
    """Return a member for a plan; ``known`` is all of its architecture that its speed depends on."""
    train = task.rows("train")
    architecture = json.dumps(known, sort_keys=True)
    return Member(architecture, what, untrained, functools.partial(train.read_by, context), asdict(trainer))


def scoring(context: RunContext, who: Member, rows: Rows, passes: float = 1.0, kept: int = 0) -> Work:
    """Return what it takes to score a split."""
    return Work(who, None, rows.identity(), functools.partial(rows.lengths, context), passes, kept)


def learning(
    context: RunContext, who: Member, task: Task, rows: Rows, batch: int, passes: float, judged: int, heads: int
) -> list[Work]:
    """Return what a training takes, with its predictions.

    Args:
        passes: over ``rows``; may be a part of one.
        judged: how often validation is scored on the way.
        heads: how many predict.
    """
    predicted = FLOAT * len(task.classes) * heads
    return [
        Work(who, batch, rows.identity(), functools.partial(rows.lengths, context), passes),
        scoring(context, who, task.rows("validation"), judged + 1.0, predicted),
        scoring(context, who, task.rows("test"), 1.0, predicted),
    ]
