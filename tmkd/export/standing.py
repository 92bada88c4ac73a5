"""What the comparisons in a store say of a student's row: beside its teachers together, and beside the baseline."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tmkd.choices import CLASSES
from tmkd.errors import TmkdError
from tmkd.evaluation.metrics import per_question
from tmkd.evaluation.significance import crossed_bootstrap
from tmkd.export.answers import Rows, answered
from tmkd.measures import main_metric
from tmkd.report.claims import LEVEL
from tmkd.report.facts import COMPARISON
from tmkd.store.artifacts import Artifact, open_artifact
from tmkd.store.catalogue import entries


@dataclass(frozen=True)
class Beside:
    """How a row differs from another one, in the main metric.

    Attributes:
        low, high: 95 % interval over questions and seeds; None, with ``p``: it could not be computed.
        p: two-sided.
        adjusted: for all rows that are compared with the same baseline (Holm).
    """

    other: str
    difference: float
    low: float | None = None
    high: float | None = None
    p: float | None = None
    adjusted: bool = False

    @property
    def shown(self) -> bool:
        """Whether the test shows a difference."""
        return self.p is not None and self.p < LEVEL


@dataclass(frozen=True)
class Standing:
    """A row that a student is one of.

    Attributes:
        comparison: name of the artifact, the newest that names the student.
        others: how many more do.
        seeds: of the row, over which it is a mean.
        metric, mean: the main metric of the row.
        ensemble: beside the teacher ensemble; None where it has no row.
        baselines: beside each baseline.
    """

    comparison: str
    experiment: str
    others: int
    arm: str
    seeds: int
    metric: str
    mean: float
    ensemble: Beside | None
    baselines: list[Beside]


def standing(artifact: Artifact, ranking: bool, kind: str = CLASSES) -> Standing | None:
    """Return where the newest comparison beside an artifact puts it; None where none names it.

    Args:
        ranking, kind: as for ``tmkd.evaluation.metrics.evaluate``.
    """
    named = []
    for entry in entries(artifact.root, "comparison")[0]:
        if (entry.artifact.path / COMPARISON).is_file():
            document = json.loads(entry.artifact.file(COMPARISON).read_text(encoding="utf-8"))
            row = next((row for row in document["rows"] if _is_of(row, artifact)), None)
            if row is not None:
                named.append((entry.artifact, document, row))
    if not named:
        return None
    comparison, document, row = named[-1]
    metric = document.get("metric") or main_metric(ranking, kind=kind)
    together = document["rows"][-1]
    ensemble = None
    if row["to_ensemble"] is not None and together is not row:
        ensemble = _beside_ensemble(artifact, row, together, ranking, metric, kind)
    baselines = [
        Beside(name, each["difference"], each["low"], each["high"], each["p_holm"], True)
        for name, each in row["versus"].items()
    ]
    about = (comparison.name, document["experiment"], len(named) - 1, row["arm"], len(row["seeds"]))
    return Standing(*about, metric, row["metrics"][metric]["mean"], ensemble, baselines)


def _is_of(row: Mapping[str, Any], artifact: Artifact) -> bool:
    """Whether a row is the whole student's: not that of an exit of it, and not the teachers' together."""
    exits = {"exit", "exit_threshold"} & set(row["settings"])
    alone = not row["seeds"] or len(row["artifacts"]) == len(row["seeds"])
    return artifact.name in row["artifacts"] and not exits and alone


def _beside_ensemble(
    artifact: Artifact,
    row: Mapping[str, Any],
    together: Mapping[str, Any],
    ranking: bool,
    metric: str,
    kind: str,
) -> Beside:
    """Test a row against the teachers' ensemble, where the store has the predictions of both."""
    rows = Rows.read(artifact, "test")

    def values(names: list[str]) -> np.ndarray:
        each = [answered(open_artifact(artifact.root / name), rows, "test").probabilities for name in names]
        mean = np.mean(each, axis=0)
        return per_question(mean, rows.labels, rows.question_ids, ranking, rows.parts, metric, kind)[1]

    try:
        own = np.stack([values([name]) for name in row["artifacts"]])
        test = crossed_bootstrap(own, values(together["artifacts"])[None], paired=False)
    except TmkdError:
        return Beside(together["arm"], row["to_ensemble"])
    return Beside(together["arm"], test.difference, test.low, test.high, test.p_value)
