"""Predictions are probabilities, or on the scale of the labels, whatever a head has learnt: each that is known up to a
line alone gets its line.

It is fitted on the validation split, while training goes on for the metrics of an epoch, and at the end for the weights
that are written. A map of margins by a line is another linear head, so that nothing downstream knows of it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from tmkd.results.context import RunContext
from tmkd.results.task import Task

if TYPE_CHECKING:
    import numpy as np

    from tmkd.evaluation.head_calibration import Line
    from tmkd.models.classifier import PairClassifier

log = logging.getLogger(__name__)


def calibrated(context: RunContext, task: Task, logits: np.ndarray, relative: Sequence[int]) -> np.ndarray:
    """Return the heads' logits on validation ``[heads, pairs, classes]``, those at ``relative`` calibrated."""
    import numpy as np

    lines = _lines(context, task, logits, relative)
    return np.stack([line.apply(head) if (line := lines.get(at)) else head for at, head in enumerate(logits)])


def calibrate_heads(
    context: RunContext, task: Task, model: PairClassifier, relative: Sequence[int]
) -> dict[str, dict[str, float] | None]:
    """Fold the line of each head at the places ``relative`` into the model's weights.

    Returns:
        Slope and intercept by the head's name; None, with a warning, for one that stays as it is, since no line fits
        validation.
    """
    from tmkd.training.predict import predict_together

    tokens = task.rows("validation").read_by(context, model)
    lines = _lines(context, task, predict_together(model, tokens, context.runtime).transpose(1, 0, 2), relative)
    for at, line in lines.items():
        if line:
            model.heads.move(at, line.slope, line.shift(model.heads.classes).tolist())
        elif context.is_main_process:
            log.warning(
                "The head %s ranks passages, but the size of its scores means nothing: on validation, right passages "
                "do not have higher scores than wrong ones, so that it cannot be calibrated.",
                model.heads.names[at],
            )
    return {model.heads.names[at]: asdict(line) if line else None for at, line in lines.items()}


def _lines(context: RunContext, task: Task, logits: np.ndarray, relative: Sequence[int]) -> dict[int, Line | None]:
    import numpy as np

    from tmkd.evaluation.head_calibration import Line

    labels = np.asarray(task.rows("validation").read(context)["label"])
    return {at: Line.fit(logits[at], labels) for at in relative}
