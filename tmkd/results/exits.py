"""Which part of a student with exits answers in a row of the comparison.

A threshold changes no student and no stored prediction: which pairs leave where follows from the exits' own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tmkd.store.artifacts import Artifact
from tmkd.store.predictions import predictions

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from tmkd.models.classifier import PairClassifier


@dataclass(frozen=True)
class Predictor:
    """Which part of a classifier answers: all of it, the exit after a layer, or the first exit that is sure enough."""

    exit: int | None = None
    threshold: float | None = None

    @property
    def suffix(self) -> str:
        """What it adds to an arm's name."""
        if self.exit is not None:
            return f", exit {self.exit}"
        return "" if self.threshold is None else f", early exit at {self.threshold:g}"

    def identity(self) -> dict[str, Any]:
        """Return what it adds to a row's settings, and to the identity of a speed."""
        if self.exit is not None:
            return {"exit": self.exit}
        return {} if self.threshold is None else {"exit_threshold": self.threshold}


DEEPEST = Predictor()


def parameters(classifier: Artifact, predictor: Predictor) -> int | None:
    """Return how many parameters are used when the predictor answers; None where nobody knows: of a file of scores."""
    details = classifier.details
    if details.get("parameters") is None:
        return None
    if predictor.exit is not None:
        return int(details["exits"][str(predictor.exit)])
    return int(details["parameters"] + (0 if predictor.threshold is None else details["exits"]["all"]))


def probabilities(classifier: Artifact, split: str, predictor: Predictor) -> np.ndarray:
    """Return the predictor's probabilities ``[pairs, classes]`` on validation or test."""
    from tmkd.evaluation.ensemble import average_probabilities

    if predictor.threshold is None:
        return average_probabilities(predictions(classifier, split, predictor.exit))
    return _early(classifier, split, predictor.threshold)[0]


def leaving(classifiers: Sequence[Artifact], split: str, predictor: Predictor) -> dict[str, Any]:
    """Return the share of a split's pairs that leaves at each exit, a mean over classifiers; nothing for other rows."""
    import numpy as np

    if predictor.threshold is None:
        return {}
    names = [*(name for name in classifiers[0].details["exits"] if name != "all"), "deepest"]
    places = np.stack([_early(classifier, split, predictor.threshold)[1] for classifier in classifiers])
    return {"leaving": {name: float((places == index).mean()) for index, name in enumerate(names)}}


def _early(classifier: Artifact, split: str, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities of leaving early, and for each pair the place of its exit among all, deepest last."""
    import numpy as np

    exits = [int(name) for name in classifier.details["exits"] if name != "all"]
    each = np.stack([probabilities(classifier, split, Predictor(exit)) for exit in (*exits, None)])
    sure = each.max(axis=-1).astype(np.float32) >= threshold  # as precise as the model itself, which decides when timed
    sure[-1] = True
    places = sure.argmax(axis=0)
    return each[places, np.arange(len(places))], places


def answer(model: PairClassifier, predictor: Predictor) -> Callable[..., Tensor] | None:
    """Return what ``training.predict`` runs to have the predictor answer, running no more than that takes."""
    if (layer := predictor.exit) is not None:
        return lambda **batch: model.predict_exit(layer, **batch).unsqueeze(1)
    if (threshold := predictor.threshold) is not None:
        return lambda **batch: model.predict_early(threshold, **batch)[0].unsqueeze(1)
    return None
