"""Stage 0: fine-tune the N teachers on the labelled task, each with its own settings, one in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tmkd.artifacts import MODEL, SCRATCH, Artifact
from tmkd.config import Config, StudentConfig, TeacherConfig, encoder_of, settings, teaching
from tmkd.errors import ConfigError
from tmkd.metrics import main_metric
from tmkd.pipelines.context import RunContext, parts_of
from tmkd.pipelines.encoders import encoder_source
from tmkd.pipelines.overlap import check_overlaps
from tmkd.pipelines.specs import teacher_spec

if TYPE_CHECKING:
    import numpy as np

    from tmkd.models.classifier import PairClassifier

PREDICTIONS = "predictions.safetensors"


def run(config: Config) -> list[Artifact]:
    """Return the first ``teachers.count`` teachers of the roster, trained; every arm that they may teach is checked."""
    from tmkd.pipelines.arms import check_arms  # which imports this module

    context = RunContext(config)
    if untrained(context):  # where nothing is to be trained, no encoder is looked at
        check_arms(context)
        check_overlaps(context)
    return teachers(context)


def teachers(context: RunContext, count: int | None = None) -> list[Artifact]:
    """Return the first ``count`` teachers (``teachers.count`` without it), building those that are missing."""
    config = context.config
    roster = config.teachers.roster[: count or config.teachers.count]
    if untrained(context, roster):  # what is wrong with the task or the corpus is said now, and not after the training
        _ = context.task, context.needs_corpus and context.corpus
    return [_teacher(context, number, teacher) for number, teacher in enumerate(roster, start=1)]


def untrained(context: RunContext, roster: Sequence[TeacherConfig] | None = None) -> bool:
    """Return whether a teacher is still to be trained, of all that teach or of ``roster``."""
    config = context.config
    known = (teacher_spec(config, teacher, context.task_key) for teacher in roster or teaching(config))
    return any(context.store.find("teacher", spec) is None for spec in known)


def check_roster(config: Config) -> None:
    """Raise ConfigError where two of those that teach would be one teacher, however their settings are written."""
    specs = [teacher_spec(config, teacher, task="") for teacher in teaching(config)]
    for index, spec in enumerate(specs):
        if (same := specs.index(spec)) < index:
            raise ConfigError(
                f"teachers.roster[{index}]: expected another teacher than roster[{same}], got one of the same settings."
            )


def best_teacher(trained: list[Artifact], metric: str) -> int:
    """Return the index of the best teacher on the validation split; the first of equals."""
    values = [teacher.details["validation"][metric] for teacher in trained]
    return values.index(max(values))


def predictions(artifact: Artifact, split: str, exit: int | None = None) -> np.ndarray:
    """Return a classifier's predicting heads' logits ``[heads, pairs, classes]`` on validation or test.

    ``exit`` names a layer of a student: the one head of the exit after it.
    """
    from safetensors.numpy import load_file

    return load_file(artifact.file(PREDICTIONS))[split if exit is None else f"{split}, exit {exit}"]


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
    from tmkd.ensemble import average_probabilities
    from tmkd.metrics import evaluate

    rows = context.rows("validation")
    ranking = context.config.data.ranking
    return evaluate(average_probabilities(logits), rows["label"], rows["question_id"], ranking, parts_of(rows))


def _teacher(context: RunContext, number: int, teacher: TeacherConfig) -> Artifact:
    spec = teacher_spec(context.config, teacher, context.task_key)
    what = f"teacher {number} (learning rate {teacher.learning_rate:g})"
    return context.build("teacher", spec, lambda work: _train(context, number, teacher, work), what)


def _train(context: RunContext, number: int, teacher: TeacherConfig, work: Path) -> dict[str, Any]:
    import torch

    from tmkd.data.batching import PairDataset
    from tmkd.losses.combine import gold_term
    from tmkd.models.heads import GOLD
    from tmkd.training.fit import fit

    config, runtime = context.config, context.runtime
    torch.manual_seed(teacher.seed)
    model = new_classifier(context, teacher, [GOLD])
    facts = fit(
        model,
        PairDataset(context.tokens("train", model.tokenizer, model.max_length)),
        [gold_term(1.0)],
        scratch=work / SCRATCH,
        runtime=runtime,
        what=f"teacher {number}",
        seed=teacher.seed,
        learning_rate=teacher.learning_rate,
        batch_size=teacher.batch_size,
        epochs=teacher.epochs,
        **settings(config.trainer),
        validate=validator(context, model),
        metric=main_metric(config.data.ranking),
    )
    return {"training": facts, **write_classifier(work, model, context)}


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
