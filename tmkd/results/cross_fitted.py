"""Cross-fitting: copies of a teacher each leave a part of the training pairs out, and label that part alone.

A teacher that has memorised its training pairs repeats their gold labels there. A copy that has never seen a pair
says what it would say of any other (the sample splitting of double machine learning, Chernozhukov et al. 2018; Dao et
al. 2021 use it for distillation).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tmkd.results.classifier import Classifier, validation_metrics
from tmkd.results.context import RunContext
from tmkd.results.rows import Rows
from tmkd.results.soft_labels import SoftLabels
from tmkd.results.task import Task
from tmkd.results.teacher import Teacher, fold_of
from tmkd.results.trained import training_cost
from tmkd.results.work import Member, Work
from tmkd.store.predictions import predictions, write_predictions

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False)
class CrossFittedTeacher(Classifier):
    """A teacher that is several copies, each trained without another part of the questions.

    Each labels the training pairs that it has not seen; of all else (validation, test, the corpus) they answer
    together, by the mean of their probabilities.

    Attributes:
        form: of the labels, everywhere the same: a squared error of logits sees the constant that a softmax does not,
            and heads that learnt the corpus would have other targets on the training pairs.
    """

    kind: ClassVar[str] = "teacher"
    alone: ClassVar[bool] = True

    copies: tuple[Teacher, ...]
    form: str = "log-probabilities"

    @property
    def what(self) -> str:
        return f"{self.copies[0].what}, {len(self.copies)} copies"

    @property
    def own_task(self) -> Task:
        return self.copies[0].task

    @property
    def trained(self) -> Classifier:
        return self.copies[0]

    def make(self, context: RunContext, work: Path) -> dict[str, Any]:
        import numpy as np

        made = [copy.build(context) for copy in self.copies]
        found = {split: np.concatenate([predictions(each, split) for each in made]) for split in ("validation", "test")}
        write_predictions(work, found)
        return {
            "validation": validation_metrics(context, self.own_task, found["validation"]),
            "parameters": sum(each.details["parameters"] for each in made),
            "pairs_per_second": None,
            "training": {"cost": training_cost(made)},
        }

    def labelled_by_one(self, rows: Rows) -> bool:
        """Whether one copy labels each of these pairs, not all together."""
        return rows == self.own_task.rows("train")

    def label_reads(self, rows: Rows) -> list[SoftLabels]:
        return [SoftLabels.of(copy, rows) for copy in self.copies]

    def label(self, context: RunContext, rows: Rows, work: Path) -> dict[str, Any]:
        import numpy as np

        from tmkd.data.splits import whole_questions
        from tmkd.evaluation.ensemble import teaching_logits
        from tmkd.store.soft_labels import join_soft_labels

        made = [labels.build(context) for labels in self.label_reads(rows)]
        folds = None
        if self.labelled_by_one(rows):
            read = rows.read(context)
            questions = whole_questions(read["question_id"], read["question"])
            folds = dict(zip(read["id"], fold_of(questions, len(self.copies))))

        def join(ids: Sequence[str], logits: np.ndarray) -> np.ndarray:
            """Return ``[pairs, classes]`` of the copies' logits ``[pairs, copies, classes]``."""
            if folds is None:
                return teaching_logits(logits)
            return teaching_logits(logits[np.arange(len(ids)), [folds[name] for name in ids], None], normalised=True)

        join_soft_labels([each.folder() for each in made], work, join)
        return {"pairs": made[0].details["pairs"]}

    def member(self, context: RunContext) -> Member:
        return self.copies[0].member(context)

    def label_cost(self, context: RunContext, rows: Rows) -> list[Work]:
        return []  # of the copies' logits

    def cost(self, context: RunContext) -> list[Work]:
        return []
