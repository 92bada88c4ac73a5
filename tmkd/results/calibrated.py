"""A teacher whose scores are brought to a common scale by a monotone map, fitted on the validation split."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tmkd.choices import CLASSES
from tmkd.errors import DataError
from tmkd.results.classifier import Classifier, validation_metrics
from tmkd.results.context import RunContext
from tmkd.results.cross_fitted import CrossFittedTeacher
from tmkd.results.rows import Rows
from tmkd.results.soft_labels import SoftLabels
from tmkd.results.task import Task
from tmkd.results.work import Work
from tmkd.store.artifacts import Artifact
from tmkd.store.predictions import predictions, write_predictions

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset

    from tmkd.evaluation.calibration import Calibration

MAP, MAP_OF_ONE = "calibration.json", "calibration_of_one.json"


@dataclass(frozen=True, eq=False)
class CalibratedTeacher(Classifier):
    """A teacher on a common scale.

    Attributes:
        teacher: whose scores these are. One that is cross-fitted has a second map, of single copies' scores, which are
            surer than their mean.
        calibration: how the map is fitted: temperature, platt, isotonic, rank or linear.
    """

    kind: ClassVar[str] = "teacher"
    alone: ClassVar[bool] = True

    teacher: Classifier
    calibration: str

    @property
    def what(self) -> str:
        return f"{self.teacher.what}, calibrated ({self.calibration})"

    @property
    def own_task(self) -> Task:
        return self.teacher.own_task

    @property
    def trained(self) -> Classifier:
        return self.teacher.trained

    @property
    def timed_as(self) -> dict[str, Any] | None:
        return self.teacher.timed_as

    def make(self, context: RunContext, work: Path) -> dict[str, Any]:
        import numpy as np

        from tmkd.evaluation.calibration import Calibration
        from tmkd.evaluation.ensemble import average_probabilities, teaching_logits
        from tmkd.evaluation.reliability import reliability

        teacher, task = self.teacher.build(context), self.own_task
        predicted = teacher.details.get("predicted", ("validation", "test"))
        before = {split: teaching_logits(predictions(teacher, split).transpose(1, 0, 2)) for split in predicted}
        rows = task.rows("validation").read(context)
        if (known := before.get("validation", self._part(context, teacher, rows["id"]))) is None:
            raise DataError(
                f"{self.teacher.what}: expected scores of the validation split, on which its scale is fitted, but it "
                "has none; score that split too, or set teachers.calibration=none."
            )
        fitted = Calibration.fit(self.calibration, known, _labels(rows), self.teacher.what)
        (work / MAP).write_text(json.dumps(fitted.to_json()), encoding="utf-8")
        if isinstance(self.teacher, CrossFittedTeacher):
            copies = predictions(teacher, "validation")
            each = teaching_logits(copies.reshape(-1, 1, copies.shape[-1]), normalised=True)
            one = Calibration.fit(self.calibration, each, np.tile(_labels(rows), len(copies)), self.teacher.what)
            (work / MAP_OF_ONE).write_text(json.dumps(one.to_json()), encoding="utf-8")
        after = {split: fitted.apply(logits) for split, logits in before.items()}
        write_predictions(work, {split: logits[None] for split, logits in after.items()})
        details = {name: teacher.details[name] for name in KEPT if name in teacher.details}
        if "test" in after and task.label_kind == CLASSES:  # not the split that it was fitted on; scores claim nothing
            labels = _labels(task.rows("test").read(context))
            details["reliability"] = {
                "method": self.calibration,
                "before": asdict(reliability(average_probabilities([before["test"]]), labels)),
                "after": asdict(reliability(average_probabilities([after["test"]]), labels)),
            }
        found = after.get("validation")
        metrics = None if found is None else validation_metrics(context, task, found[None])
        return details | {"validation": metrics, "predicted": list(after)}

    def _part(self, context: RunContext, teacher: Artifact, ids: list[str]) -> np.ndarray | None:
        """Return the logits ``[pairs, classes]`` of a validation split that is scored in part; None: it is not."""
        from tmkd.store.soft_labels import read_soft_labels

        if "validation" not in teacher.details.get("partly", {}):
            return None
        made = SoftLabels.of(self.teacher, self.own_task.rows("validation")).build(context)
        return read_soft_labels(made.folder(), ids)

    def label_reads(self, rows: Rows) -> list[SoftLabels]:
        return [SoftLabels.of(self.teacher, rows)]

    def label(self, context: RunContext, rows: Rows, work: Path) -> dict[str, Any]:
        from tmkd.store.soft_labels import join_soft_labels

        alone = isinstance(self.teacher, CrossFittedTeacher) and self.teacher.labelled_by_one(rows)
        fitted = self.fitted(context, MAP_OF_ONE if alone else MAP)
        made = SoftLabels.of(self.teacher, rows).build(context)
        join_soft_labels([made.folder()], work, lambda _, logits: fitted.apply(logits[:, 0]))
        return {name: made.details[name] for name in LABELLED if name in made.details}

    def allow(self, details: Mapping[str, Any], context: RunContext) -> None:
        self.teacher.allow(details, context)

    def label_cost(self, context: RunContext, rows: Rows) -> list[Work]:
        return []  # a map of numbers that are there

    def cost(self, context: RunContext) -> list[Work]:
        return []

    def fitted(self, context: RunContext, name: str = MAP) -> Calibration:
        """Return a map, as it was fitted."""
        from tmkd.evaluation.calibration import Calibration

        return Calibration.from_json(json.loads(self.build(context).file(name).read_text(encoding="utf-8")))


KEPT = ("training", "parameters", "pairs_per_second")  # what its teacher's manifest says, and holds for it too
LABELLED = ("pairs", "missing", "accuracy", "strange")  # what that of its teacher's soft labels says, likewise


def _labels(rows: Dataset) -> np.ndarray:
    import numpy as np

    return np.asarray(rows["label"])
