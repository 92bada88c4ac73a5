"""What teachers and students have in common: how they are made before training, judged, and written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tmkd.config import StudentConfig, TeacherConfig, encoder_of
from tmkd.pipelines.context import RunContext, parts_of
from tmkd.pipelines.encoders import encoder_source
from tmkd.store.artifacts import MODEL, Artifact

if TYPE_CHECKING:
    import numpy as np

    from tmkd.models.classifier import PairClassifier

PREDICTIONS = "predictions.safetensors"


def new_classifier(
    context: RunContext,
    member: TeacherConfig | StudentConfig,
    heads: list[str],
    keep: int | None = None,
    pooling: str | None = None,
    keep_which: str = "bottom",
    token_types: bool = True,
    start: Artifact | None = None,
) -> PairClassifier:
    """Return a teacher or student before training, with fresh heads, on the runtime's device.

    Args:
        keep: only so many layers of its encoder; None keeps all.
        pooling: where its h1 is; None leaves it to the encoder's setting.
        keep_which: which layers, bottom or every (see ``models.layers.kept``).
        token_types: whether its encoder tells them apart.
        start: a trained teacher whose encoder it starts from.
    """
    from tmkd.models.classifier import PairClassifier
    from tmkd.models.encoder import load_encoder

    max_length = member.max_length or encoder_of(member, context.config).max_length
    source = encoder_source(context, member, start)
    encoder = load_encoder(
        **source | {"pooling": pooling or source["pooling"]},
        keep=keep,
        keep_which=keep_which,
        token_types=token_types,
        dropout=member.dropout,
        freeze_embeddings=member.freeze_embeddings,
        attention=context.runtime.attention,
    )
    config = context.config
    alike = config.method.head_init == "shared"
    return PairClassifier(encoder, heads, config.data.classes, max_length, alike).to(context.runtime.device)


def new_student(context: RunContext, heads: list[str], start: Artifact | None = None) -> PairClassifier:
    """Return a student with the layers that it keeps of its encoder, or of the teacher that it starts from, and fresh
    heads, on the runtime's device."""
    student = context.config.student
    return new_classifier(
        context,
        student,
        heads,
        keep=student.layers,
        pooling=student.pooling,
        keep_which=student.keep,
        token_types=student.token_types,
        start=start,
    )


def validator(context: RunContext, model: PairClassifier) -> Callable[[Any], dict[str, float]]:
    """Return what judges ``model`` after each epoch: the mean of the predicting heads' probabilities, on validation."""
    from tmkd.training.predict import predict_together

    tokens = context.tokens("validation", model.tokenizer, model.max_length)

    def validate(_: Any) -> dict[str, float]:
        found = predict_together(model, tokens, context.runtime)
        return validation_metrics(context, found[:, model.predicting].transpose(1, 0, 2))

    return validate


def validation_metrics(context: RunContext, logits: np.ndarray) -> dict[str, float]:
    """Judge the predicting heads' logits ``[heads, pairs, classes]`` on the validation split."""
    from tmkd.evaluation.ensemble import average_probabilities
    from tmkd.evaluation.metrics import evaluate

    rows = context.rows("validation")
    ranking = context.config.data.ranking
    return evaluate(average_probabilities(logits), rows["label"], rows["question_id"], ranking, parts_of(rows))


def write_classifier(work: Path, model: PairClassifier, context: RunContext) -> dict[str, Any]:
    """Write a trained classifier, and what it predicts of validation and test, once, for every later table, exits too.

    Returns:
        What the manifest says of it: ``validation``, the metrics, and ``parameters``.
    """
    import numpy as np
    from safetensors.numpy import save_file

    from tmkd.training.predict import predict_together

    logits = {}
    for split in ("validation", "test"):
        tokens = context.tokens(split, model.tokenizer, model.max_length)
        found = predict_together(model, tokens, context.runtime, model.answers).transpose(1, 0, 2)
        logits[split] = np.ascontiguousarray(found[model.predicting])
        for layer, scored in zip(model.exits.layers, found[len(model.heads.names) :]):
            logits[f"{split}, exit {layer}"] = np.ascontiguousarray(scored[None])
    if context.is_main_process:
        save_file(logits, work / PREDICTIONS)
        model.save(work / MODEL)
    return {"validation": validation_metrics(context, logits["validation"]), "parameters": model.parameter_count}


def predictions(artifact: Artifact, split: str, exit: int | None = None) -> np.ndarray:
    """Return a classifier's predicting heads' logits ``[heads, pairs, classes]`` on validation or test.

    ``exit`` names a layer of a student: the one head of the exit after it.
    """
    from safetensors.numpy import load_file

    return load_file(artifact.file(PREDICTIONS))[split if exit is None else f"{split}, exit {exit}"]
