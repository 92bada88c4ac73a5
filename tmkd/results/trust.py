"""Whom to follow on which kind of question: teachers' weights, learnt on the validation split."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tmkd.errors import DataError
from tmkd.results.classifier import Classifier
from tmkd.results.context import RunContext
from tmkd.results.node import Result
from tmkd.store.predictions import predictions

if TYPE_CHECKING:
    from tmkd.evaluation.trust import Trust

FEWEST = 20  # validation questions of a kind that has weights of its own
OTHER = "other"


@dataclass(frozen=True, eq=False)
class TeacherTrust(Result):
    """How much each of several teachers counts, by the question's first word: who, what, when."""

    kind: ClassVar[str] = "trust"
    alone: ClassVar[bool] = True

    teachers: tuple[Classifier, ...]

    @property
    def what(self) -> str:
        return f"weights of {len(self.teachers)} teachers by question type"

    def make(self, context: RunContext, work: Path) -> dict[str, Any]:
        import numpy as np

        from tmkd.evaluation.ensemble import teaching_logits
        from tmkd.evaluation.trust import Trust

        rows = self.teachers[0].own_task.rows("validation").read(context)
        logits = []
        for teacher in self.teachers:
            made = teacher.build(context)
            if made.details["validation"] is None:
                raise DataError(
                    f"{teacher.what}: expected scores of the validation split, on which weights are learnt, but it has "
                    "none; score that split too, or choose other method.teacher_weights."
                )
            logits.append(teaching_logits(predictions(made, "validation").transpose(1, 0, 2)))
        kinds, ids = question_types(rows["question"]), rows["question_id"]
        asked = Counter(dict(zip(ids, kinds)).values())
        groups = [kind if asked[kind] >= FEWEST else OTHER for kind in kinds]
        return Trust.fit(np.stack(logits), np.asarray(rows["label"]), groups, ids).to_json()

    def weights(self, context: RunContext) -> Trust:
        """Return the weights, learnt if they are not yet."""
        from tmkd.evaluation.trust import Trust

        return Trust.from_json(self.build(context).details)


def question_types(questions: Sequence[str]) -> list[str]:
    """Return the first word of each question, in lower case; none has a word that is not letters."""
    words = (re.search(r"\w+", question) for question in questions)
    return [word.group().casefold() if word else OTHER for word in words]
